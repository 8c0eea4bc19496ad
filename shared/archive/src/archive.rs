//! Reads the log.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::{ConfigError, Platform};
use transparency::{Plan, TlogProof, Verifier, verify_inclusion};

use crate::checkpoints::{Published, hashes};
use crate::entry::leaf;
use crate::error::ArchiveError;
use crate::files::Files;
use crate::signer::Signer;
use crate::store::{Placed, Sequence};

/// The reader of the log.
pub struct Archive {
    pub(crate) sequence: Sequence,
    pub(crate) files: Files,
    signer: Signer,
}

/// The state of an event.
pub enum Seal {
    /// The log has it, and the newest checkpoint covers it. The proof has the entry as `extra`.
    Sealed(Box<TlogProof>),
    /// It waits for its place or for a checkpoint.
    Waiting,
}

impl Archive {
    /// Uses the table, bucket and key that the environment names. Nothing is sent yet.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sequence: Sequence::new(platform)?,
            files: Files::new(platform)?,
            signer: Signer::new(platform)?,
        })
    }

    /// The public key of the log.
    pub async fn key(&self) -> Result<Verifier, ArchiveError> {
        Ok(self.signer.keys().await?.log.clone())
    }

    /// When the log got its first entry; `None` if it has none.
    pub async fn started_at(&self) -> Result<Option<Timestamp>, ArchiveError> {
        Ok(self.sequence.head().await?.started_at)
    }

    /// The newest checkpoint; `None` if there is none yet.
    pub fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Published>, ArchiveError>> {
        Published::read(&self.files, &self.signer).boxed()
    }

    /// The place of an event in the log, and the sealed event; `None` if it has none yet.
    pub async fn place(&self, event_id: &str) -> Result<Option<Placed>, ArchiveError> {
        Ok(self.sequence.places(&[event_id]).await?.remove(event_id))
    }

    /// The proof that the log has the event at this place.
    pub fn proof(&self, placed: Placed) -> BoxFuture<'_, Result<Seal, ArchiveError>> {
        async move {
            let Some(published) = self.checkpoint().await? else { return Ok(Seal::Waiting) };
            let (index, checkpoint) = (placed.index, &published.checkpoint);
            let Ok(plan) = Plan::inclusion(index, checkpoint.size()) else {
                return Ok(Seal::Waiting);
            };
            let hashes = hashes(&plan, &self.files.read(plan.tiles()).await?)?;
            let (size, root) = (checkpoint.size(), checkpoint.root());
            verify_inclusion(leaf(&placed.entry), index, size, &hashes, root).map_err(|_| {
                let text = format!("entry {index} does not lead to the root of the checkpoint");
                ArchiveError::Contradiction(text)
            })?;
            let extra = Some(placed.entry.into_bytes());
            let proof = TlogProof { extra, index, hashes, checkpoint: published.note };
            Ok(Seal::Sealed(Box::new(proof)))
        }
        .boxed()
    }
}
