//! Values as they were sent, and the types that one field can hold.

use jiff::civil::Date;
use serde_json::Value;

use crate::clock::{Timestamp, parse_rfc3339};

/// A value as it was sent: typed in JSON, text in forms and query strings.
pub enum RawValue<'a> {
    /// A member of a JSON object.
    Json(&'a Value),
    /// A form field or query parameter.
    Text(&'a str),
}

/// A type that one field can hold. The error is a phrase that continues "the field …".
pub trait FromField: Sized {
    /// Reads the value.
    fn read(raw: &RawValue<'_>) -> Result<Self, String>;
}

impl<'a> RawValue<'a> {
    /// The text of a string.
    pub fn text(&self) -> Result<&'a str, String> {
        let text: &'a str = match *self {
            RawValue::Text(text) => text,
            RawValue::Json(Value::String(text)) => text,
            RawValue::Json(_) => return Err("must be a string".into()),
        };
        if text.contains('\0') { Err("must not contain a null character".into()) } else { Ok(text) }
    }
}

impl FromField for String {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text().map(str::to_owned)
    }
}

impl FromField for u64 {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let number = match raw {
            RawValue::Json(value) => value.as_u64().or_else(|| whole(value.as_f64()?)),
            // `parse` alone would take "+5".
            RawValue::Text(text) => {
                text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
            }
        };
        number.ok_or_else(|| "must be a whole number".into())
    }
}

/// The whole number that a fraction is, such as 4 for `4.0`: JSON Schema takes both for an integer.
fn whole(number: f64) -> Option<u64> {
    // Above, not every whole number has a fraction that is equal to it.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let is_whole = number.fract() == 0.0 && (0.0..EXACT).contains(&number);
    is_whole.then(|| format!("{:.0}", number.abs()).parse().ok()).flatten()
}

impl FromField for Timestamp {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        // A `+` that was not percent-encoded has become a space. The error gives a hint about it.
        parse_rfc3339(raw.text()?).ok_or_else(|| {
            "must be an RFC 3339 time like 2026-01-31T09:30:00Z (in a URL, + is %2B)".into()
        })
    }
}

impl FromField for Date {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_day = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        text.parse().ok().filter(|_| is_day).ok_or_else(|| "must be a day like 2026-01-31".into())
    }
}

impl FromField for bool {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw {
            RawValue::Json(Value::Bool(value)) => Ok(*value),
            RawValue::Text("true") => Ok(true),
            RawValue::Text("false") => Ok(false),
            _ => Err("must be true or false".into()),
        }
    }
}
