//! The answers of calls that a fault has struck.

use dynoxide::DynoxideError;
use dynoxide::errors::CancellationReason;
use hyper::StatusCode;
use serde_json::json;

use super::super::answer::{Answer, answer, error};
use super::super::faults::{Failure, Fault};
use super::operations::failed;
use super::touched::Touched;

/// The answer of a call of `operation` that has been struck, and that touches these tables and
/// items.
pub(super) fn answer_of(fault: &Fault, operation: &str, touched: &Touched) -> Answer {
    match fault.failure {
        Failure::Internal
        | Failure::AnswerLost
        | Failure::HeldBefore
        | Failure::HeldAfter
        | Failure::Passed => {
            failed(&DynoxideError::InternalServerError("Internal server error".into()))
        }
        Failure::Throttled => failed(&DynoxideError::ProvisionedThroughputExceededException(
            "The level of configured provisioned throughput for the table was exceeded".into(),
        )),
        Failure::Unprocessed => {
            let body = if operation == "BatchWriteItem" {
                json!({ "UnprocessedItems": touched.batch() })
            } else {
                json!({ "Responses": {}, "UnprocessedKeys": touched.batch() })
            };
            answer(StatusCode::OK, body.to_string())
        }
        Failure::TransactionConflict => conflict(fault.target.as_deref(), touched),
    }
}

fn conflict(held: Option<&str>, touched: &Touched) -> Answer {
    let reasons: Vec<_> = touched
        .transaction()
        .map(|table| match held {
            Some(held) if held != table => {
                CancellationReason { code: "None".into(), ..CancellationReason::default() }
            }
            _ => CancellationReason {
                code: "TransactionConflict".into(),
                message: Some("Transaction is ongoing for the item".into()),
                item: None,
            },
        })
        .collect();
    if reasons.is_empty() {
        return error(
            StatusCode::BAD_REQUEST,
            "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            "Transaction is ongoing for the item",
        );
    }
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    let message = format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    );
    failed(&DynoxideError::TransactionCanceledException(message, reasons))
}
