//! Fingerprints of what must not be stored as it is, under a key of the deployment's own.

use crate::config::ConfigError;
use crate::domain::Fingerprint;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::secrets::Secrets;

/// Makes fingerprints with the secret that `SEAL_SECRET_ARN` names.
#[derive(Debug, Clone)]
pub struct Seal {
    secrets: Secrets,
    arn: String,
}

impl Seal {
    /// Nothing is fetched yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { secrets: platform.secrets()?, arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned() })
    }

    /// The fingerprint of a text. `purpose` keeps the fingerprints of different things apart.
    pub async fn fingerprint(&self, purpose: &str, text: &str) -> Result<Fingerprint, Problem> {
        let secret = self.secrets.get(&self.arn).await?;
        let key = secret.get("current").ok_or_else(Problem::unavailable)?;
        Ok(Fingerprint::new(key.as_bytes(), purpose, text))
    }

    /// That of an identifier that somebody typed, in the form in which identifiers are compared. It may be a password in the
    /// wrong field: it is there to be recognised, not to be read.
    pub async fn identifier(&self, folded: &str) -> Result<Fingerprint, Problem> {
        self.fingerprint("login identifier", folded).await
    }
}
