//! The provider's key. Operators put it into Secrets Manager. When they replace it, the code reads
//! the new one.

use std::fmt;

use platform::secrets::{Secret, SecretError, Secrets};
use platform::{ConfigError, Platform};
use reqwest::header::HeaderValue;

use crate::error::{Fault, ProviderError};

/// Member of the secret that has the key.
const MEMBER: &str = "api_key";

/// The place of the key.
pub(super) struct Key {
    arn: String,
    secrets: Secrets,
}

impl Key {
    /// The key in the secret that `ANTHROPIC_KEY_ARN` names; nothing is fetched yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            arn: platform.config.require("ANTHROPIC_KEY_ARN")?.to_owned(),
            secrets: platform.secrets()?,
        })
    }

    /// The header `Authorization`, from a secret at most five minutes old.
    pub async fn authorization(&self) -> Result<HeaderValue, ProviderError> {
        self.header(self.secrets.get(&self.arn).await.as_deref())
    }

    /// The header from the secret as it is now, for a caller whose key has been refused; `None` if
    /// the key is still the same.
    pub async fn replacement(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        let header = self.header(self.secrets.reread(&self.arn).await.as_deref()).ok()?;
        (header != refused).then_some(header)
    }

    fn header(&self, secret: Result<&Secret, &SecretError>) -> Result<HeaderValue, ProviderError> {
        let wrong = |why: String| ProviderError::new(Fault::NoKey, why);
        let secret = secret.map_err(|error| wrong(error.to_string()))?;
        let key = secret.issued(MEMBER).filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| {
            wrong(format!(
                "the secret {} has no member `{MEMBER}` with the provider's key",
                self.arn
            ))
        })?;
        let is_printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        let header =
            is_printable.then(|| HeaderValue::from_str(&format!("Bearer {key}")).ok()).flatten();
        let mut header = header.ok_or_else(|| {
            wrong(format!(
                "the member `{MEMBER}` of the secret {} has a space, a line break or another \
                 character that no key has",
                self.arn
            ))
        })?;
        header.set_sensitive(true);
        Ok(header)
    }
}

/// Keys must not reach a log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.arn)
    }
}
