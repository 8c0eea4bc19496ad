//! Reasons why there is no reply, or only part of one.

use std::fmt;
use std::time::Duration;

use platform::Problem;

/// A call that has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: {detail}")]
pub struct ProviderError {
    /// The kind of failure.
    pub fault: Fault,
    /// Whether the model had begun to write. Then there is a cost, and there may be text.
    pub produced: bool,
    /// For the log. It has neither a key nor any text of the conversation.
    pub detail: String,
    /// The pause that the provider asks for, if it does.
    pub retry_after: Option<Duration>,
}

/// The kinds of failure of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The model is overloaded.
    Overloaded,
    /// This deployment has exceeded its rate limit.
    RateLimited,
    /// The provider sent nothing for too long.
    TimedOut,
    /// The connection could not be made, or it broke.
    Unreachable,
    /// The provider says that it has failed.
    Failing,
    /// The answer breaks the protocol or is incomplete.
    Broken,
    /// The model was not asked, because it has failed often in a row just now.
    CircuitOpen,
    /// There is no key for the provider.
    NoKey,
    /// The key lacks the permission, or its account is not paid.
    KeyRefused,
    /// The provider has no such model.
    UnknownModel,
    /// The request is longer than the model or the provider accepts.
    ContextTooLong,
    /// The provider's filter refuses the input, or the model's output.
    ContentRefused,
    /// The request is wrong.
    RequestRefused,
}

impl ProviderError {
    /// A failure before the model had begun.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self { fault, produced: false, detail: detail.into(), retry_after: None }
    }
}

impl Fault {
    /// Whether the provider is at fault, and not the request or the key.
    pub(crate) fn is_outage(self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::TimedOut | Self::Unreachable | Self::Failing | Self::Broken
        )
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
            Self::CircuitOpen => "the circuit is open, so the model is not asked",
            Self::NoKey => "there is no key for the provider",
            Self::KeyRefused => "the provider refuses the key",
            Self::UnknownModel => "the provider does not know the model",
            Self::ContextTooLong => "the request is too long for the model",
            Self::ContentRefused => "the provider refuses the content",
            Self::RequestRefused => "the provider refuses the request",
        })
    }
}

/// The problem that a user sees. The log has the reason.
impl From<ProviderError> for Problem {
    fn from(error: ProviderError) -> Self {
        tracing::error!(%error, produced = error.produced, "failed to get a whole reply");
        match error.fault {
            Fault::ContextTooLong => Problem::context_too_long(),
            Fault::ContentRefused => Problem::content_refused(),
            // The operator has to fix these: another attempt does not help.
            Fault::KeyRefused | Fault::UnknownModel | Fault::RequestRefused => {
                Problem::provider_rejected()
            }
            _ => Problem::unavailable(),
        }
    }
}
