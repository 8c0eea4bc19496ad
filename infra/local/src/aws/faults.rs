//! Failures on demand: answers that a service may give on AWS and that the local one never gives.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::calls::Service;

/// Makes the next matching calls fail.
#[derive(Debug, Clone)]
pub struct Fault {
    /// The service that fails: DynamoDB or S3.
    pub service: Service,
    /// The operation that fails, `PutItem`; `None`: any.
    pub operation: Option<String>,
    /// What the call must touch; `None`: anything. For DynamoDB it is a table. For S3 it is the
    /// start of `bucket/key`.
    pub target: Option<String>,
    /// How it fails.
    pub failure: Failure,
    /// How many calls fail. SDKs try a call three times before they give up.
    pub times: usize,
}

/// How a call fails. The call has no effect, unless a variant says otherwise. Of several faults
/// that match a call, the one that was injected first strikes, until its number of calls is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 500 `InternalServerError`; S3: 500 `InternalError`.
    Internal,
    /// 400 `ProvisionedThroughputExceededException`; S3: 503 `SlowDown`.
    Throttled,
    /// Another transaction holds an item: 400 `TransactionCanceledException` with
    /// `TransactionConflict` for the items of the fault's table (all, if it names none), or
    /// `TransactionConflictException` where the call is no transaction. S3: another conditional
    /// write holds the key, 409 `ConditionalRequestConflict`.
    TransactionConflict,
    /// The database carries out nothing of a batch. All of it comes back in `UnprocessedKeys` or
    /// `UnprocessedItems`. S3 has no such answer and fails as [`Failure::Internal`].
    Unprocessed,
    /// The call is carried out, but its answer does not arrive. The answer of
    /// [`Failure::Internal`] comes instead.
    AnswerLost,
    /// The call is neither carried out nor answered, so a test can kill the caller just before the
    /// call takes effect.
    HeldBefore,
    /// The call is carried out but not answered, so a test can kill the caller right after the call
    /// has taken effect.
    HeldAfter,
    /// The call is carried out and answered. So a test can choose the call at which the next fault
    /// strikes.
    Passed,
}

impl Failure {
    /// Whether the call is carried out.
    pub(super) fn has_effect(self) -> bool {
        matches!(self, Failure::AnswerLost | Failure::HeldAfter)
    }
}

/// The faults that have not struck yet, and the calls that they hold.
#[derive(Debug)]
pub(super) struct Faults {
    waiting: Mutex<Vec<Fault>>,
    /// A permit for each held call that has not ended a wait yet.
    held: Semaphore,
}

impl Default for Faults {
    fn default() -> Self {
        Self { waiting: Mutex::default(), held: Semaphore::new(0) }
    }
}

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Removes the faults that have not struck yet.
    pub(super) fn clear(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The first fault that matches this call, if there is one. `touches` tells whether the call
    /// touches the fault's target.
    pub(super) fn strike(
        &self,
        service: Service,
        operation: &str,
        touches: impl Fn(&str) -> bool,
    ) -> Option<Fault> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|fault| fault.times > 0);
        let fault = waiting.iter_mut().find(|fault| {
            fault.service == service
                && fault.operation.as_ref().is_none_or(|wanted| wanted == operation)
                && fault.target.as_ref().is_none_or(|wanted| touches(wanted))
        })?;
        fault.times -= 1;
        (fault.failure != Failure::Passed).then(|| fault.clone())
    }

    /// Ends a call that `failure` has struck: by `answer`, or never.
    pub(super) async fn end<T>(&self, failure: Failure, answer: impl FnOnce() -> T) -> T {
        if matches!(failure, Failure::HeldBefore | Failure::HeldAfter) {
            self.held.add_permits(1);
            // The call ends when its caller has gone.
            std::future::pending::<()>().await;
        }
        answer()
    }

    /// Waits until a call is held. Each held call ends one such wait.
    pub(super) async fn held(&self) {
        // It is never closed.
        if let Ok(permit) = self.held.acquire().await {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn each_held_call_ends_one_wait() {
        let faults = Faults::default();
        for failure in [Failure::HeldBefore, Failure::HeldAfter] {
            assert_eq!(faults.end(failure, || ()).now_or_never(), None);
        }
        faults.held().await;
        faults.held().await;
        assert_eq!(faults.held().now_or_never(), None);
        assert_eq!(faults.end(Failure::AnswerLost, || 1).now_or_never(), Some(1));
    }
}
