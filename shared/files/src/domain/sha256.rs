//! The SHA-256 of a file's bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Digits of a SHA-256.
const DIGITS: usize = 64;

/// 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sha256(String);

impl Sha256 {
    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash as `x-amz-checksum-sha256` has it: its bytes in base64.
    pub fn base64(&self) -> String {
        let pairs = self.0.as_bytes().chunks_exact(2);
        let bytes: Vec<u8> = pairs.map(|pair| (value(pair[0]) << 4) | value(pair[1])).collect();
        STANDARD.encode(bytes)
    }
}

/// The value of a hexadecimal digit in lower case.
const fn value(digit: u8) -> u8 {
    match digit {
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'0'),
    }
}

impl FromField for Sha256 {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() == DIGITS && text.bytes().all(is_digit) {
            Ok(Self(text.to_owned()))
        } else {
            Err("must be 64 hexadecimal digits in lower case".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Of no bytes.
    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_hash_has_64_digits_in_lower_case() {
        for (sent, is_taken) in [
            (json!(EMPTY), true),
            (json!(EMPTY.to_uppercase()), false),
            (json!(EMPTY[1..]), false),
            (json!(format!("{EMPTY}0")), false),
            (json!(format!("g{}", &EMPTY[1..])), false),
            (json!("é".repeat(32)), false),
            (json!(7), false),
        ] {
            assert_eq!(Sha256::read(&RawValue::Json(&sent)).is_ok(), is_taken, "{sent}");
        }
    }

    #[test]
    fn the_same_hash_in_base64() {
        let sha256 = Sha256::read(&RawValue::Text(EMPTY)).unwrap();
        assert_eq!(sha256.base64(), "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
