//! The values that a caller gives to the variables of a prompt.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Bytes of all values as JSON, at most.
const MOST_BYTES: usize = 100_000;

/// Values by the names of their variables, as they were sent. The version of the prompt checks
/// them: see [`super::Version::render`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Values(Map<String, Value>);

impl Values {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl From<Map<String, Value>> for Values {
    fn from(values: Map<String, Value>) -> Self {
        Self(values)
    }
}

impl FromField for Values {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let RawValue::Json(value @ Value::Object(members)) = raw else {
            return Err("must be an object".into());
        };
        if value.to_string().len() > MOST_BYTES {
            return Err("must be at most 100,000 bytes of JSON".into());
        }
        Ok(Self(members.clone()))
    }
}
