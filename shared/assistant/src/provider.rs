//! One streaming call to a model: a conversation in, events out. It is modelled on the Anthropic
//! Messages API, which reports the usage during a call and the stop reason at its end.

use std::future::ready;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use serde_json::Value;

use crate::domain::{Cost, StopReason, Usage};
use crate::error::ProviderError;
use crate::request::Request;
use crate::tool::ToolUse;

/// A service that answers calls.
pub trait Provider: Send + Sync {
    /// Name of the model that is asked first, unless a request has a model of its own. It serves as
    /// the name for a call in which no model answers. [`Event::Model`] says which model answers.
    fn model(&self) -> &str;

    /// A call, which begins when the stream is first polled. If you drop the stream, the call ends
    /// at once, upstream too.
    fn call(&self, request: Request) -> Events;

    /// The cost of this usage with this model.
    fn cost(&self, model: &str, usage: &Usage) -> Cost;

    /// The tokens that the first model to ask would read for a request. `None` if this provider
    /// does not count before a call.
    fn count_tokens(&self, _: &Request) -> BoxFuture<'static, Result<Option<u64>, ProviderError>> {
        Box::pin(ready(Ok(None)))
    }
}

/// The events of one call, in order. An error or a stop is the last one. No event is ever revoked
/// or repeated.
pub type Events = BoxStream<'static, Result<Event, ProviderError>>;

/// Something that happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The model that answers, by the name that it was asked by. It precedes all other events of
    /// this model, whose prices apply to the usage. If the first model fails before it has written
    /// anything, a second one may take its place.
    Model(String),
    /// The turns of the request that the model is shown, by their indices. It comes before they are
    /// sent, and a later one replaces it. Without it, the model is shown all of them.
    Shown(Vec<usize>),
    /// More of the reply.
    Text(String),
    /// A tool that the model wants to use, with its whole input. A use in which a reply was cut off
    /// is left out.
    ToolUse(ToolUse),
    /// A thought, whole, as it has to go back to the provider. Texts, uses of tools and thoughts
    /// come in the order of the reply.
    Thought(Value),
    /// The total usage of the call so far: the last one counts for a reply that is cut short. It is
    /// an estimate until the provider has counted. The input is estimated as soon as it is sent,
    /// the output while it is written. If an attempt has failed before the provider counted, the
    /// usage is zero again.
    Usage(Usage),
    /// The reply is whole.
    Stop(StopReason),
}
