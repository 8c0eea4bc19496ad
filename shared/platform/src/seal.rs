//! Texts that a client keeps for us and can neither read nor change, such as cursors.
//!
//! A sealed text is AES-256-GCM (NIST SP 800-38D) under a random nonce. Its binding is the
//! associated data: the text opens only with the binding that it was sealed with, and an altered
//! text does not open. When the secret is rotated, earlier texts no longer open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::ConfigError;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::secrets::Secrets;

/// The place of the secret that keys are derived from.
#[derive(Debug, Clone)]
pub struct Seal {
    secrets: Secrets,
    secret_arn: String,
    purpose: &'static str,
}

/// A key that texts are sealed with.
pub struct SealKey(RandomizedNonceKey);

impl Seal {
    /// Uses the secret that `SEAL_SECRET_ARN` names. `purpose` keeps the texts of different things
    /// apart.
    pub fn new(platform: &Platform, purpose: &'static str) -> Result<Self, ConfigError> {
        Ok(Self {
            secrets: platform.secrets()?,
            secret_arn: platform.config.require("SEAL_SECRET_ARN")?.to_owned(),
            purpose,
        })
    }

    /// The key, from a secret at most five minutes old.
    pub async fn key(&self) -> Result<SealKey, Problem> {
        let secret = self.secrets.get(&self.secret_arn).await?;
        let key = secret.get("current").and_then(|text| SealKey::derive(text, self.purpose).ok());
        key.ok_or_else(|| {
            tracing::error!("the seal secret has no usable member `current`");
            Problem::unavailable()
        })
    }
}

impl SealKey {
    /// Derives the key from the secret's text, for this purpose alone (HKDF-SHA-256, RFC 5869).
    pub fn derive(text: &str, purpose: &str) -> Result<Self, Unspecified> {
        let mut key = [0; 32];
        Salt::new(HKDF_SHA256, b"")
            .extract(text.as_bytes())
            .expand(&[purpose.as_bytes()], &AES_256_GCM)?
            .fill(&mut key)?;
        Ok(Self(RandomizedNonceKey::new(&AES_256_GCM, &key)?))
    }

    /// Seals a value: nonce, ciphertext and tag as URL-safe text.
    pub fn seal<T: Serialize>(&self, binding: &str, value: &T) -> Result<String, Problem> {
        let mut sealed = serde_json::to_vec(value).map_err(|_| Problem::internal())?;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(binding), &mut sealed)
            .map_err(|_| Problem::internal())?;
        Ok(URL_SAFE_NO_PAD.encode([&nonce.as_ref()[..], &sealed].concat()))
    }

    /// The sealed value; `None` if the text does not open with this binding.
    pub fn open<T: DeserializeOwned>(&self, binding: &str, text: &str) -> Option<T> {
        let mut sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = self.0.open_in_place(nonce, Aad::from(binding), rest).ok()?;
        serde_json::from_slice(plain).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opens(key: &SealKey, binding: &str, text: &str) -> bool {
        key.open::<String>(binding, text).is_some()
    }

    #[test]
    fn a_text_opens_with_its_binding_secret_and_purpose_alone() {
        let key = |secret: &str, purpose: &str| SealKey::derive(secret, purpose).unwrap();
        let own = key("secret", "cursor");
        let sealed = own.seal("b", &"value").unwrap();
        assert_eq!(own.open("b", &sealed), Some("value".to_owned()));
        assert_ne!(sealed, own.seal("b", &"value").unwrap(), "the nonce is random");
        assert!(!opens(&own, "c", &sealed));
        assert!(!opens(&key("another", "cursor"), "b", &sealed));
        assert!(!opens(&key("secret", "another"), "b", &sealed));
        assert_eq!(own.open::<u64>("b", &sealed), None, "another type");
    }

    #[test]
    fn an_altered_text_does_not_open() {
        let key = SealKey::derive("secret", "cursor").unwrap();
        let sealed = key.seal("b", &"value").unwrap();
        for at in 0..sealed.len() {
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            let altered = format!("{}{other}{}", &sealed[..at], &sealed[at + 1..]);
            assert!(!opens(&key, "b", &altered), "character {at}");
        }
        for text in ["", "A", "AAAA", "not base64!", &sealed[1..], &sealed[..sealed.len() - 4]] {
            assert!(!opens(&key, "b", text), "{text:?}");
        }
    }
}
