//! One streaming call to a model: a conversation in, events out. Shaped after the Anthropic Messages API, which says what a
//! call takes while it goes on and why it stopped at its end.

use futures_util::stream::BoxStream;
use platform::domain::{Cost, StopReason, Usage};

use crate::error::ProviderError;
use crate::request::Request;
use crate::tool::ToolUse;

/// Someone who answers calls.
pub trait Provider: Send + Sync {
    /// Name of the model that is asked first, for a call that comes to nothing. [`Event::Model`] says which one answers.
    fn model(&self) -> &str;

    /// A call, which begins when the stream is first polled. Dropping the stream ends it at once, upstream too.
    fn call(&self, request: Request) -> Events;

    /// What this much costs with this model.
    fn cost(&self, model: &str, usage: &Usage) -> Cost;
}

/// The events of one call, in order: an error, or a stop, is the last one. Nothing that has been given is ever taken back or
/// given again.
pub type Events = BoxStream<'static, Result<Event, ProviderError>>;

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The model that answers, by the name that it was asked by, before all that is its: what is used is paid by this model's prices.
    /// A second one comes in its place where the first gave up before it had said anything.
    Model(String),
    /// More of the reply.
    Text(String),
    /// A tool that the model wants to be used, with its whole input.
    ToolUse(ToolUse),
    /// What the call has taken up to now, in all: a reply that is cut short has taken the last one. It is an estimate until the provider
    /// has counted, of what was read as soon as that is sent, and of what is written while it is; and nothing again where an attempt
    /// has failed before that.
    Usage(Usage),
    /// The reply is whole.
    Stop(StopReason),
}
