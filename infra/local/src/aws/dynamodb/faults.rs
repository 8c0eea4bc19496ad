//! Failures on demand: answers that DynamoDB may give on AWS and that the embedded database never
//! gives.

use std::sync::{Mutex, PoisonError};

use dynoxide::DynoxideError;
use dynoxide::errors::CancellationReason;
use hyper::StatusCode;
use serde_json::json;

use super::super::answer::{Answer, answer, error};
use super::operations::failed;
use super::touched::Touched;

/// Makes the next matching DynamoDB calls fail.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The operation that fails, `PutItem`; `None`: any.
    pub operation: Option<String>,
    /// A table that the call touches; `None`: any.
    pub table: Option<String>,
    /// How it fails.
    pub failure: Failure,
    /// How many calls fail. SDKs try a call three times before they give up.
    pub times: usize,
}

/// How a call fails. The call has no effect, unless a variant says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 500 `InternalServerError`.
    Internal,
    /// 400 `ProvisionedThroughputExceededException`.
    Throttled,
    /// Another transaction holds an item: 400 `TransactionCanceledException` with
    /// `TransactionConflict` for the items of the fault's table (all, if it names none), or
    /// `TransactionConflictException` where the call is no transaction.
    TransactionConflict,
    /// The database reads nothing of a batch, and every key comes back in `UnprocessedKeys`.
    Unprocessed,
    /// The call is carried out, but its answer does not arrive: 500 `InternalServerError` comes
    /// instead.
    AnswerLost,
    /// The call is neither carried out nor answered, so a test can kill the caller just before the
    /// call takes effect.
    HeldBefore,
    /// The call is carried out but not answered, so a test can kill the caller right after the call
    /// has taken effect.
    HeldAfter,
}

/// The effect of a fault on a call.
pub(super) enum Strike {
    /// The call is not carried out. This is its answer.
    Instead(Answer),
    /// The call is carried out. This is its answer.
    Afterwards(Answer),
    /// The call is neither carried out nor ever answered.
    HoldBefore,
    /// The call is carried out but never answered.
    HoldAfter,
}

/// The faults that have not struck yet.
#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The effect of the first matching fault on this call, if there is one.
    pub(super) fn strike(&self, operation: &str, touched: &Touched) -> Option<Strike> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        faults.retain(|fault| fault.times > 0);
        let fault = faults.iter_mut().find(|fault| fault.matches(operation, touched))?;
        fault.times -= 1;
        Some(match fault.failure {
            Failure::HeldBefore => Strike::HoldBefore,
            Failure::HeldAfter => Strike::HoldAfter,
            Failure::AnswerLost => Strike::Afterwards(fault.answer(touched)),
            _ => Strike::Instead(fault.answer(touched)),
        })
    }
}

impl Fault {
    fn matches(&self, operation: &str, touched: &Touched) -> bool {
        self.operation.as_ref().is_none_or(|wanted| wanted == operation)
            && self.table.as_ref().is_none_or(|wanted| touched.tables().contains(wanted))
    }

    fn answer(&self, touched: &Touched) -> Answer {
        match self.failure {
            Failure::Internal | Failure::AnswerLost | Failure::HeldBefore | Failure::HeldAfter => {
                failed(&DynoxideError::InternalServerError("Internal server error".into()))
            }
            Failure::Throttled => failed(&DynoxideError::ProvisionedThroughputExceededException(
                "The level of configured provisioned throughput for the table was exceeded".into(),
            )),
            Failure::Unprocessed => answer(
                StatusCode::OK,
                json!({ "Responses": {}, "UnprocessedKeys": touched.batch() }).to_string(),
            ),
            Failure::TransactionConflict => self.conflict(touched),
        }
    }

    fn conflict(&self, touched: &Touched) -> Answer {
        let reasons: Vec<_> = touched
            .transaction()
            .map(|table| match &self.table {
                Some(wanted) if wanted != table => {
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
}
