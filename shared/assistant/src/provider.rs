//! One streaming call to a model: messages in, events out. Shaped after the Anthropic Messages API, which says what a
//! call takes while it goes on and why it stopped at its end.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use platform::domain::{Cost, MessageRole, StopReason, Usage};
use platform::problem::Problem;

/// Someone who answers calls.
pub trait Provider: Send + Sync {
    /// Name of the model, as audit events and usage have it.
    fn model(&self) -> &str;

    /// Starts a call. Dropping the stream ends it.
    fn call(&self, request: Request) -> BoxFuture<'_, Result<Events, ProviderError>>;

    /// What this much costs.
    fn cost(&self, usage: &Usage) -> Cost;
}

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Id of the reply: what is random in a reply is drawn from it, so that it can be drawn again.
    pub reply_id: String,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub turns: Vec<Turn>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who said it.
    pub role: MessageRole,
    /// What was said.
    pub text: String,
}

/// The events of one call, in order. A stream that ends without [`Event::Stop`] has broken off.
pub type Events = BoxStream<'static, Result<Event, ProviderError>>;

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// More of the reply.
    Text(String),
    /// What the call has taken up to now, in all: a reply that is cut short has taken the last one.
    Usage(Usage),
    /// The reply is whole.
    Stop(StopReason),
}

/// Why there is no reply, or only part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// It does not answer, is overloaded, or broke off. Trying again later may help.
    #[error("the provider does not answer: {0}")]
    Unavailable(String),
    /// It does not take the request: our mistake, which trying again does not mend.
    #[error("the provider refuses the request: {0}")]
    Refused(String),
}

/// What a user learns of it; the log has why.
impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        tracing::error!(%error, "no reply");
        match error {
            ProviderError::Unavailable(_) => Problem::unavailable(),
            ProviderError::Refused(_) => Problem::internal(),
        }
    }
}
