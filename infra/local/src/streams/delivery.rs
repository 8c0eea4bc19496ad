//! One delivery of a batch to its function.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::batch::Batch;
use super::failure::{Condition, report};
use super::faults::StreamFailure;
use super::verdict::{Verdict, pause};
use crate::destinations::Destinations;
use crate::lambda::{Invoke, InvokeError};
use crate::template::model::StreamSource;

/// Delivers batches of one source.
pub(super) struct Delivery {
    pub(super) function: String,
    pub(super) source: StreamSource,
    pub(super) invoker: Arc<dyn Invoke>,
    pub(super) destinations: Destinations,
}

/// What an attempt to deliver a batch leaves.
#[derive(Default)]
pub(super) struct Attempt {
    /// Numbers of the records that are delivered or given up.
    pub(super) settled: Vec<i64>,
    /// Batches to be delivered after the pause.
    pub(super) rest: Vec<Batch>,
    pub(super) pause: Duration,
}

/// The stack is ending.
pub(super) struct Ending;

impl Delivery {
    /// Invokes the function with a batch, without the records that are too old.
    pub(super) async fn attempt(
        &self,
        mut batch: Batch,
        fault: Option<StreamFailure>,
    ) -> Result<Attempt, Ending> {
        let mut attempt = Attempt::default();
        if let Some(oldest) = self.oldest_allowed() {
            let expired = batch.split_before_time(oldest);
            if !expired.changes.is_empty() {
                self.give_up(Condition::RecordAgeExceeded, &expired, false).await;
                attempt.settled = expired.numbers();
            }
            if batch.changes.is_empty() {
                return Ok(attempt);
            }
        }
        let answer = self.invoke(batch.event(), fault).await;
        if matches!(answer, Err(InvokeError::ShuttingDown)) {
            return Err(Ending);
        }
        batch.invocations = batch.invocations.saturating_add(1);
        attempt.pause = pause(batch.invocations);
        let verdict = Verdict::read(&answer, &batch.changes, self.source.reports_failures);
        let by_error = match &verdict {
            Verdict::Failure { reason, by_error } => {
                let (function, table) = (&self.function, &self.source.table);
                let invocations = batch.invocations;
                tracing::warn!(%function, %table, invocations, "a stream's batch failed: {reason}");
                *by_error
            }
            _ => false,
        };
        let next = verdict.apply(batch, &self.source);
        if let Some(given_up) = &next.given_up {
            self.give_up(Condition::RetryAttemptsExhausted, given_up, by_error).await;
        }
        attempt.settled.extend(next.settled);
        attempt.rest = next.rest;
        Ok(attempt)
    }

    async fn invoke(
        &self,
        event: Bytes,
        fault: Option<StreamFailure>,
    ) -> Result<Bytes, InvokeError> {
        let invoke = || self.invoker.invoke(&self.function, event.clone());
        match fault {
            Some(StreamFailure::Twice) => {
                // The first answer is lost, so Lambda delivers the batch again.
                let _ = invoke().await;
                invoke().await
            }
            Some(StreamFailure::TwiceAtOnce) => {
                let (one, other) = tokio::join!(invoke(), invoke());
                one.and(other)
            }
            _ => invoke().await,
        }
    }

    /// The second before which no record may have been written.
    fn oldest_allowed(&self) -> Option<i64> {
        let age = i64::try_from(self.source.max_age?.as_secs()).ok()?;
        Some(Timestamp::now().as_second() - age)
    }

    async fn give_up(&self, condition: Condition, batch: &Batch, by_error: bool) {
        let (function, table) = (&self.function, &self.source.table);
        let first = batch.changes.first().map(|change| change.sequence_number.as_str());
        let records = batch.changes.len();
        tracing::warn!(
            %function,
            %table,
            first,
            records,
            ?condition,
            "gave up records of a stream"
        );
        if let Some(arn) = &self.source.on_failure {
            let now = Timestamp::now();
            let report = report(condition, batch, by_error, function, &self.source, now);
            self.destinations.send(arn, report).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures_util::FutureExt as _;
    use futures_util::future::BoxFuture;

    use super::super::batch::tests::batch;
    use super::super::tests::source;
    use super::*;

    /// A function that records its events and succeeds.
    #[derive(Default)]
    struct StandIn(Mutex<Vec<Bytes>>);

    impl Invoke for StandIn {
        fn invoke<'a>(
            &'a self,
            _function: &'a str,
            payload: Bytes,
        ) -> BoxFuture<'a, Result<Bytes, InvokeError>> {
            self.0.lock().unwrap().push(payload);
            std::future::ready(Ok(Bytes::new())).boxed()
        }

        fn invoke_async(&self, function: &str, _payload: Bytes) -> Result<(), InvokeError> {
            Err(InvokeError::Unknown(function.to_owned()))
        }
    }

    #[tokio::test]
    async fn records_that_are_too_old_are_given_up_before_the_function_is_invoked() {
        let now = Timestamp::now().as_second();
        let (old, new) = (now - 3_600, now + 3_600);
        for (max_age, records, delivered) in [
            (None, vec![old, new], Some(vec![old, new])),
            (Some(Duration::from_mins(1)), vec![old, old + 1, new], Some(vec![new])),
            (Some(Duration::from_mins(1)), vec![old], None),
            (Some(Duration::from_hours(2)), vec![old], Some(vec![old])),
        ] {
            let function = Arc::new(StandIn::default());
            let delivery = Delivery {
                function: "Seal".to_owned(),
                source: StreamSource { max_age, ..source() },
                invoker: function.clone(),
                destinations: Destinations::default(),
            };
            let Ok(attempt) = delivery.attempt(batch(&records), None).await else {
                panic!("the stand-in does not end")
            };
            assert_eq!(attempt.settled, records);
            assert!(attempt.rest.is_empty());
            let expected: Vec<_> = delivered.iter().map(|records| batch(records).event()).collect();
            assert_eq!(*function.0.lock().unwrap(), expected);
        }
    }
}
