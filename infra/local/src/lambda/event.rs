//! One asynchronous invocation, as Lambda makes it: an attempt, up to two more if it fails, and a
//! record of the outcome for a destination.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::InvokeError;
use super::message::{Answer, Job, Message};
use crate::template::function_arn;
use crate::template::model::EventInvoke;

/// An accepted event.
pub(super) struct Event {
    /// Logical id of the function.
    pub function: String,
    /// The same in every attempt.
    pub request_id: String,
    pub payload: Bytes,
    pub handling: EventInvoke,
    /// The waits before the second and before the third attempt.
    pub retry_delays: [Duration; 2],
    /// No attempt starts after this time.
    pub expires: Instant,
    /// The inbox of the function's pool.
    pub pool: mpsc::UnboundedSender<Message>,
}

const SUCCESS: &str = "Success";

impl Event {
    /// Queues an attempt.
    pub(super) fn attempt(&self) -> Result<Answer, InvokeError> {
        let (id, payload) = (self.request_id.clone(), self.payload.clone());
        let (job, answer) = Job::new(&self.function, id, payload, Some(self.expires));
        self.pool.send(Message::Invoke(job)).map_err(|_| InvokeError::ShuttingDown)?;
        Ok(answer)
    }

    /// Waits for the answer of the first attempt, and makes further ones as long as they fail.
    /// Returns the ARN of a destination and the record for it, if the function has one. The end of
    /// the stack ends this without a record.
    pub(super) async fn follow(self, mut answer: Answer) -> Option<(String, Value)> {
        let mut delays = self.retry_delays.into_iter().take(self.handling.retries);
        let mut attempts = 0_usize;
        let mut response = None;
        let condition = loop {
            let outcome = answer.await.unwrap_or(Err(InvokeError::ShuttingDown));
            let error = match outcome {
                Err(InvokeError::ShuttingDown) => return None,
                Err(InvokeError::Expired) => break "EventAgeExceeded",
                Err(error) => error,
                Ok(payload) => {
                    attempts += 1;
                    response = Some(payload);
                    break SUCCESS;
                }
            };
            attempts += 1;
            response = error.payload();
            let delay = delays.next();
            tracing::warn!(
                function = self.function,
                request_id = self.request_id,
                attempt = attempts,
                %error,
                next_attempt_in = ?delay,
                "an asynchronous invocation failed"
            );
            let Some(delay) = delay else { break "RetriesExhausted" };
            tokio::select! {
                // If the event expires first, its pool will say so.
                () = sleep_until(self.expires.min(Instant::now() + delay)) => {}
                () = self.pool.closed() => return None,
            }
            answer = self.attempt().ok()?;
        };
        let handling = &self.handling;
        let destination =
            if condition == SUCCESS { &handling.on_success } else { &handling.on_failure };
        let destination = destination.clone()?;
        Some((destination, self.record(condition, attempts, response.as_ref())))
    }

    /// The record that Lambda sends to a destination. `response` is the function's last one.
    fn record(&self, condition: &str, attempts: usize, response: Option<&Bytes>) -> Value {
        let mut record = json!({
            "version": "1.0",
            "timestamp": format!("{:.3}", Timestamp::now()),
            "requestContext": {
                "requestId": self.request_id,
                "functionArn": format!("{}:$LATEST", function_arn(&self.function)),
                "condition": condition,
                "approximateInvokeCount": attempts,
            },
            "requestPayload": value(&self.payload),
        });
        if let Some(response) = response {
            record["responseContext"] = json!({"statusCode": 200, "executedVersion": "$LATEST"});
            if condition != SUCCESS {
                record["responseContext"]["functionError"] = "Unhandled".into();
            }
            record["responsePayload"] = value(response);
        }
        record
    }
}

/// A payload as JSON. A function may answer with bytes that are none.
fn value(payload: &Bytes) -> Value {
    serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILURE: &[u8] = br#"{"errorType":"Oops","errorMessage":"it broke"}"#;

    fn failure() -> InvokeError {
        InvokeError::Unhandled {
            error_type: "Oops".into(),
            message: "it broke".into(),
            payload: Bytes::from_static(FAILURE),
        }
    }

    fn event(retries: usize) -> (Event, mpsc::UnboundedReceiver<Message>) {
        let (pool, inbox) = mpsc::unbounded_channel();
        let event = Event {
            function: "Worker".into(),
            request_id: "id".into(),
            payload: Bytes::from_static(br#"{"a":1}"#),
            handling: EventInvoke {
                retries,
                on_success: Some("won".into()),
                on_failure: Some("lost".into()),
                ..EventInvoke::default()
            },
            retry_delays: [Duration::ZERO; 2],
            expires: Instant::now() + Duration::from_hours(1),
            pool,
        };
        (event, inbox)
    }

    /// Answers the attempts of an event one by one. Returns its record, and the outcomes that are
    /// left.
    async fn follow(
        retries: usize,
        outcomes: Vec<Result<Bytes, InvokeError>>,
    ) -> (Option<(String, Value)>, usize) {
        let (event, mut inbox) = event(retries);
        let mut outcomes = outcomes.into_iter();
        let answer = event.attempt().unwrap();
        let function = async {
            while let Some(Message::Invoke(job)) = inbox.recv().await {
                assert_eq!((job.request_id.as_str(), &job.payload[..]), ("id", &br#"{"a":1}"#[..]));
                job.reply.send(outcomes.next().unwrap()).unwrap();
            }
        };
        let (record, ()) = tokio::join!(event.follow(answer), function);
        (record, outcomes.len())
    }

    #[tokio::test]
    async fn a_failure_is_attempted_again_until_none_is_left_or_one_succeeds() {
        let fails = || Err(failure());
        let wins = || Ok(Bytes::from_static(b"2"));
        let expires = || Err(InvokeError::Expired);
        for (retries, outcomes, left, destination, condition, attempts) in [
            (2, vec![wins()], 0, "won", "Success", 1),
            (2, vec![fails(), fails(), wins()], 0, "won", "Success", 3),
            (2, vec![fails(), fails(), fails()], 0, "lost", "RetriesExhausted", 3),
            (1, vec![fails(), fails(), wins()], 1, "lost", "RetriesExhausted", 2),
            (0, vec![fails()], 0, "lost", "RetriesExhausted", 1),
            (2, vec![fails(), expires()], 0, "lost", "EventAgeExceeded", 1),
            (2, vec![expires()], 0, "lost", "EventAgeExceeded", 0),
        ] {
            let case = format!("{retries} retries, {outcomes:?}");
            let (record, unused) = follow(retries, outcomes).await;
            let (actual, record) = record.unwrap();
            assert_eq!((actual.as_str(), unused), (destination, left), "{case}");
            let context = &record["requestContext"];
            assert_eq!(
                (&context["condition"], &context["approximateInvokeCount"]),
                (&json!(condition), &json!(attempts)),
                "{case}"
            );
            let response = match (condition, attempts) {
                (_, 0) => (Value::Null, Value::Null),
                (SUCCESS, _) => {
                    (json!({"statusCode": 200, "executedVersion": "$LATEST"}), json!(2))
                }
                _ => (
                    json!({
                        "statusCode": 200, "executedVersion": "$LATEST",
                        "functionError": "Unhandled",
                    }),
                    serde_json::from_slice(FAILURE).unwrap(),
                ),
            };
            assert_eq!(
                (&record["responseContext"], &record["responsePayload"]),
                (&response.0, &response.1),
                "{case}"
            );
        }
    }

    #[test]
    fn a_record_has_the_members_of_lambda() {
        let mut record = event(2).0.record("RetriesExhausted", 3, None);
        let timestamp = record["timestamp"].take();
        let timestamp = timestamp.as_str().unwrap();
        assert!(timestamp.len() == 24 && timestamp.parse::<Timestamp>().is_ok(), "{timestamp}");
        assert_eq!(
            record,
            json!({
                "version": "1.0",
                "timestamp": null,
                "requestContext": {
                    "requestId": "id",
                    "functionArn": "arn:aws:lambda:us-east-1:000000000000:function:Worker:$LATEST",
                    "condition": "RetriesExhausted",
                    "approximateInvokeCount": 3,
                },
                "requestPayload": {"a": 1},
            })
        );
        assert_eq!(value(&Bytes::from_static(b"\xffno")), json!("\u{fffd}no"));
    }

    #[tokio::test]
    async fn the_end_of_the_stack_ends_an_event_without_a_record() {
        let (record, _) = follow(2, vec![Err(InvokeError::ShuttingDown)]).await;
        assert_eq!(record, None);

        let (event, mut inbox) = event(2);
        let event = Event { retry_delays: [Duration::from_hours(1); 2], ..event };
        let answer = event.attempt().unwrap();
        let Some(Message::Invoke(job)) = inbox.recv().await else { panic!("there is no attempt") };
        job.reply.send(Err(failure())).unwrap();
        let end = async {
            tokio::task::yield_now().await;
            inbox.close();
        };
        let (record, ()) = tokio::join!(event.follow(answer), end);
        assert_eq!(record, None);
    }
}
