//! Properties of a resource as a typed struct. An unknown property is an error.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde_json::{Map, Value};

use super::error::TemplateError;

/// Removes the properties that matter to AWS only, then reads `properties` into `T`, which denies
/// unknown fields.
pub(super) fn read<T: DeserializeOwned>(
    mut properties: Map<String, Value>,
    without_local_effect: &[&str],
) -> Result<T, TemplateError> {
    properties.retain(|name, _| !without_local_effect.contains(&name.as_str()));
    serde_path_to_error::deserialize(Value::Object(properties)).map_err(|error| {
        let place = error.path().to_string();
        let error = TemplateError::new(error.into_inner().to_string());
        if place == "." { error } else { error.within(place) }
    })
}

/// The number of a property, or its default. A number out of `bounds` is refused, as AWS does it.
pub(super) fn number<T: Copy + PartialOrd + Display>(
    property: &str,
    given: Option<Scalar<T>>,
    default: T,
    bounds: RangeInclusive<T>,
) -> Result<T, TemplateError> {
    let number = given.map_or(default, |given| given.0);
    if bounds.contains(&number) {
        return Ok(number);
    }
    let (least, most) = bounds.into_inner();
    Err(TemplateError::new(format!("{number} is not between {least} and {most}")).within(property))
}

/// A scalar as CloudFormation takes it: `10`, `"10"` and a parameter that holds `10` are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Scalar<T>(pub T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Scalar<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match Value::deserialize(deserializer)? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            other => {
                return Err(D::Error::custom(format!(
                    "this must be a text or a number, not {other}"
                )));
            }
        };
        text.parse().map(Scalar).map_err(|error| D::Error::custom(format!("`{text}`: {error}")))
    }
}
