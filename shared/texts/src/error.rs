//! Reasons why a text could be neither stored nor read.

use platform::Problem;
use platform::database::StoreError;

/// A user's data key, or the table of texts, could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TextError {
    /// The key was erased. No function makes another key for that user.
    #[error("the data key of the user was erased")]
    Erased,
    /// KMS says that the wrapped key is not one that it has wrapped for this user.
    #[error("KMS does not accept the wrapped data key of the user")]
    Refused,
    /// KMS does not answer, or refuses.
    #[error("KMS does not answer, or refuses: {0}")]
    Kms(String),
    /// A table does not answer, or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cipher itself has failed.
    #[error("a text could not be encrypted")]
    Cipher,
}

/// The caller gets `unavailable` or `internal_error`. The log has the cause.
impl From<TextError> for Problem {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Store(error) => error.into(),
            TextError::Cipher => {
                tracing::error!(%error, "the server has a fault; the caller gets `internal_error`");
                Problem::internal()
            }
            TextError::Erased | TextError::Refused | TextError::Kms(_) => {
                tracing::error!(%error, "failed to use the data key of a user");
                Problem::unavailable()
            }
        }
    }
}
