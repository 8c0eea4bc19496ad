//! The fields of the bodies that change a prompt.

use std::collections::BTreeSet;

use platform::input::{FromField, RawValue};
use serde_json::Value;
use tally_prompts::domain::Label;

/// Characters of a description and of a note, at most.
const LONGEST: usize = 500;

/// The purpose of a prompt: at most 500 characters, none of them a control character.
pub struct Description(pub String);

/// What has changed: at most 500 characters. It may have lines.
pub struct Note(pub String);

/// Labels, each once.
pub struct Labels(pub BTreeSet<Label>);

impl FromField for Description {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > LONGEST || text.chars().any(char::is_control) {
            let wrong = "must be at most 500 characters, none of them a control character";
            return Err(wrong.into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for Note {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > LONGEST {
            return Err("must be at most 500 characters".into());
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromField for Labels {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let RawValue::Json(Value::Array(items)) = raw else {
            return Err("must be a list of labels".into());
        };
        let labels: BTreeSet<_> = items
            .iter()
            .map(|item| Label::read(&RawValue::Json(item)))
            .collect::<Result<_, _>>()
            .map_err(|fault| format!("has an item that {fault}"))?;
        if labels.len() < items.len() {
            return Err("must name each label once".into());
        }
        Ok(Self(labels))
    }
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
        let (longest, long) = (json!("€".repeat(500)), json!("x".repeat(501)));
        let text = [json!(""), json!("Shorter answers."), longest];
        check::<Description>(&text, &[long.clone(), json!("a\nb"), json!(1)]);
        check::<Note>(&text, &[long, json!("a\u{0}"), json!(1)]);
        check::<Note>(&[json!("a\nb")], &[]);
        check::<Labels>(
            &[json!([]), json!(["staging", "production"])],
            &[json!(["staging", "staging"]), json!(["latest"]), json!([1]), json!("staging")],
        );
    }
}
