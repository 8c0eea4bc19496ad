//! The name of a model.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Bytes of a name, at most.
const LONGEST: usize = 96;

/// The name of a model, as the settings have it: 1 to 96 of `[A-Za-z0-9._:@/-]`, of which the first
/// is a letter or a digit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModelName(String);

impl ModelName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromField for ModelName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let is_of_name = |b: u8| b.is_ascii_alphanumeric() || b"._:@/-".contains(&b);
        if begins && text.len() <= LONGEST && text.bytes().all(is_of_name) {
            return Ok(Self(text.to_owned()));
        }
        Err("must be the name of a model: 1 to 96 of A-Z, a-z, 0-9 and ._:@/-".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_model_is_named_as_the_settings_name_it() {
        for (sent, expected) in [
            (json!("claude-opus-5-5"), true),
            (json!("eu.provider/model:1@2"), true),
            (json!("x".repeat(96)), true),
            (json!("x".repeat(97)), false),
            (json!("-model"), false),
            (json!("a model"), false),
            (json!(""), false),
            (json!(1), false),
        ] {
            let found = ModelName::read(&RawValue::Json(&sent));
            assert_eq!(found.is_ok(), expected, "{sent}");
        }
    }
}
