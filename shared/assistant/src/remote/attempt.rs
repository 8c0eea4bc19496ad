//! One attempt at a call: a request, and the messages that answer it.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::api::{Api, Messages, Reply as _, Sending};
use super::failure::Failure;
use super::http::silent;
use super::settings::Patience;
use crate::error::Fault;
use crate::provider::Event;

/// Time to wait for the end of the answer after the end of the reply, so that its connection can be
/// reused.
const FAREWELL: Duration = Duration::from_millis(50);

/// The longest wait for what may follow the stop reason, such as the usage.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// An attempt whose answer has begun. Dropping it closes its connection.
pub(super) struct Attempt<A: Api> {
    messages: Messages<A::Message>,
    reply: A::Reply,
    begins_by: Instant,
    idle: Duration,
}

impl<A: Api> Attempt<A> {
    /// Sends a request and waits for the head of its answer.
    pub async fn begin(
        api: &A,
        body: Vec<u8>,
        sending: Sending<'_>,
        reply: A::Reply,
        patience: Patience,
    ) -> Result<Self, Failure> {
        let begins_by = sending.by;
        let messages = api.send(body, sending).await?;
        Ok(Self { messages, reply, begins_by, idle: patience.idle })
    }

    /// The next events: none for a message that means nothing.
    pub async fn next(&mut self) -> Result<Vec<Event>, Failure> {
        let told = match self.message().await {
            Ok(message) => self.reply.take(message),
            Err(failure) => self.reply.cut(failure),
        };
        if self.reply.is_over() {
            // The reply is complete. If the connection cannot be reused, there is nothing to do
            // about it.
            let _ = timeout(FAREWELL, self.messages.next()).await;
        }
        told.map_err(|mut failure| {
            failure.error.produced = self.reply.has_begun();
            failure.is_paid = self.reply.is_paid();
            failure
        })
    }

    /// Whether the reply is whole.
    pub fn is_over(&self) -> bool {
        self.reply.is_over()
    }

    async fn message(&mut self) -> Result<A::Message, Failure> {
        let by = if self.reply.has_stopped() {
            Instant::now() + self.idle.min(LAST_WORDS)
        } else if self.reply.has_begun() {
            Instant::now() + self.idle
        } else {
            self.begins_by
        };
        let message = timeout_at(by, self.messages.next()).await.map_err(|_| silent())?;
        message.unwrap_or_else(|| {
            Err(Failure::passing(Fault::Broken, "the stream ended before the reply was complete"))
        })
    }
}
