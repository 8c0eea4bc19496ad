//! The media types that a file may have.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Characters of a type or subtype, at most (RFC 6838).
const LONGEST: usize = 127;

/// `text/…`, `application/json`, `application/pdf` or `application/zip`, in lower case and without
/// parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaType(String);

impl MediaType {
    /// The type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromField for MediaType {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_taken = match text.split_once('/') {
            Some(("text", subtype)) => is_subtype(subtype),
            Some(("application", subtype)) => matches!(subtype, "json" | "pdf" | "zip"),
            _ => false,
        };
        if is_taken {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be text/…, application/json, application/pdf or application/zip, in lower \
                 case and without parameters"
                .into())
        }
    }
}

/// Whether a text has the form of RFC 6838 section 4.2, in lower case.
fn is_subtype(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_sign = |byte: u8| is_letter(byte) || b"!#$&-^_.+".contains(&byte);
    text.len() <= LONGEST && text.bytes().next().is_some_and(is_letter) && text.bytes().all(is_sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_json_pdf_and_zip_are_taken() {
        let longest = format!("text/{}", "x".repeat(127));
        for (text, is_taken) in [
            ("text/plain", true),
            ("text/csv", true),
            ("text/x-rust", true),
            ("text/vnd.a+b", true),
            ("application/json", true),
            ("application/pdf", true),
            ("application/zip", true),
            (&longest, true),
            (&format!("{longest}x"), false),
            ("text/", false),
            ("text", false),
            ("text/-x", false),
            ("text/a b", false),
            ("text/a/b", false),
            ("text/plain; charset=utf-8", false),
            ("Text/plain", false),
            ("text/\r\nx", false),
            ("application/xml", false),
            ("image/png", false),
            ("", false),
        ] {
            assert_eq!(MediaType::read(&RawValue::Text(text)).is_ok(), is_taken, "{text:?}");
        }
    }
}
