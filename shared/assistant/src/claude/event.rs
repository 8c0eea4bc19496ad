//! The events of a stream as the API sends them, with the fields that are read. Unknown fields and
//! kinds are ignored, so that the provider may add some.
//!
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>

use serde::Deserialize;
use serde_json::{Map, Value};

use super::errors::of_event;
use crate::domain::{StopReason, Usage};
use crate::error::Fault;
use crate::remote::Failure;

/// An event of the stream, by its `type`.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum StreamEvent {
    /// The reply begins. The provider has counted the input.
    MessageStart { message: MessageHead },
    /// A part of the reply begins.
    ContentBlockStart { index: u64, content_block: Block },
    /// More of a part.
    ContentBlockDelta { index: u64, delta: Delta },
    /// A part is whole.
    ContentBlockStop { index: u64 },
    /// The stop reason, and the total usage.
    MessageDelta { delta: MessageEnd, usage: Counted },
    /// The reply is whole.
    MessageStop,
    #[serde(other)]
    Unknown,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct MessageHead {
    pub usage: Counted,
}

/// A part of a reply. The output of the provider's own tools is ignored.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Block {
    Text {
        #[serde(default)]
        text: String,
    },
    ToolUse {
        id: String,
        name: String,
    },
    /// A thought, with all its members but the type: it goes back as it came.
    Thinking(Map<String, Value>),
    /// A thought that only the provider can read, likewise.
    RedactedThinking(Map<String, Value>),
    #[serde(other)]
    Unknown,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "type")]
pub(crate) enum Delta {
    #[serde(rename = "text_delta")]
    Text { text: String },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: String },
    #[serde(rename = "thinking_delta")]
    Thinking {
        #[serde(default)]
        thinking: String,
    },
    #[serde(rename = "signature_delta")]
    Signature { signature: String },
    /// `citations_delta`, and future kinds.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct MessageEnd {
    pub stop_reason: Option<String>,
}

/// The largest count that is credible.
const LARGEST: u64 = 1_000_000_000;

/// Tokens so far, in total. A missing count has not changed.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[expect(clippy::struct_field_names, reason = "they are the API's")]
pub(crate) struct Counted {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
}

impl StreamEvent {
    /// The event of a frame; `None` for one that has no data, such as a ping, or that is unknown.
    /// As in the provider's own SDK, the `event` of the frame says what it is.
    pub fn read(kind: Option<&str>, data: Option<&str>) -> Result<Option<Self>, Failure> {
        let data = data.unwrap_or_default();
        match kind {
            Some("error") => Err(of_event(data)),
            Some(
                kind @ ("message_start"
                | "message_delta"
                | "message_stop"
                | "content_block_start"
                | "content_block_delta"
                | "content_block_stop"),
            ) => match serde_json::from_str(data) {
                Ok(event) => Ok(Some(event)),
                // The parser's message would quote the reply.
                Err(error) => Err(Failure::passing(
                    Fault::Broken,
                    format!("the event {kind} cannot be read: {:?}", error.classify()),
                )),
            },
            _ => Ok(None),
        }
    }
}

impl Counted {
    /// Whether it has counted any input. A gateway that does not know it says zero.
    pub fn has_input(&self) -> bool {
        let counts =
            [self.input_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens];
        counts.into_iter().filter_map(credible).any(|count| count > 0)
    }

    /// Takes over the counts of the input that are present.
    pub fn count_input(&self, usage: &mut Usage) {
        for (counted, tokens) in [
            (self.input_tokens, &mut usage.input_tokens),
            (self.cache_creation_input_tokens, &mut usage.cache_write_tokens),
            (self.cache_read_input_tokens, &mut usage.cache_read_tokens),
        ] {
            *tokens = credible(counted).unwrap_or(*tokens);
        }
    }

    /// The count of the output, if it is present.
    pub fn output(&self) -> Option<u64> {
        credible(self.output_tokens)
    }
}

fn credible(count: Option<u64>) -> Option<u64> {
    count.filter(|count| *count <= LARGEST)
}

/// A stop reason by its word. An unknown one counts as a normal end.
pub(crate) fn stop_reason(word: &str) -> StopReason {
    match word {
        "end_turn" => StopReason::EndTurn,
        "max_tokens" => StopReason::MaxTokens,
        "stop_sequence" => StopReason::StopSequence,
        "tool_use" => StopReason::ToolUse,
        "pause_turn" => StopReason::PauseTurn,
        "refusal" => StopReason::Refusal,
        "model_context_window_exceeded" => StopReason::ModelContextWindowExceeded,
        _ => {
            tracing::warn!(word, "unknown stop reason; it counts as a normal end");
            StopReason::EndTurn
        }
    }
}
