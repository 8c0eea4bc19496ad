//! The vocabulary of a call to a model: authors, tokens, and why a reply ends.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// Why a reply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model ended the reply itself.
    EndTurn,
    /// The model reached the token limit of a reply.
    MaxTokens,
    /// The model wrote a stop sequence.
    StopSequence,
    /// The model asks for the use of a tool.
    ToolUse,
    /// The provider paused a long reply, which could be continued.
    PauseTurn,
    /// The model, or the provider for it, refuses to go on.
    Refusal,
    /// The conversation and the reply together fill the context window of the model.
    ModelContextWindowExceeded,
    /// The time limit of a reply was reached.
    Deadline,
    /// Its user stopped it.
    Cancelled,
    /// The agent made as many steps as it may.
    MaxSteps,
    /// The next step could cost more than the reply may.
    BudgetExceeded,
    /// Its user did not decide about a call of a tool in time.
    ConfirmationExpired,
}

/// Tokens that a reply took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Tokens that the model read, outside the cache.
    #[schema(example = 12)]
    pub input_tokens: u64,
    /// Tokens that the model wrote.
    #[schema(example = 87)]
    pub output_tokens: u64,
    /// Tokens that the model read from the provider's cache.
    #[schema(example = 0)]
    pub cache_read_tokens: u64,
    /// Tokens that the provider wrote to its cache.
    #[schema(example = 0)]
    pub cache_write_tokens: u64,
}

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
    }
}

impl StopReason {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::EndTurn => "end_turn",
            Self::MaxTokens => "max_tokens",
            Self::StopSequence => "stop_sequence",
            Self::ToolUse => "tool_use",
            Self::PauseTurn => "pause_turn",
            Self::Refusal => "refusal",
            Self::ModelContextWindowExceeded => "model_context_window_exceeded",
            Self::Deadline => "deadline",
            Self::Cancelled => "cancelled",
            Self::MaxSteps => "max_steps",
            Self::BudgetExceeded => "budget_exceeded",
            Self::ConfirmationExpired => "confirmation_expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_reason_is_stored_and_sent_by_the_same_word() {
        use StopReason::{
            BudgetExceeded, Cancelled, ConfirmationExpired, Deadline, EndTurn, MaxSteps, MaxTokens,
            ModelContextWindowExceeded, PauseTurn, Refusal, StopSequence, ToolUse,
        };
        for reason in [
            EndTurn,
            MaxTokens,
            StopSequence,
            ToolUse,
            PauseTurn,
            Refusal,
            ModelContextWindowExceeded,
            Deadline,
            Cancelled,
            MaxSteps,
            BudgetExceeded,
            ConfirmationExpired,
        ] {
            assert_eq!(json!(reason), reason.as_str());
        }
    }
}
