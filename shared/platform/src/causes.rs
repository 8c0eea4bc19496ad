//! Maps the errors of our own parts to problems. The log has the cause; the answer never does.

use crate::database::StoreError;
use crate::domain::TokenError;
use crate::problem::Problem;
use crate::secrets::SecretError;
use crate::tokens::RingError;
use crate::worker::StartError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => unavailable(&error),
            StoreError::Malformed(_) => internal(&error),
        }
    }
}

impl From<SecretError> for Problem {
    fn from(error: SecretError) -> Self {
        unavailable(&error)
    }
}

impl From<RingError> for Problem {
    fn from(error: RingError) -> Self {
        unavailable(&error)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        unavailable(&error)
    }
}

/// A token cannot be signed when its key has left the ring. The user has to sign in again.
impl From<TokenError> for Problem {
    fn from(_: TokenError) -> Self {
        Problem::invalid_refresh_token()
    }
}

fn unavailable(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "a dependency failed; the caller gets `unavailable`");
    Problem::unavailable()
}

fn internal(error: &dyn std::error::Error) -> Problem {
    tracing::error!(%error, "the server has a fault; the caller gets `internal_error`");
    Problem::internal()
}
