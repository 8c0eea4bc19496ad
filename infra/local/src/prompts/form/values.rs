//! Values as JSON and as TOML.

use serde_json::{Map, Number, Value};

/// Begins the keys that the `toml` crate takes for a date.
const OF_THE_CRATE: &str = "$__";

/// Values around each other, at most. The `toml` crate reads no more than 80.
const DEEPEST: usize = 40;

/// A value as JSON. A date is a string there.
pub(crate) fn json(value: toml::Value) -> Result<Value, String> {
    Ok(match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            Number::from_f64(number).ok_or("JSON has no inf and no nan")?.into()
        }
        toml::Value::Boolean(is) => is.into(),
        toml::Value::Datetime(time) => Value::String(time.to_string()),
        toml::Value::Array(items) => {
            Value::Array(items.into_iter().map(json).collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let members = table.into_iter().map(|(key, value)| Ok((key, json(value)?)));
            Value::Object(members.collect::<Result<Map<_, _>, String>>()?)
        }
    })
}

/// A value as TOML, which has no null, and no integer of more than 63 bits.
pub(crate) fn toml_of(value: &Value) -> Option<toml::Value> {
    toml_within(value, DEEPEST)
}

/// The same for a value with at most this many values around each other.
fn toml_within(value: &Value, depth: usize) -> Option<toml::Value> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Value::Null => return None,
        Value::Bool(is) => toml::Value::Boolean(*is),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => toml::Value::Integer(integer),
            None => toml::Value::Float(number.as_f64().filter(|_| number.is_f64())?),
        },
        Value::String(text) => toml::Value::String(text.clone()),
        Value::Array(items) => {
            let items = items.iter().map(|item| toml_within(item, depth));
            toml::Value::Array(items.collect::<Option<_>>()?)
        }
        Value::Object(members) => {
            let table = members.iter().map(|(key, value)| {
                let key = Some(key).filter(|key| !key.starts_with(OF_THE_CRATE))?;
                Some((key.clone(), toml_within(value, depth)?))
            });
            toml::Value::Table(table.collect::<Option<_>>()?)
        }
    })
}
