//! Fingerprints of texts that must be recognised again and not be read.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// HMAC-SHA-256 of a text: the same text can be recognised, and cannot be guessed without the key.
/// Only `Fingerprinter` makes one. So neither the text itself nor a hash without a key can stand
/// where a fingerprint is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// The fingerprint of a text under a key. `purpose` keeps the fingerprints of different things
    /// apart.
    pub(crate) fn new(key: &[u8], purpose: &str, text: &str) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Self(URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{purpose}\n{text}").as_bytes())))
    }

    /// URL-safe base64.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
