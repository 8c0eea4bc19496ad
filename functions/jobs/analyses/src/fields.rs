//! The fields of the requests.

use platform::input::{FromField, RawValue};
use serde_json::Value;

/// Characters of a title, at most.
pub const LONGEST_TITLE: usize = 200;

/// Characters of the name of a text, at most.
const LONGEST_NAME: usize = 255;

/// A title: 1 to 200 characters, none of them a control character.
#[derive(Debug)]
pub struct Title(pub String);

/// The name of a text: 1 to 255 characters, none of them a control character. It may be a path.
#[derive(Debug)]
pub struct TextName(pub String);

/// A text of so many characters at most, and not blanks alone.
pub struct Text<const MOST: usize>(pub String);

/// Any JSON but null.
pub struct AnyJson(pub Value);

platform::opaque!(AnyJson);

impl FromField for Title {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        line(raw, LONGEST_TITLE).map(Self)
    }
}

impl FromField for TextName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        line(raw, LONGEST_NAME).map(Self)
    }
}

impl<const MOST: usize> FromField for Text<MOST> {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.trim().is_empty() || text.chars().count() > MOST {
            return Err(format!("must be 1 to {MOST} characters, and not blanks alone"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for AnyJson {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match *raw {
            RawValue::Json(value) => Ok(Self(value.clone())),
            RawValue::Text(text) => Ok(Self(text.into())),
        }
    }
}

/// A text on one line.
fn line(raw: &RawValue<'_>, most: usize) -> Result<String, String> {
    let text = raw.text()?;
    let length = text.chars().count();
    if !(1..=most).contains(&length) || text.chars().any(char::is_control) {
        return Err(format!("must be 1 to {most} characters, none of them a control character"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check<T: FromField>(good: &[Value], bad: &[Value]) {
        for (values, expected) in [(good, true), (bad, false)] {
            for value in values {
                assert_eq!(T::read(&RawValue::Json(value)).is_ok(), expected, "{value}");
            }
        }
    }

    #[test]
    fn each_field_takes_what_it_says() {
        let bad = [json!(""), json!("a\nb"), json!("a\u{0}"), json!("a\u{85}"), json!(7)];
        check::<Title>(&[json!("Contract"), json!("€".repeat(200))], &bad);
        check::<Title>(&[], &[json!("x".repeat(201))]);
        check::<TextName>(&[json!("src/a.rs"), json!("€".repeat(255))], &bad);
        check::<TextName>(&[], &[json!("x".repeat(256))]);
        check::<Text<3>>(
            &[json!("a"), json!("€€€"), json!("a\nb")],
            &[json!(""), json!(" \n"), json!("abcd"), json!("a\u{0}"), json!(["a"])],
        );
    }
}
