//! Sends writes that collide with transactions again.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;

use crate::backoff;

/// Attempts at a write that collides with a transaction, and at a batch of which DynamoDB leaves a
/// part over.
pub const ATTEMPTS: u32 = 5;

/// Sends a write, and sends it again after a growing pause while it collides with a transaction on
/// the same item. Every write of one item and every transaction goes through here: while a
/// transaction holds an item, DynamoDB refuses other writes to it.
pub async fn resend<T, E: Collision, F>(
    attempts: u32,
    send: impl Fn() -> F,
) -> Result<T, SdkError<E>>
where
    F: Future<Output = Result<T, SdkError<E>>>,
{
    for attempt in 1..attempts {
        match Box::pin(send()).await {
            Err(SdkError::ServiceError(error)) if error.err().is_collision() => {
                backoff::pause(attempt).await;
            }
            result => return result,
        }
    }
    Box::pin(send()).await
}

/// The error of a write. It may be that the write collided with another: then nothing was written.
pub trait Collision {
    /// Whether the write collided, and nothing else is wrong.
    fn is_collision(&self) -> bool;
}

impl Collision for PutItemError {
    fn is_collision(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

impl Collision for UpdateItemError {
    fn is_collision(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

impl Collision for DeleteItemError {
    fn is_collision(&self) -> bool {
        self.is_transaction_conflict_exception()
    }
}

impl Collision for TransactWriteItemsError {
    fn is_collision(&self) -> bool {
        let cancelled = match self {
            Self::TransactionCanceledException(cancelled) => cancelled,
            Self::TransactionInProgressException(_) => return true,
            _ => return false,
        };
        let mut codes = cancelled
            .cancellation_reasons()
            .iter()
            .filter_map(|reason| reason.code())
            .filter(|code| *code != "None")
            .peekable();
        let transient = |code: &str| {
            matches!(
                code,
                "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded"
            )
        };
        codes.peek().is_some() && codes.all(transient)
    }
}
