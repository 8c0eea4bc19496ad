//! Why there is no reply, or only part of one.

use std::fmt;

use platform::problem::Problem;

/// A call that has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: {detail}")]
pub struct ProviderError {
    /// What kind of failure it is.
    pub fault: Fault,
    /// Whether the model had begun to write: then there is something to pay, and there may be text.
    pub produced: bool,
    /// For the log: never a key, nor what anybody said.
    pub detail: String,
}

/// What can go wrong with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The model has more to do than it can.
    Overloaded,
    /// This deployment has asked more than it may.
    RateLimited,
    /// Nothing came for too long.
    TimedOut,
    /// There is no connection, or it broke.
    Unreachable,
    /// The provider says that it has failed.
    Failing,
    /// What came is not what the protocol says, or not all of it.
    Broken,
    /// It was not asked, because it has failed so often just now.
    CircuitOpen,
    /// There is no key to ask with.
    NoKey,
    /// The key may not do this, or is not paid for.
    KeyRefused,
    /// The provider has no such model.
    UnknownModel,
    /// The request is longer than the model, or the provider, takes.
    ContextTooLong,
    /// The provider's filter refuses what was said, or what the model would say.
    ContentRefused,
    /// The request is wrong.
    RequestRefused,
}

impl ProviderError {
    /// A failure before the model had begun.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, produced: false, detail: detail.into() }
    }
}

impl Fault {
    /// Whether this is the provider's trouble, and not that of the request or the key.
    pub(crate) fn is_outage(self) -> bool {
        matches!(self, Self::Overloaded | Self::TimedOut | Self::Unreachable | Self::Failing | Self::Broken)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Overloaded => "the model is overloaded",
            Self::RateLimited => "the provider's rate limit is reached",
            Self::TimedOut => "the provider does not answer in time",
            Self::Unreachable => "the provider cannot be reached",
            Self::Failing => "the provider has failed",
            Self::Broken => "the provider's answer is broken",
            Self::CircuitOpen => "the provider is not asked for a while",
            Self::NoKey => "there is no key for the provider",
            Self::KeyRefused => "the provider refuses the key",
            Self::UnknownModel => "the provider does not know the model",
            Self::ContextTooLong => "the request is too long for the model",
            Self::ContentRefused => "the provider refuses the content",
            Self::RequestRefused => "the provider refuses the request",
        })
    }
}

/// What a user learns of it; the log has why.
impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        tracing::error!(%error, produced = error.produced, "no reply, or not all of it");
        match error.fault {
            Fault::ContextTooLong => Problem::context_too_long(),
            Fault::ContentRefused => Problem::content_refused(),
            // The operator mends these: another attempt does not help.
            Fault::KeyRefused | Fault::UnknownModel | Fault::RequestRefused => Problem::provider_rejected(),
            _ => Problem::unavailable(),
        }
    }
}
