//! The providers, and what the APIs of their models can tell.

use assistant::domain::{StopReason, Usage};

/// A provider of the assistant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Lorem,
    Anthropic,
    Openai,
    Bedrock,
}

impl Kind {
    /// The model that is asked first.
    pub fn model(self) -> &'static str {
        if self == Self::Lorem { "lorem" } else { "first" }
    }

    /// The usage of a stand-in's reply with so many tokens. The completions API counts no tokens
    /// that go into a cache.
    pub fn usage(self, output_tokens: u64) -> Usage {
        let cache_write_tokens = if self == Self::Openai { 0 } else { 5 };
        Usage { input_tokens: 25, output_tokens, cache_read_tokens: 7, cache_write_tokens }
    }

    /// The reasons to stop that the API has for a text.
    pub fn stop_reasons(self) -> &'static [StopReason] {
        use StopReason::{
            EndTurn, MaxTokens, ModelContextWindowExceeded, PauseTurn, Refusal, StopSequence,
        };
        match self {
            Self::Lorem => &[EndTurn],
            Self::Openai => &[EndTurn, MaxTokens, Refusal],
            Self::Anthropic | Self::Bedrock => {
                &[EndTurn, MaxTokens, StopSequence, PauseTurn, Refusal, ModelContextWindowExceeded]
            }
        }
    }

    /// Whether the API counts the input before the model writes.
    pub fn counts_input_first(self) -> bool {
        matches!(self, Self::Anthropic | Self::Bedrock)
    }

    /// Whether a model may think without any sign of it. Then an answer that does not come in time
    /// is paid for.
    pub fn thinks_in_silence(self) -> bool {
        self == Self::Openai
    }

    /// Whether the API can say when a request may be made again.
    pub fn says_when_to_ask_again(self) -> bool {
        matches!(self, Self::Anthropic | Self::Openai)
    }
}
