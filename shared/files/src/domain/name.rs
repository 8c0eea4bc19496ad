//! The name of a file. It is shown, and it is part of no key.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Characters of a name, at most.
const LONGEST: usize = 255;

/// Bytes of an encoded name that a signed URL has room for. S3 takes URLs of some 8 KB.
const LONGEST_ENCODED: usize = 1_000;

/// Characters that stay in a parameter of a header (RFC 8187): letters, digits and these.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// 1 to 255 characters, without control characters, `/` and `\`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `Content-Disposition` of an attachment with this name (RFC 6266). A name that is too long
    /// for a URL is left out.
    pub fn disposition(&self) -> String {
        let mut disposition = "attachment".to_owned();
        let encoded = utf8_percent_encode(&self.0, KEPT).to_string();
        if encoded.len() <= LONGEST_ENCODED {
            let _ = write!(disposition, "; filename*=UTF-8''{encoded}");
        }
        disposition
    }
}

impl FromField for FileName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if !(1..=LONGEST).contains(&text.chars().count()) {
            return Err("must be 1 to 255 characters".into());
        }
        if text.chars().any(|c| c.is_control() || matches!(c, '/' | '\\')) {
            return Err("must not contain control characters, `/` or `\\`".into());
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_name_has_no_path_and_no_control_characters() {
        let longest = "€".repeat(255);
        for (sent, is_taken) in [
            (json!("report.pdf"), true),
            (json!(" Bericht für Mai (2).csv "), true),
            (json!("."), true),
            (json!(longest), true),
            (json!(format!("{longest}x")), false),
            (json!(""), false),
            (json!("a/b"), false),
            (json!("a\\b"), false),
            (json!("a\nb"), false),
            (json!("a\u{0}b"), false),
            (json!("a\u{85}b"), false),
            (json!(7), false),
        ] {
            assert_eq!(FileName::read(&RawValue::Json(&sent)).is_ok(), is_taken, "{sent}");
        }
    }

    #[test]
    fn an_attachment_has_the_name_unless_it_is_too_long() {
        let long = "€".repeat(120);
        for (name, expected) in [
            ("report-1.pdf", "attachment; filename*=UTF-8''report-1.pdf"),
            ("a\"; x=b €.csv", "attachment; filename*=UTF-8''a%22%3B%20x%3Db%20%E2%82%AC.csv"),
            (&long, "attachment"),
        ] {
            assert_eq!(FileName(name.to_owned()).disposition(), expected);
        }
    }
}
