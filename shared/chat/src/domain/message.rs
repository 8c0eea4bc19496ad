//! A message of a conversation.

use std::str::FromStr;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// Characters that a message may have at most.
const LONGEST_MESSAGE: usize = 10_000;

/// A user's message to a model: 1 to 10,000 characters as typed, without control characters other
/// than newline and tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageText(String);

/// State of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// Requested. No worker writes it yet.
    Pending,
    /// A worker writes it.
    Streaming,
    /// It waits for its user to confirm calls of tools. No worker writes it.
    #[serde(rename = "awaiting_confirmation")]
    #[schema(rename = "awaiting_confirmation")]
    AwaitingConfirmation,
    /// Complete.
    Completed,
    /// Stopped by its user. It has the text until then.
    Cancelled,
    /// Broken off. It has the text until then.
    Failed,
}

impl MessageText {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl MessageStatus {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Streaming => "streaming",
            Self::AwaitingConfirmation => "awaiting_confirmation",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// Whether the message does not change any more.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Failed)
    }

    /// Whether a worker writes the message, or is about to.
    pub fn is_being_written(self) -> bool {
        matches!(self, Self::Pending | Self::Streaming)
    }
}

impl FromStr for MessageText {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let kept: String =
            text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect();
        match kept.chars().count() {
            _ if kept.trim().is_empty() => Err("must not be empty"),
            1..=LONGEST_MESSAGE => Ok(Self(kept)),
            _ => Err("must be 1 to 10,000 characters"),
        }
    }
}

impl FromField for MessageText {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        // Not `raw.text()`, which refuses null characters: text that is pasted from elsewhere has
        // such things in it.
        let text = match *raw {
            RawValue::Text(text) => text,
            RawValue::Json(Value::String(text)) => text,
            RawValue::Json(_) => return Err("must be a string".into()),
        };
        text.parse().map_err(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T: FromField>(value: &Value) -> Option<T> {
        T::read(&RawValue::Json(value)).ok()
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
            assert_eq!(
                read::<MessageText>(&sent).as_ref().map(MessageText::as_str),
                kept,
                "{sent}"
            );
        }
    }

    #[test]
    fn a_status_is_stored_and_sent_by_the_same_word() {
        use MessageStatus::{
            AwaitingConfirmation, Cancelled, Completed, Failed, Pending, Streaming,
        };
        for (status, is_being_written, has_ended) in [
            (Pending, true, false),
            (Streaming, true, false),
            (AwaitingConfirmation, false, false),
            (Completed, false, true),
            (Cancelled, false, true),
            (Failed, false, true),
        ] {
            assert_eq!(json!(status), status.as_str());
            assert_eq!(
                (status.is_being_written(), status.has_ended()),
                (is_being_written, has_ended)
            );
        }
    }
}
