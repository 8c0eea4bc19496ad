//! What the answer of a function says about its batch, and what becomes of the batch then.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html>

use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use super::batch::{Batch, Change};
use crate::lambda::InvokeError;
use crate::template::model::StreamSource;

/// Pause after the first failure of a batch. It doubles with each one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What an answer says about a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    Success,
    /// Records from this index on are to be delivered again. It is not 0.
    Partial(usize),
    /// The function failed, or its answer says that the whole batch did.
    Failure {
        /// For the log.
        reason: String,
        /// Whether it was an error of the function.
        by_error: bool,
    },
}

impl Verdict {
    /// Reads the answer to an invocation with these records.
    pub(super) fn read(
        answer: &Result<Bytes, InvokeError>,
        records: &[Change],
        reports_failures: bool,
    ) -> Self {
        let payload = match answer {
            Err(error) => return Self::Failure { reason: error.to_string(), by_error: true },
            Ok(payload) => payload,
        };
        if !reports_failures || payload.is_empty() {
            return Self::Success;
        }
        let answer: Value = match serde_json::from_slice(payload) {
            Ok(answer) => answer,
            Err(error) => return failed(format!("its answer is not JSON: {error}")),
        };
        let reported = match &answer {
            Value::Null => return Self::Success,
            Value::Array(items) if items.is_empty() => return Self::Success,
            Value::Object(answer) => answer.get("batchItemFailures").unwrap_or(&Value::Null),
            _ => return failed("its answer has no batchItemFailures".to_owned()),
        };
        let reported = match reported {
            Value::Null => return Self::Success,
            Value::Array(reported) => reported,
            _ => return failed("batchItemFailures is not a list".to_owned()),
        };
        let mut first = records.len();
        for failure in reported {
            let id = failure["itemIdentifier"].as_str();
            let index = records.iter().position(|record| Some(&*record.sequence_number) == id);
            match index {
                Some(index) => first = first.min(index),
                None => return failed(format!("the batch has no record {failure}")),
            }
        }
        match first {
            0 => failed("it reported the first record".to_owned()),
            _ if first == records.len() => Self::Success,
            _ => Self::Partial(first),
        }
    }

    /// What becomes of a batch after this verdict.
    pub(super) fn apply(&self, mut batch: Batch, source: &StreamSource) -> Next {
        let delivered = match self {
            Self::Success => batch.changes.len(),
            Self::Partial(index) => *index,
            Self::Failure { .. } => 0,
        };
        let mut next = Next { settled: batch.split_before(delivered).numbers(), ..Next::default() };
        let records = batch.changes.len();
        if records == 0 {
            return next;
        }
        if source.bisects && (delivered > 0 || records > 1) {
            // A split takes none of the retries.
            if delivered == 0 {
                next.rest.push(batch.split_before(records / 2));
            }
            next.rest.push(batch);
            return next;
        }
        batch.failures = batch.failures.saturating_add(1);
        if source.retries.is_some_and(|retries| batch.failures > retries) {
            next.settled.extend(batch.numbers());
            next.given_up = Some(batch);
        } else {
            next.rest.push(batch);
        }
        next
    }
}

fn failed(reason: String) -> Verdict {
    Verdict::Failure { reason, by_error: false }
}

/// What becomes of a batch.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Next {
    /// Numbers of the records that are delivered or given up.
    pub settled: Vec<i64>,
    /// Batches to be delivered again, in this order.
    pub rest: Vec<Batch>,
    /// The batch that is reported to the failure destination.
    pub given_up: Option<Batch>,
}

/// How long to wait before a batch is delivered again.
pub(super) fn pause(invocations: u32) -> Duration {
    let doubled = 1_u32.checked_shl(invocations.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::batch::tests::{batch, changes};
    use super::super::tests::source;
    use super::*;

    fn check(answer: &Value, expected: Result<Option<usize>, &str>) {
        let answer = Ok(Bytes::from(answer.to_string()));
        let verdict = Verdict::read(&answer, &changes(&[7, 8, 9]), true);
        match (expected, &verdict) {
            (Ok(None), Verdict::Success) => {}
            (Ok(Some(index)), Verdict::Partial(actual)) if index == *actual => {}
            (Err(expected), Verdict::Failure { reason, by_error: false })
                if reason.contains(expected) => {}
            _ => panic!("{answer:?}: {verdict:?}"),
        }
    }

    #[test]
    fn an_answer_tells_success_the_first_failure_or_the_failure_of_all() {
        let report = |ids: &[&str]| {
            let failures: Vec<_> = ids.iter().map(|id| json!({"itemIdentifier": id})).collect();
            json!({"batchItemFailures": failures})
        };
        for success in [json!(null), json!([]), json!({}), json!({"batchItemFailures": null})] {
            check(&success, Ok(None));
        }
        check(&report(&[]), Ok(None));
        check(&report(&["8"]), Ok(Some(1)));
        check(&report(&["9", "8"]), Ok(Some(1)));
        check(&report(&["9", "9"]), Ok(Some(2)));
        check(&report(&["8", "7"]), Err("it reported the first record"));
        check(&report(&["8", "6"]), Err("the batch has no record"));
        check(&report(&[""]), Err("the batch has no record"));
        check(&json!({"batchItemFailures": [{"itemIdentifier": null}]}), Err("no record"));
        check(&json!({"batchItemFailures": [{"itemIdentifier": 8}]}), Err("no record"));
        check(&json!({"batchItemFailures": [{"foo": "8"}]}), Err("no record"));
        check(&json!({"batchItemFailures": ["8"]}), Err("no record"));
        check(&json!({"batchItemFailures": "8"}), Err("batchItemFailures is not a list"));
        check(&json!("done"), Err("no batchItemFailures"));

        let read = |answer: &'static str, reports| {
            Verdict::read(&Ok(Bytes::from(answer)), &changes(&[7, 8]), reports)
        };
        assert_eq!(read("", true), Verdict::Success);
        assert!(matches!(read("{", true), Verdict::Failure { by_error: false, .. }));
        // Without the setting, Lambda does not look at the answer.
        assert_eq!(
            read(r#"{"batchItemFailures":[{"itemIdentifier":"7"}]}"#, false),
            Verdict::Success
        );
        let error = Err(InvokeError::TimedOut(Duration::from_secs(1)));
        let verdict = Verdict::read(&error, &changes(&[7]), true);
        assert!(matches!(verdict, Verdict::Failure { by_error: true, .. }));
    }

    /// Records that are settled, batches that are left with their failures, and records given up.
    type Fate = (Vec<i64>, Vec<(Vec<i64>, u32)>, Option<Vec<i64>>);

    /// The fate of records 1 to 4 that have failed `failures` times.
    fn fate(verdict: &Verdict, failures: u32, retries: Option<u32>, bisects: bool) -> Fate {
        let tried = Batch { failures, ..batch(&[1, 2, 3, 4]) };
        let next = verdict.apply(tried, &StreamSource { retries, bisects, ..source() });
        let rest = next.rest.iter().map(|batch| (batch.numbers(), batch.failures)).collect();
        (next.settled, rest, next.given_up.map(|batch| batch.numbers()))
    }

    #[test]
    fn a_batch_is_delivered_again_split_or_given_up() {
        let failure = failed(String::new());
        let all = vec![1, 2, 3, 4];
        for (verdict, failures, retries, bisects, expected) in [
            (&Verdict::Success, 0, None, false, (all.clone(), vec![], None)),
            (&failure, 0, None, false, (vec![], vec![(all.clone(), 1)], None)),
            (&failure, 0, Some(1), false, (vec![], vec![(all.clone(), 1)], None)),
            (&failure, 1, Some(1), false, (all.clone(), vec![], Some(all.clone()))),
            (&failure, 0, Some(0), false, (all.clone(), vec![], Some(all.clone()))),
            (&Verdict::Partial(2), 0, None, false, (vec![1, 2], vec![(vec![3, 4], 1)], None)),
            (&Verdict::Partial(2), 1, Some(1), false, (all.clone(), vec![], Some(vec![3, 4]))),
            (&failure, 5, Some(0), true, (vec![], vec![(vec![1, 2], 5), (vec![3, 4], 5)], None)),
            (&Verdict::Partial(3), 5, Some(0), true, (vec![1, 2, 3], vec![(vec![4], 5)], None)),
        ] {
            assert_eq!(fate(verdict, failures, retries, bisects), expected, "{verdict:?}");
        }
        // One record can't be split.
        let alone = StreamSource { bisects: true, retries: Some(0), ..source() };
        assert_eq!(failure.apply(batch(&[1]), &alone).given_up.unwrap().numbers(), [1]);
        let odd = failure.apply(batch(&[1, 2, 3]), &alone).rest;
        assert_eq!((odd[0].numbers(), odd[1].numbers()), (vec![1], vec![2, 3]));
    }

    #[test]
    fn the_pause_doubles_up_to_its_longest() {
        let milliseconds: Vec<_> = (1..=5).map(|tries| pause(tries).as_millis()).collect();
        assert_eq!(milliseconds, [100, 200, 400, 800, 1_600]);
        assert_eq!((pause(20), pause(u32::MAX)), (LONGEST_PAUSE, LONGEST_PAUSE));
    }
}
