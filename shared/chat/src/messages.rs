//! The messages about a reply that the server sends over a WebSocket: `chat.started`,
//! `chat.delta`…, then `chat.completed` or `chat.failed`.

use assistant::domain::{Cost, StopReason, Usage};
use platform::Problem;
use platform::domain::Peer;
use platform::problem::Code;
use platform::socket::{SendError, Sender, ServerMessage};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::MessageStatus;
use crate::store::Message;

/// The server has accepted the request for a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatStarted {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Conversation of the reply: the one in the request, or a new one.
    #[schema(format = "uuid")]
    pub conversation_id: String,
}

/// The next part of a reply. All parts, in order, make up its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatDelta {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Number of the part: 1, 2, 3… without a gap.
    #[schema(example = 1)]
    pub sequence: u64,
    /// The text that follows the text of the earlier deltas.
    #[schema(example = "Lorem ipsum")]
    pub text: String,
}

/// A reply is complete and stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatCompleted {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Why it ended.
    pub stop_reason: StopReason,
    /// Tokens that the reply took.
    pub usage: Usage,
    /// Cost of the reply, in US dollars.
    #[schema(value_type = String, example = "0.00")]
    pub cost_usd: Cost,
    /// Whether the text is withheld, because it came from cells that you may no longer read. Absent
    /// if it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
}

/// A reply broke off, or the server could not send all of it. The server keeps the text so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatFailed {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Stable code for programs, as in problems of the HTTP API.
    #[schema(example = "unavailable")]
    pub code: &'static str,
    /// One sentence for people.
    #[schema(example = "A part of the service does not answer. Try again soon.")]
    pub detail: String,
}

/// The last message about a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEnd {
    /// It is complete, or was stopped.
    Completed(ChatCompleted),
    /// It has broken off.
    Failed(ChatFailed),
}

impl ChatEnd {
    /// The end of a reply as it is stored, for a reader from whom its text is withheld or not.
    pub fn of(reply: &Message, withheld: bool) -> Self {
        match (reply.status, reply.stop_reason) {
            (MessageStatus::Completed | MessageStatus::Cancelled, Some(stop_reason)) => {
                Self::Completed(ChatCompleted {
                    message_id: reply.id.clone(),
                    stop_reason,
                    usage: reply.usage.unwrap_or_default(),
                    cost_usd: reply.cost_usd.unwrap_or_default(),
                    withheld,
                })
            }
            // It is still being written, but not for this reader.
            (_, _) if withheld && reply.failure.is_none() => {
                Self::Failed(ChatFailed::new(&reply.id, &Problem::sources_withheld()))
            }
            _ => Self::Failed(ChatFailed::new(&reply.id, &Problem::of_reply(reply.failure))),
        }
    }

    /// Posts the message.
    pub async fn post(&self, sender: &Sender, peer: Peer<'_>) -> Result<(), SendError> {
        match self {
            Self::Completed(completed) => sender.post(peer, None, completed).await,
            Self::Failed(failed) => sender.post(peer, None, failed).await,
        }
    }
}

impl ChatFailed {
    /// The message for a problem.
    pub fn new(message_id: &str, problem: &Problem) -> Self {
        Self {
            message_id: message_id.to_owned(),
            code: problem.code.as_str(),
            detail: problem.detail.clone(),
        }
    }

    /// The message for a reply that is whole, but could not be sent in full.
    pub fn incomplete(reply: &Message) -> Self {
        let Message { conversation_id, id, .. } = reply;
        let detail = format!(
            "The server could not send the whole reply. Read it at \
             /conversations/{conversation_id}/messages/{id}."
        );
        Self { message_id: id.clone(), code: Code::Unavailable.as_str(), detail }
    }
}

impl ServerMessage for ChatStarted {
    const TYPE: &'static str = "chat.started";
}

impl ServerMessage for ChatDelta {
    const TYPE: &'static str = "chat.delta";
}

impl ServerMessage for ChatCompleted {
    const TYPE: &'static str = "chat.completed";
}

impl ServerMessage for ChatFailed {
    const TYPE: &'static str = "chat.failed";
}
