//! The traits of an API.

use futures_util::stream::BoxStream;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::failure::Failure;
use super::part::Takes;
use crate::domain::Usage;
use crate::error::ProviderError;
use crate::provider::Event;
use crate::request::{Request, Turn};

/// How one API takes a request and answers it.
pub(crate) trait Api: Send + Sync + 'static {
    /// A message of an answer, such as a frame.
    type Message: Send + 'static;
    /// A reply while it is written.
    type Reply: Reply<Self::Message> + 'static;

    /// Whether the API counts the tokens of a request before a call.
    const COUNTS: bool = false;

    /// Whether a model may think without any sign of it. If no answer comes in time then, the
    /// attempt has to be paid for.
    const THINKS_IN_SILENCE: bool = false;

    /// The turns that are sent, by their indices. An API may take no blank turn, and no first turn
    /// of the assistant.
    fn sent(turns: &[Turn]) -> Vec<usize>;

    /// The body of a request for a model that takes this much.
    fn body(
        &self,
        request: &Request,
        model: &str,
        max_tokens: u64,
        takes: Takes,
    ) -> Result<Vec<u8>, ProviderError>;

    /// Sends a body, and waits for the head of its answer until [`Sending::by`].
    fn send(
        &self,
        body: Vec<u8>,
        sending: Sending<'_>,
    ) -> impl Future<Output = Result<Messages<Self::Message>, Failure>> + Send;

    /// The empty reply to a request, with an estimate of its input. It may have so many tokens at
    /// most.
    fn reply(request: &Request, input: Usage, max_tokens: u64) -> Self::Reply;

    /// Counts the tokens of a request, if [`Self::COUNTS`].
    fn count(
        &self,
        _request: &Request,
        _takes: Takes,
        _sending: Sending<'_>,
    ) -> impl Future<Output = Result<u64, Failure>> + Send {
        std::future::ready(Err(Failure::lasting(
            crate::Fault::RequestRefused,
            "the API does not count tokens",
        )))
    }
}

/// What a request needs beside its body.
pub(crate) struct Sending<'a> {
    pub model: &'a str,
    /// The header `Authorization`. `None` if there is no key.
    pub authorization: Option<HeaderValue>,
    /// When the head of the answer has to be there.
    pub by: Instant,
}

/// The messages of an answer. If it is dropped, its connection is closed.
pub(crate) type Messages<M> = BoxStream<'static, Result<M, Failure>>;

/// A reply while it is written.
pub(crate) trait Reply<M>: Send {
    /// Takes the next message, and returns the events that it stands for.
    fn take(&mut self, message: M) -> Result<Vec<Event>, Failure>;

    /// Handles messages that have ended, failed or stopped coming. Nothing is missing if the
    /// provider has said before why the reply stops.
    fn cut(&mut self, failure: Failure) -> Result<Vec<Event>, Failure>;

    /// Whether the model has written anything.
    fn has_begun(&self) -> bool;

    /// Whether the attempt has to be paid for. From then on there is no retry.
    fn is_paid(&self) -> bool;

    /// Whether the provider has said why the reply stops. What may follow is not worth a long wait.
    fn has_stopped(&self) -> bool;

    /// Whether the reply is complete.
    fn is_over(&self) -> bool;
}
