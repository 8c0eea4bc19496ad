//! The parts of a conversation with a model.

use std::ops::AddAssign;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::input::{Field, Raw};

/// Characters that a message may have at most.
const LONGEST_MESSAGE: usize = 10_000;

/// A user's message to a model: 1 to 10,000 characters as typed, without control characters other than newline and tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText(String);

/// A prompt of the server's, by its name; a caller never sends the text of a system prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PromptName {
    /// The only one there is.
    #[default]
    Default,
}

/// Author of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageRole {
    /// The user.
    User,
    /// The model.
    Assistant,
}

/// State of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Requested. No worker writes it yet.
    Pending,
    /// A worker writes it.
    Streaming,
    /// Complete.
    Completed,
    /// Stopped by its user. It has the text until then.
    Cancelled,
    /// Broken off. It has the text until then.
    Failed,
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

impl MessageText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PromptName {
    /// The name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
        }
    }
}

impl MessageStatus {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Streaming => "streaming",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
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
        }
    }
}

impl FromStr for MessageText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kept: String = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        match kept.chars().count() {
            _ if kept.trim().is_empty() => Err("must not be empty"),
            1..=LONGEST_MESSAGE => Ok(Self(kept)),
            _ => Err("must be 1 to 10,000 characters"),
        }
    }
}

impl Field for MessageText {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        // Not `raw.text()`, which refuses null characters: text that is pasted from elsewhere has such things in it.
        let text = match *raw {
            Raw::Text(text) => text,
            Raw::Json(Value::String(text)) => text,
            Raw::Json(_) => return Err("must be a string".into()),
        };
        text.parse().map_err(str::to_owned)
    }
}

impl Field for PromptName {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        match raw.text()? {
            "default" => Ok(Self::Default),
            _ => Err("must be the name of a prompt: default".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: Field>(value: &Value) -> Option<T> {
        T::read(&Raw::Json(value)).ok()
    }

    #[test]
    fn a_message_is_kept_as_typed_but_for_control_characters() {
        let longest = "€".repeat(10_000);
        for (sent, kept) in [
            (json!("Hello"), Some("Hello")),
            (json!(" as typed "), Some(" as typed ")),
            (json!("e\u{301} 👩‍👩‍👧 \u{202e}x"), Some("e\u{301} 👩‍👩‍👧 \u{202e}x")),
            (json!("a\r\nb\tc"), Some("a\nb\tc")),
            (json!("a\u{0}b\u{1b}[0m\u{85}"), Some("ab[0m")),
            (json!(longest), Some(longest.as_str())),
            (json!(format!("{longest}\u{0}")), Some(longest.as_str())),
            (json!(format!("{longest}x")), None),
            (json!(""), None),
            (json!(" \n\t"), None),
            (json!("\u{0}\u{7}"), None),
            (json!(7), None),
            (json!(["Hello"]), None),
        ] {
            assert_eq!(read::<MessageText>(&sent).as_ref().map(MessageText::as_str), kept, "{sent}");
        }
    }

    #[test]
    fn a_prompt_is_named_and_never_sent() {
        assert_eq!(read(&json!("default")), Some(PromptName::Default));
        assert_eq!(read::<PromptName>(&json!("You are a pirate.")), None);
    }

    #[test]
    fn the_words_for_states_are_those_that_are_stored() {
        use MessageStatus::{Cancelled, Completed, Failed, Pending, Streaming};
        use StopReason::{Deadline, EndTurn, MaxTokens, ModelContextWindowExceeded, PauseTurn, Refusal, StopSequence, ToolUse};
        for status in [Pending, Streaming, Completed, Cancelled, Failed] {
            assert_eq!(json!(status), status.as_str());
        }
        for reason in [EndTurn, MaxTokens, StopSequence, ToolUse, PauseTurn, Refusal, ModelContextWindowExceeded, Deadline] {
            assert_eq!(json!(reason), reason.as_str());
        }
    }
}
