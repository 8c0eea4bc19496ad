//! Arguments of the tools that several of them have.

use platform::input::{FromField, RawValue};
use serde_json::Value as Json;

/// Columns that one argument names, at most.
const COLUMNS: usize = 100;

/// Names of columns.
pub struct Names(pub Vec<String>);

impl FromField for Names {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let RawValue::Json(Json::Array(names)) = raw else {
            return Err("must be a list of letters or headers".into());
        };
        if names.len() > COLUMNS {
            return Err(format!("must have at most {COLUMNS} columns"));
        }
        let names = names.iter().map(|name| name.as_str().map(str::to_owned));
        let names = names.collect::<Option<_>>();
        names.map(Self).ok_or_else(|| "must be a list of letters or headers".into())
    }
}
