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
pub(crate) enum Key {
    /// There is none: the function's role tells the provider who asks.
    None,
    /// A secret of Secrets Manager.
    Secret {
        arn: String,
        secrets: Secrets,
        /// Whether the secret may have no key, for a server that takes none.
        may_be_empty: bool,
    },
}

impl Key {
    /// The key in the secret whose ARN the setting `name` has; nothing is fetched yet.
    pub fn required(platform: &Platform, name: &str) -> Result<Self, ConfigError> {
        Self::secret(platform, name, false)
    }

    /// The same, where the secret may have no key.
    pub fn optional(platform: &Platform, name: &str) -> Result<Self, ConfigError> {
        Self::secret(platform, name, true)
    }

    fn secret(platform: &Platform, name: &str, may_be_empty: bool) -> Result<Self, ConfigError> {
        let arn = platform.config.require(name)?.to_owned();
        Ok(Self::Secret { arn, secrets: platform.secrets()?, may_be_empty })
    }

    /// The header `Authorization`, from a secret at most five minutes old; `None` without a key. A
    /// secret that lacks a key is read again, at most once a minute: an operator puts the key there
    /// after the deployment.
    pub async fn authorization(&self) -> Result<Option<HeaderValue>, ProviderError> {
        let Self::Secret { arn, secrets, .. } = self else { return Ok(None) };
        match self.header(arn, secrets.get(arn).await.as_deref()) {
            Err(_) => self.header(arn, secrets.reread(arn).await.as_deref()),
            found => found,
        }
    }

    /// The header from the secret as it is now, for a caller whose key has been refused; `None` if
    /// the key is still the same, or there is none.
    pub async fn replacement(&self, refused: Option<&HeaderValue>) -> Option<HeaderValue> {
        let Self::Secret { arn, secrets, .. } = self else { return None };
        let header = self.header(arn, secrets.reread(arn).await.as_deref()).ok()?;
        header.filter(|header| Some(header) != refused)
    }

    fn header(
        &self,
        arn: &str,
        secret: Result<&Secret, &SecretError>,
    ) -> Result<Option<HeaderValue>, ProviderError> {
        let wrong = |why: String| ProviderError::new(Fault::NoKey, why);
        let secret = secret.map_err(|error| wrong(error.to_string()))?;
        let key = secret.issued(MEMBER).filter(|key| !key.is_empty());
        let key = match (key, self) {
            (Some(key), _) => key,
            (None, Self::Secret { may_be_empty: true, .. }) => return Ok(None),
            (None, _) => {
                return Err(wrong(format!(
                    "the secret {arn} has no member `{MEMBER}` with the provider's key"
                )));
            }
        };
        let is_printable = key.bytes().all(|byte| byte.is_ascii_graphic());
        let header =
            is_printable.then(|| HeaderValue::from_str(&format!("Bearer {key}")).ok()).flatten();
        let mut header = header.ok_or_else(|| {
            wrong(format!(
                "the member `{MEMBER}` of the secret {arn} has a space, a line break or another \
                 character that no key has"
            ))
        })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}

/// Keys must not reach a log.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("Key(none)"),
            Self::Secret { arn, .. } => write!(f, "Key({arn})"),
        }
    }
}
