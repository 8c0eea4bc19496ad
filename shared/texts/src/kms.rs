//! KMS makes data keys and unwraps them. The user's id is the encryption context of each call: KMS
//! unwraps a key for the user alone for whom it has wrapped it.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::aws::{Service, describe, sdk_config};
use platform::{ConfigError, Platform};
use zeroize::{Zeroize as _, Zeroizing};

use crate::data_key::{KEY_BYTES, PlainKey};
use crate::error::TextError;

/// The one member of the encryption context. The policies of template.yaml name it.
const CONTEXT: &str = "user_id";

/// A client of KMS, and the key that wraps data keys.
pub struct Kms {
    client: aws_sdk_kms::Client,
    key_arn: String,
}

/// A new data key, and the same wrapped.
pub struct NewKey {
    pub plain: PlainKey,
    pub wrapped: Vec<u8>,
}

impl Kms {
    /// Uses the key that `TEXT_KEY_ARN` names. Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let client = aws_sdk_kms::Client::new(&sdk_config(&platform.config, Service::Kms)?);
        Ok(Self { client, key_arn: platform.config.require("TEXT_KEY_ARN")?.to_owned() })
    }

    /// Makes a data key for a user.
    pub fn generate<'a>(&'a self, user_id: &'a str) -> BoxFuture<'a, Result<NewKey, TextError>> {
        async move {
            let request = self.client.generate_data_key().key_id(&self.key_arn);
            let request =
                request.key_spec(DataKeySpec::Aes256).encryption_context(CONTEXT, user_id);
            let made = request.send().await.map_err(|error| TextError::Kms(describe(&error)))?;
            match (plain_key(made.plaintext), made.ciphertext_blob) {
                (Some(plain), Some(wrapped)) => Ok(NewKey { plain, wrapped: wrapped.into_inner() }),
                _ => Err(incomplete()),
            }
        }
        .boxed()
    }

    /// Unwraps the data key of a user.
    pub fn decrypt<'a>(
        &'a self,
        user_id: &'a str,
        wrapped: Vec<u8>,
    ) -> BoxFuture<'a, Result<PlainKey, TextError>> {
        async move {
            let request = self.client.decrypt().key_id(&self.key_arn);
            let request =
                request.ciphertext_blob(Blob::new(wrapped)).encryption_context(CONTEXT, user_id);
            let opened = request.send().await.map_err(|error| match error.as_service_error() {
                Some(refusal)
                    if refusal.is_invalid_ciphertext_exception()
                        || refusal.is_incorrect_key_exception() =>
                {
                    TextError::Refused
                }
                _ => TextError::Kms(describe(&error)),
            })?;
            plain_key(opened.plaintext).ok_or_else(incomplete)
        }
        .boxed()
    }
}

/// The bytes of a key. This wipes the bytes that the SDK has decoded. The SDK's buffer of the
/// answer is out of reach.
fn plain_key(sent: Option<Blob>) -> Option<PlainKey> {
    let mut sent = sent?.into_inner();
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let fits = sent.len() == KEY_BYTES;
    if fits {
        key.copy_from_slice(&sent);
    }
    sent.as_mut_slice().zeroize();
    fits.then_some(key)
}

fn incomplete() -> TextError {
    TextError::Kms(format!("the answer has no key of {KEY_BYTES} bytes"))
}

#[cfg(test)]
mod tests {
    use super::plain_key;
    use aws_sdk_kms::primitives::Blob;

    #[test]
    fn a_data_key_has_32_bytes() {
        for (bytes, fits) in [(0, false), (16, false), (31, false), (32, true), (33, false)] {
            let key = plain_key(Some(Blob::new(vec![7; bytes])));
            assert_eq!(key.map(|key| *key), fits.then_some([7; 32]), "{bytes}");
        }
        assert!(plain_key(None).is_none());
    }
}
