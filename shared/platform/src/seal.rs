//! Fingerprints of what must not be stored as it is, under a key of the deployment's own.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::config::ConfigError;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::secrets::Secrets;

/// Makes fingerprints with the secret that `SEAL_SECRET_ARN` names.
#[derive(Debug, Clone)]
pub struct Seal {
    secrets: Secrets,
    arn: String,
}

/// HMAC-SHA-256 of a text: the same text can be recognised, and not be guessed without the key. Only [`Seal`] makes one, so
/// that where a fingerprint is asked for, neither the text itself nor a hash without a key can stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// URL-safe base64.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Seal {
    /// Nothing is fetched yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { secrets: platform.secrets()?, arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned() })
    }

    /// The fingerprint of a text. `purpose` keeps the fingerprints of different things apart.
    pub async fn fingerprint(&self, purpose: &str, text: &str) -> Result<Fingerprint, Problem> {
        let secret = self.secrets.get(&self.arn).await?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.get("current").ok_or_else(Problem::unavailable)?.as_bytes());
        Ok(Fingerprint(URL_SAFE_NO_PAD.encode(hmac::sign(&key, format!("{purpose}\n{text}").as_bytes()))))
    }

    /// That of an identifier that somebody typed, in the form in which identifiers are compared. It may be a password in the
    /// wrong field: it is there to be recognised, not to be read.
    pub async fn identifier(&self, folded: &str) -> Result<Fingerprint, Problem> {
        self.fingerprint("login identifier", folded).await
    }
}
