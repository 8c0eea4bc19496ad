//! Failures on demand: what DynamoDB may answer on AWS and the embedded database never does.

use std::sync::{Mutex, PoisonError};

use dynoxide::DynoxideError;
use dynoxide::errors::CancellationReason;
use hyper::StatusCode;
use serde_json::json;

use super::super::answer::{Answer, answer, error};
use super::failed;
use super::touched::Touched;

/// The next matching DynamoDB calls answer with a failure.
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

/// How a call fails. It has no effect, unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 500 `InternalServerError`.
    Internal,
    /// 400 `ProvisionedThroughputExceededException`.
    Throttled,
    /// Another transaction holds an item: 400 `TransactionCanceledException` with `TransactionConflict` for the items of
    /// the fault's table (all, if it names none), or `TransactionConflictException` where the call is no transaction.
    TransactionConflict,
    /// Of a batch of reads, nothing is done, and everything comes back as `UnprocessedKeys`.
    Unprocessed,
    /// The call is carried out, but its answer does not arrive: 500 `InternalServerError` comes instead.
    AnswerLost,
    /// The call is neither carried out nor answered: its caller can be killed on the brink of it.
    HeldBefore,
    /// The call is carried out and not answered: its caller can be killed right after it.
    HeldAfter,
}

/// What a fault does to a call.
pub(super) enum Strike {
    /// The call is not carried out, and answered with this.
    Instead(Answer),
    /// The call is carried out, and answered with this.
    Afterwards(Answer),
    /// The call is not carried out, nor ever answered.
    HoldBefore,
    /// The call is carried out, and never answered.
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

    /// What is to become of this call, if a fault matches it.
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
            Failure::Unprocessed => answer(StatusCode::OK, json!({ "Responses": {}, "UnprocessedKeys": touched.batch() }).to_string()),
            Failure::TransactionConflict => self.conflict(touched),
        }
    }

    fn conflict(&self, touched: &Touched) -> Answer {
        let reasons: Vec<_> = touched
            .transaction()
            .map(|table| match &self.table {
                Some(wanted) if wanted != table => CancellationReason { code: "None".into(), ..CancellationReason::default() },
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
        let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
        failed(&DynoxideError::TransactionCanceledException(message, reasons))
    }
}
