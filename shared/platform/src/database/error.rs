//! The error of a call to DynamoDB.

use crate::aws::describe;

/// Why a table could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The table does not answer, or refuses.
    #[error("DynamoDB does not answer, or refuses: {0}")]
    Unavailable(String),
    /// An item does not have the form that this version of the code writes.
    #[error("an item could not be read: {0}")]
    Malformed(#[from] serde_dynamo::Error),
}

/// The error of a failed call, with the text for the log. The SDK's errors hold no item and no key.
pub fn unavailable<E: std::error::Error + 'static>(error: E) -> StoreError {
    StoreError::Unavailable(describe(&error))
}
