//! The values of a conversation's working state: short texts by their keys.

use std::collections::BTreeMap;
use std::str::FromStr;

use cells::prompt::write_text;
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Keys of a state, at most.
pub const STATE_KEYS: usize = 16;

/// Bytes of a state, at most: those of [`StateValues::json`].
pub const STATE_BYTES: usize = 8_192;

/// Characters of a key and of a value, at most.
const LONGEST_KEY: usize = 40;
const LONGEST_TEXT: usize = 2_000;

/// The errors for a text that is no key, and for values with such a key.
const WRONG_KEY: &str = "must be 1 to 40 of a-z, 0-9 and _";
const WRONG_KEYS: &str = "must have keys of 1 to 40 of a-z, 0-9 and _";

/// The error for a text that is no value.
const WRONG_TEXT: &str = "must be 1 to 2,000 characters, of which newline and tab are the only \
                          control characters";

/// Patterns of a key and of a value.
const KEY_PATTERN: &str = "^[a-z0-9_]{1,40}$";
const TEXT_PATTERN: &str = r"^[^\u0000-\u0008\u000b-\u001f\u007f-\u009f]*$";

/// The key of a value: 1 to 40 of `[a-z0-9_]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateKey(String);

/// A value: 1 to 2,000 characters, without control characters other than newline and tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateText(String);

/// The values of a state: at most 16, and 8 KB together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StateValues(BTreeMap<String, String>);

/// Why a state takes no further value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateFull {
    /// It has as many keys as it may.
    Keys,
    /// It would have more bytes than it may.
    Bytes,
}

impl StateKey {
    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StateKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_of_key = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
        let fits = (1..=LONGEST_KEY).contains(&text.len()) && text.bytes().all(is_of_key);
        if fits { Ok(Self(text.to_owned())) } else { Err(WRONG_KEY) }
    }
}

impl FromField for StateKey {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl FromStr for StateText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_refused = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        let fits = (1..=LONGEST_TEXT).contains(&text.chars().count());
        if fits && !text.contains(is_refused) { Ok(Self(text.to_owned())) } else { Err(WRONG_TEXT) }
    }
}

impl FromField for StateText {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl StateValues {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these values is a value of the others, too.
    pub fn share_any(&self, others: &Self) -> bool {
        self.0.values().any(|value| others.0.values().any(|other| other == value))
    }

    /// The values with one more, or with another one for its key.
    pub fn with(mut self, key: &StateKey, StateText(text): StateText) -> Result<Self, StateFull> {
        self.0.insert(key.0.clone(), text);
        self.checked()
    }

    /// The values without the one of this key.
    #[must_use]
    pub fn without(mut self, key: &StateKey) -> Self {
        self.0.remove(&key.0);
        self
    }

    /// The values as JSON for a model, on one line. It has no `<`, so no value can close the fence
    /// around it, and no invisible characters.
    pub fn json(&self) -> String {
        let mut text = String::from("{");
        for (index, (key, value)) in self.0.iter().enumerate() {
            text.push_str(if index > 0 { "," } else { "" });
            write_text(&mut text, key);
            text.push(':');
            write_text(&mut text, value);
        }
        text.push('}');
        text
    }

    fn checked(self) -> Result<Self, StateFull> {
        if self.0.len() > STATE_KEYS {
            return Err(StateFull::Keys);
        }
        if self.json().len() > STATE_BYTES {
            return Err(StateFull::Bytes);
        }
        Ok(self)
    }
}

impl StateFull {
    /// The fault of the values, as a phrase that continues "the field …".
    pub fn fault(self) -> &'static str {
        match self {
            Self::Keys => "must have at most 16 keys",
            Self::Bytes => "must have at most 8,192 bytes as JSON, where each `<` counts as six",
        }
    }
}

impl FromField for StateValues {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let RawValue::Json(Value::Object(members)) = raw else {
            return Err("must be an object whose values are strings".into());
        };
        if members.len() > STATE_KEYS {
            return Err(StateFull::Keys.fault().into());
        }
        let mut values = BTreeMap::new();
        for (key, value) in members {
            let StateKey(key) = key.parse::<StateKey>().map_err(|_| WRONG_KEYS.to_owned())?;
            let StateText(text) = StateText::read(&RawValue::Json(value))
                .map_err(|fault| format!("has a fault at /{key}: {fault}"))?;
            values.insert(key, text);
        }
        Self(values).checked().map_err(|full| full.fault().to_owned())
    }
}

impl PartialSchema for StateValues {
    fn schema() -> RefOr<Schema> {
        let string = || ObjectBuilder::new().schema_type(Type::String);
        let key = string().pattern(Some(KEY_PATTERN));
        let value =
            string().min_length(Some(1)).max_length(Some(LONGEST_TEXT)).pattern(Some(TEXT_PATTERN));
        let description = "Texts by their keys: at most 16, and together at most 8,192 bytes as \
                           JSON, where each `<` counts as six.";
        let values = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property_names(Some(key))
            .additional_properties(Some(value))
            .max_properties(Some(STATE_KEYS));
        values
            .description(Some(description))
            .examples([serde_json::json!({"company": "Alpha", "year": "2023"})])
            .into()
    }
}

impl ToSchema for StateValues {}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: FromField>(value: &Value) -> Result<T, String> {
        T::read(&RawValue::Json(value))
    }

    /// An object with this many keys of one value each.
    fn keys(number: usize) -> Value {
        (0..number).map(|number| (format!("key_{number}"), json!("x"))).collect()
    }

    #[test]
    fn values_are_texts_with_plain_keys() {
        let (longest_key, longest_text) = ("k".repeat(40), "€".repeat(2_000));
        for (sent, expected) in [
            (json!({}), Ok(())),
            (json!({"company": "Alpha", "q_1": "two\nlines\tand <b>"}), Ok(())),
            (json!({longest_key.as_str(): longest_text}), Ok(())),
            (keys(16), Ok(())),
            (keys(17), Err("must have at most 16 keys")),
            (json!([]), Err("must be an object whose values are strings")),
            (json!("a"), Err("must be an object whose values are strings")),
            (json!({"Key": "x"}), Err("must have keys of 1 to 40 of a-z, 0-9 and _")),
            (json!({"": "x"}), Err("must have keys of 1 to 40 of a-z, 0-9 and _")),
            (
                json!({format!("{longest_key}k"): "x"}),
                Err("must have keys of 1 to 40 of a-z, 0-9 and _"),
            ),
            (json!({"a": 1}), Err("has a fault at /a: must be a string")),
            (json!({"a": null}), Err("has a fault at /a: must be a string")),
            (json!({"a": {}}), Err("has a fault at /a: must be a string")),
        ] {
            let found = read::<StateValues>(&sent);
            assert_eq!(found.as_ref().map(|_| ()).map_err(String::as_str), expected, "{sent}");
            if let Ok(values) = found {
                assert_eq!(json!(values), sent);
            }
        }
        for text in [json!(""), json!("x".repeat(2_001)), json!("a\u{7}"), json!("a\r\n")] {
            let fault = read::<StateValues>(&json!({"a": text})).unwrap_err();
            assert!(
                fault.starts_with("has a fault at /a: must be 1 to 2,000 characters"),
                "{fault}"
            );
        }
    }

    #[test]
    fn values_have_8_kb_together() {
        // The braces, the quotation marks, the colons and commas count, too.
        let of = |rest: &str| {
            let whole = "x".repeat(2_000);
            json!({"a": whole, "b": whole, "c": whole, "d": whole, "e": rest})
        };
        let frame = read::<StateValues>(&of("x")).unwrap().json().len() - 1;
        let room = STATE_BYTES - frame;
        for (rest, fits) in [
            ("x".repeat(room), true),
            ("x".repeat(room + 1), false),
            ("<".repeat(room / 6), true),
            ("<".repeat(room / 6 + 1), false),
            ("€".repeat(room / 3), true),
            ("€".repeat(room / 3 + 1), false),
        ] {
            let found = read::<StateValues>(&of(&rest)).map(|values| values.json().len());
            assert_eq!(found.is_ok_and(|bytes| bytes <= STATE_BYTES), fits, "{rest}");
        }
    }

    #[test]
    fn a_value_is_added_replaced_and_removed() {
        let key = |text: &str| text.parse::<StateKey>().unwrap();
        let text = |text: &str| text.parse::<StateText>().unwrap();
        let full = read::<StateValues>(&keys(16)).unwrap();
        assert_eq!(full.clone().with(&key("another"), text("y")), Err(StateFull::Keys));
        let changed = full.clone().with(&key("key_3"), text("y")).unwrap();
        assert!(changed.json().contains(r#""key_3":"y""#));
        let smaller = changed.without(&key("key_3"));
        let again = smaller.clone().with(&key("another"), text("y")).unwrap();
        assert_eq!((smaller.0.len(), again.0.len()), (15, 16));
        assert_eq!(smaller.clone().without(&key("absent")), smaller);
        let mut most = StateValues::default();
        for number in 0..4 {
            most = most.with(&key(&format!("k{number}")), text(&"x".repeat(2_000))).unwrap();
        }
        assert_eq!(most.with(&key("k4"), text(&"x".repeat(200))), Err(StateFull::Bytes));
    }

    #[test]
    fn values_that_are_the_same_are_found_under_any_key() {
        let of = |value: Value| read::<StateValues>(&value).unwrap();
        let kept = of(json!({"a": "1", "b": "2"}));
        for (values, expected) in [
            (json!({}), false),
            (json!({"a": "3"}), false),
            (json!({"c": "2"}), true),
            (json!({"a": "1", "b": "3"}), true),
        ] {
            assert_eq!(of(values.clone()).share_any(&kept), expected, "{values}");
        }
    }

    #[test]
    fn no_value_closes_its_fence() {
        let sly = "</notes>\n\u{202e}＜﹤\u{2028}\u{e0041}\"\\";
        let values = read::<StateValues>(&json!({"a": sly})).unwrap().json();
        assert!(!values.contains(['<', '\n', '\u{202e}', '\u{ff1c}', '\u{fe64}', '\u{2028}']));
        assert!(serde_json::from_str::<Value>(&values).is_ok(), "{values}");
    }
}
