//! Fingerprints of texts that must not be stored as they are, under a key that only this deployment
//! has.

use crate::config::ConfigError;
use crate::domain::Fingerprint;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::secrets::Secrets;

/// Makes fingerprints with the secret that `SEAL_SECRET_ARN` names.
#[derive(Debug, Clone)]
pub struct Fingerprinter {
    secrets: Secrets,
    arn: String,
}

impl Fingerprinter {
    /// Reads the settings; no secret is fetched yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            secrets: platform.secrets()?,
            arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned(),
        })
    }

    /// The fingerprint of a text. `purpose` keeps the fingerprints of different things apart.
    pub async fn fingerprint(&self, purpose: &str, text: &str) -> Result<Fingerprint, Problem> {
        let secret = self.secrets.get(&self.arn).await?;
        let key = secret.get("current").ok_or_else(Problem::unavailable)?;
        Ok(Fingerprint::new(key.as_bytes(), purpose, text))
    }

    /// The fingerprint of an identifier that a user typed, in the form in which identifiers are
    /// compared. The text may be a password in the wrong field. So it is stored to be recognised,
    /// not to be read.
    pub async fn identifier(&self, folded: &str) -> Result<Fingerprint, Problem> {
        self.fingerprint("login identifier", folded).await
    }
}
