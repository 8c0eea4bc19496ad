//! The log's key, which never leaves KMS.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::aws::{Service, describe, sdk_config};
use platform::{ConfigError, Platform};
use tokio::sync::OnceCell;
use transparency::{Checkpoint, Note, Verifier};

use crate::error::ArchiveError;

/// Signs checkpoints.
#[derive(Debug)]
pub struct Signer {
    client: aws_sdk_kms::Client,
    /// ARN of the Ed25519 key.
    key_arn: String,
    origin: String,
    keys: OnceCell<Keys>,
}

/// The public key, as that of the log and as that of a cosigner.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The key that signs checkpoints.
    pub log: Verifier,
    /// The same key, which signs them with their time.
    pub clock: Verifier,
}

impl Signer {
    /// Uses the key that `AUDIT_SIGNER_ARN` names, for the log with the name in `AUDIT_ORIGIN`.
    /// Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        Ok(Self {
            client: aws_sdk_kms::Client::new(&sdk_config(config, Service::Kms)?),
            key_arn: config.require("AUDIT_SIGNER_ARN")?.to_owned(),
            origin: config.require("AUDIT_ORIGIN")?.to_owned(),
            keys: OnceCell::new(),
        })
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The public key, which is read once.
    pub async fn keys(&self) -> Result<&Keys, ArchiveError> {
        self.keys.get_or_try_init(|| self.read_keys()).await
    }

    /// A checkpoint with two signatures. The first is that of the log. The second one states the
    /// time, in seconds since 1970.
    pub async fn sign(&self, checkpoint: &Checkpoint, time: u64) -> Result<Note, ArchiveError> {
        let keys = self.keys().await?;
        let refused = |error: transparency::NoteError| ArchiveError::Kms(error.to_string());
        let mut note = Note::new(checkpoint.to_string()).map_err(refused)?;
        let signature = self.signature(note.text()).await?;
        note.add_signature(&keys.log, &signature).map_err(refused)?;
        let signature = self.signature(&note.cosigned_text(time)).await?;
        note.add_cosignature(&keys.clock, time, &signature).map_err(refused)?;
        Ok(note)
    }

    fn signature<'a>(&'a self, text: &'a str) -> BoxFuture<'a, Result<Vec<u8>, ArchiveError>> {
        async move {
            let request = self.client.sign().key_id(&self.key_arn);
            let request = request
                .message(Blob::new(text))
                .message_type(MessageType::Raw)
                .signing_algorithm(SigningAlgorithmSpec::Ed25519Sha512);
            let signed = request.send().await.map_err(|error| failed(&error))?;
            let missing = || ArchiveError::Kms("the answer has no signature".to_owned());
            Ok(signed.signature.ok_or_else(missing)?.into_inner())
        }
        .boxed()
    }

    fn read_keys(&self) -> BoxFuture<'_, Result<Keys, ArchiveError>> {
        async move {
            let request = self.client.get_public_key().key_id(&self.key_arn);
            let found = request.send().await.map_err(|error| failed(&error))?;
            let der = found.public_key.map(Blob::into_inner).unwrap_or_default();
            let log = Verifier::from_der(&self.origin, &der);
            let log = log.map_err(|error| ArchiveError::Kms(error.to_string()))?;
            Ok(Keys { clock: log.cosigner(), log })
        }
        .boxed()
    }
}

fn failed(error: &(dyn std::error::Error + 'static)) -> ArchiveError {
    ArchiveError::Kms(describe(error))
}
