//! Reasons why the log could be neither written nor read.

use platform::Problem;
use platform::database::StoreError;
use transparency::Tile;

/// The log could not be used, or its parts contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The table of the sequence does not answer, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// S3 does not answer, or refuses.
    #[error("S3 does not answer, or refuses {path}: {reason}")]
    S3 {
        /// Path of the file.
        path: String,
        /// The cause.
        reason: String,
    },
    /// KMS does not answer, or refuses.
    #[error("KMS does not answer, or refuses: {0}")]
    Kms(String),
    /// Other sealers were faster at every attempt.
    #[error("other sealers were faster at every attempt")]
    Overtaken,
    /// The log has no such file.
    #[error("the file {0} is missing")]
    Missing(String),
    /// A file is not what the log has at this place.
    #[error("the file {0} is not what the log has there")]
    Differs(String),
    /// Parts of the log contradict each other.
    #[error("the log contradicts itself: {0}")]
    Contradiction(String),
    /// An entry of the sequence has gone before it was written to a bundle.
    #[error("the sequence has no entry {0}")]
    Lost(u64),
}

impl ArchiveError {
    /// The content of a tile contradicts the log.
    pub(crate) fn differs(tile: Tile) -> Self {
        Self::Differs(tile.to_string())
    }

    /// Whether the log itself is damaged. A further attempt does not help then.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Missing(_)
                | Self::Differs(_)
                | Self::Contradiction(_)
                | Self::Lost(_)
                | Self::Store(StoreError::Malformed(_))
        )
    }

    /// Whether a file whose path begins so is missing, or is not what it should be.
    pub(crate) fn is_about(&self, path: &str) -> bool {
        matches!(self, Self::Missing(bad) | Self::Differs(bad) if bad.starts_with(path))
    }

    /// Whether a file is missing whose path begins so.
    pub(crate) fn is_missing(&self, path: &str) -> bool {
        matches!(self, Self::Missing(missing) if missing.starts_with(path))
    }
}

/// The caller gets `unavailable` or `internal_error`. The log has the cause.
impl From<ArchiveError> for Problem {
    fn from(error: ArchiveError) -> Self {
        if let ArchiveError::Store(error) = error {
            return error.into();
        }
        let is_damage = error.is_damage();
        tracing::error!(%error, is_damage, "failed to use the sealed log");
        if is_damage { Problem::internal() } else { Problem::unavailable() }
    }
}
