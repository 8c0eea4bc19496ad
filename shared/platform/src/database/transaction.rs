//! The transaction that commits a plan.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::{Database, Item, StoreError, Write, resend, unavailable};
use crate::ids;

/// Why a transaction was not committed; nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// A condition did not hold.
    #[error("the condition of write {position} did not hold")]
    Condition {
        /// Index of the write.
        position: usize,
        /// The item as it stands, if there is one.
        old: Option<Item>,
    },
    /// The store does not answer, or the transaction still collides after all attempts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Attempts at a transaction that collides with another. Every reply writes the budget of the
/// deployment when it is asked for and when it ends. The pauses take three seconds in all on
/// average. With them two hundred such transactions at the same moment come through one after
/// another.
const COMMIT_ATTEMPTS: u32 = 12;

impl Database {
    /// Commits all of the writes or none.
    pub fn commit(&self, writes: Vec<Write>) -> BoxFuture<'_, Result<(), CommitError>> {
        async move {
            let writes: Vec<_> = writes.into_iter().map(|write| write.0).collect();
            // All attempts have one token: if an answer is lost on its way, the next attempt does
            // not commit again.
            let token = ids::new_secret::<16>();
            let request = self
                .client()
                .transact_write_items()
                .client_request_token(token)
                .set_transact_items(Some(writes));
            resend(COMMIT_ATTEMPTS, || request.clone().send()).await.map(drop).map_err(refused)
        }
        .boxed()
    }
}

/// Reads why a transaction was not committed: the position of a condition that did not hold, if
/// there is one.
fn refused(error: SdkError<TransactWriteItemsError>) -> CommitError {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        let reasons = cancelled.cancellation_reasons();
        if let Some(position) =
            reasons.iter().position(|reason| reason.code() == Some("ConditionalCheckFailed"))
        {
            return CommitError::Condition { position, old: reasons[position].item.clone() };
        }
        let codes: Vec<_> = reasons
            .iter()
            .filter_map(|reason| reason.code())
            .filter(|code| *code != "None")
            .collect();
        return StoreError::Unavailable(format!(
            "the transaction was cancelled: {}",
            codes.join(", ")
        ))
        .into();
    }
    unavailable(error).into()
}
