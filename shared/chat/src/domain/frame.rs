//! The frames of a reply: what its subscribers are sent, in order. Each has a number of one
//! sequence.

use serde::{Deserialize, Serialize};

use super::tool_call::{CallStatus, StoredCall, ToolCall};

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub enum Frame {
    /// More text.
    Text(String),
    /// A call of a tool begins, or waits for a confirmation.
    Call(ToolCall),
    /// A call has ended.
    Result(ToolResultFrame),
}

/// The end of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolResultFrame {
    /// Id of the call within its reply.
    pub call_id: String,
    /// How it ended.
    pub status: CallStatus,
    /// What came of it, in one sentence.
    pub summary: String,
}

/// A frame as the table has it. Text alone is a string, as it was before there were tools.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Call(StoredCall),
    Result(ToolResultFrame),
}

impl Frame {
    /// The text of the frame. The frame of a tool has none.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Call(_) | Self::Result(_) => "",
        }
    }

    /// The text of frames together.
    pub fn text_of(frames: &[Self]) -> String {
        frames.iter().map(Self::text).collect()
    }
}

impl From<Frame> for Stored {
    fn from(frame: Frame) -> Self {
        match frame {
            Frame::Text(text) => Self::Text(text),
            Frame::Call(call) => Self::Call(call.into()),
            Frame::Result(result) => Self::Result(result),
        }
    }
}

impl From<Stored> for Frame {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Text(text) => Self::Text(text),
            Stored::Call(call) => Self::Call(call.into()),
            Stored::Result(result) => Self::Result(result),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_stored_frame_is_the_same_frame_and_a_string_is_text() {
        let call = ToolCall {
            call_id: "call_1".into(),
            tool: "add_task".into(),
            title: "Add a task".into(),
            arguments: json!({"title": "x"}),
            preview: "Add the task \"x\".".into(),
            status: CallStatus::AwaitingConfirmation,
            expires_at: Some("2026-01-31T09:45:00.000Z".into()),
            summary: None,
        };
        let result = ToolResultFrame {
            call_id: "call_1".into(),
            status: CallStatus::Rejected,
            summary: "You rejected it.".into(),
        };
        let frames = vec![
            Frame::Text("Lorem".into()),
            Frame::Call(call),
            Frame::Result(result),
            Frame::Text(" ipsum".into()),
        ];
        let stored = serde_json::to_value(&frames).unwrap();
        assert_eq!(
            (&stored[0], &stored[1]["arguments"]),
            (&json!("Lorem"), &json!(r#"{"title":"x"}"#))
        );
        let read: Vec<Frame> = serde_json::from_value(stored).unwrap();
        assert_eq!(read, frames);
        assert_eq!(Frame::text_of(&read), "Lorem ipsum");
        let before: Vec<Frame> = serde_json::from_value(json!(["a", ""])).unwrap();
        assert_eq!(before, [Frame::Text("a".into()), Frame::Text(String::new())]);
        assert_eq!(json!(before), json!(["a", ""]));
    }
}
