//! One queue, and the operations on it.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

use super::super::error::AwsError;
use super::messages::{Messages, Received};
use super::refusal::Refusal;
use super::requests::{
    ChangeMessageVisibility, DeleteMessage, Receive, ReceiveMessage, SendMessage, entries, read,
};
use crate::template::{ACCOUNT, model};

pub(super) struct Queue {
    described: model::Queue,
    messages: Mutex<Messages>,
    /// Tells waiting receivers that a message may have become visible.
    changed: Notify,
}

impl Queue {
    /// Reads the messages in `directory`. Blocks.
    pub(super) fn open(
        described: model::Queue,
        directory: Option<PathBuf>,
    ) -> Result<Self, AwsError> {
        let messages = Mutex::new(Messages::open(described.clone(), directory)?);
        Ok(Self { described, messages, changed: Notify::new() })
    }

    /// Sends a message and returns its id.
    pub(super) async fn send(
        self: &Arc<Self>,
        body: String,
        delay: Option<Duration>,
    ) -> Result<String, Refusal> {
        self.change(move |messages, now_ms| messages.send(body, delay, now_ms)).await
    }

    /// Performs an operation that a batch may hold too.
    pub(super) async fn perform(
        self: &Arc<Self>,
        operation: &str,
        members: Map<String, Value>,
    ) -> Result<Value, Refusal> {
        match operation {
            "SendMessage" => {
                let (body, delay) = read::<SendMessage>(members)?.check()?;
                let md5 = md5_hex(&body);
                let id = self.send(body, delay).await?;
                Ok(json!({"MessageId": id, "MD5OfMessageBody": md5}))
            }
            "DeleteMessage" => {
                let handle = read::<DeleteMessage>(members)?.check()?;
                self.change(move |messages, _| messages.delete(&handle)).await?;
                Ok(json!({}))
            }
            "ChangeMessageVisibility" => {
                let (handle, timeout) = read::<ChangeMessageVisibility>(members)?.check()?;
                self.change(move |messages, now_ms| messages.hide(&handle, timeout, now_ms))
                    .await?;
                Ok(json!({}))
            }
            _ => Err(Refusal::operation(operation)),
        }
    }

    /// Performs an operation for each entry of a batch. One may fail and another succeed.
    pub(super) async fn perform_batch(
        self: &Arc<Self>,
        operation: &str,
        request: Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let (mut successful, mut failed) = (Vec::new(), Vec::new());
        for (id, entry) in entries(request)? {
            match self.perform(operation, entry).await {
                Ok(mut answer) => {
                    answer["Id"] = id.into();
                    successful.push(answer);
                }
                Err(refusal) => failed.push(refusal.entry(&id)),
            }
        }
        Ok(json!({"Successful": successful, "Failed": failed}))
    }

    /// Receives messages. If none is visible, this waits for one as long as the request says.
    pub(super) async fn receive(
        self: &Arc<Self>,
        request: ReceiveMessage,
    ) -> Result<Value, Refusal> {
        let Receive { limit, timeout, wait, attributes } = request.check()?;
        if let Some(unknown) = unknown(&attributes, MESSAGE_ATTRIBUTES) {
            return Err(Refusal::attribute(unknown));
        }
        let until = Instant::now() + wait.unwrap_or(self.described.receive_wait);
        loop {
            // It notices changes from now on, so none is missed between the look and the wait.
            let changed = self.changed.notified();
            let look = self.with(move |messages, now_ms| {
                let received = messages.receive(limit, timeout, now_ms)?;
                Ok((received, messages.next_visible_ms().map(|next_ms| next_ms - now_ms)))
            });
            let (received, next_in_ms) = look.await?;
            if !received.is_empty() {
                let answers = received.iter().map(|received| answer(received, &attributes));
                return Ok(json!({"Messages": answers.collect::<Value>()}));
            }
            if Instant::now() >= until {
                return Ok(json!({}));
            }
            let next_in_ms = next_in_ms.map(|ms| u64::try_from(ms).unwrap_or_default() + 1);
            let next = next_in_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
            tokio::select! {
                () = changed => {}
                () = sleep_until(next.map_or(until, |next| next.min(until))) => {}
            }
        }
    }

    pub(super) async fn purge(self: &Arc<Self>) -> Result<Value, Refusal> {
        self.change(|messages, _| messages.purge()).await?;
        Ok(json!({}))
    }

    /// The attributes with these names. They lack the times when AWS made and changed the queue.
    pub(super) async fn attributes(
        self: &Arc<Self>,
        names: &BTreeSet<String>,
    ) -> Result<Value, Refusal> {
        let counts = self.with(Messages::counts).await?;
        let model::Queue {
            arn,
            delay,
            maximum_bytes,
            retention,
            receive_wait,
            visibility_timeout,
            ..
        } = &self.described;
        let attributes = [
            ("ApproximateNumberOfMessages", counts.visible.to_string()),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
            ("DelaySeconds", delay.as_secs().to_string()),
            ("MaximumMessageSize", maximum_bytes.to_string()),
            ("MessageRetentionPeriod", retention.as_secs().to_string()),
            ("QueueArn", arn.clone()),
            ("ReceiveMessageWaitTimeSeconds", receive_wait.as_secs().to_string()),
            ("VisibilityTimeout", visibility_timeout.as_secs().to_string()),
        ];
        if let Some(unknown) = unknown(names, &attributes.each_ref().map(|(name, _)| *name)) {
            return Err(Refusal::attribute(unknown));
        }
        Ok(json!({"Attributes": chosen(attributes, names)}))
    }

    /// Applies a change, then wakes the waiting receivers.
    async fn change<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Messages, i64) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let result = self.with(work).await;
        self.changed.notify_waiters();
        result
    }

    /// Runs `work`, which may block, with the messages and the time in milliseconds.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Messages, i64) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Refusal> {
        let queue = Arc::clone(self);
        let done = spawn_blocking(move || {
            let mut messages = queue.messages.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut messages, Timestamp::now().as_millisecond())
        });
        done.await.unwrap_or_else(|panic| Err(Refusal::internal(&panic)))
    }
}

/// The system attributes that `ReceiveMessage` takes. Those after the fourth belong to FIFO queues
/// and to options that `SendMessage` refuses here, so no message has them.
const MESSAGE_ATTRIBUTES: &[&str] = &[
    "ApproximateFirstReceiveTimestamp",
    "ApproximateReceiveCount",
    "SenderId",
    "SentTimestamp",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SequenceNumber",
];

/// A message as its receiver gets it.
fn answer(received: &Received, attributes: &BTreeSet<String>) -> Value {
    let Received { message, handle } = received;
    let mut answer = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle,
        "MD5OfBody": md5_hex(&message.body),
        "Body": message.body,
    });
    let first_ms = message.first_received_at_ms.unwrap_or_default();
    let known = [
        ("ApproximateFirstReceiveTimestamp", first_ms.to_string()),
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("SenderId", ACCOUNT.to_owned()),
        ("SentTimestamp", message.sent_at_ms.to_string()),
    ];
    let chosen = chosen(known, attributes);
    if !chosen.is_empty() {
        answer["Attributes"] = chosen.into();
    }
    answer
}

/// The first name that is neither known nor `All`.
fn unknown<'n>(names: &'n BTreeSet<String>, known: &[&str]) -> Option<&'n str> {
    names.iter().map(String::as_str).find(|name| *name != "All" && !known.contains(name))
}

/// The attributes with these names, or with `All` every one.
fn chosen<const N: usize>(
    attributes: [(&str, String); N],
    names: &BTreeSet<String>,
) -> Map<String, Value> {
    attributes
        .into_iter()
        .filter(|(name, _)| names.contains("All") || names.contains(*name))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
