//! The messages about a reply that the server sends over a WebSocket: `chat.started`, then
//! `chat.delta`, `chat.tool_call` and `chat.tool_result`, then `chat.completed` or `chat.failed`.

use assistant::domain::{Cost, StopReason, Usage};
use platform::Problem;
use platform::domain::Peer;
use platform::problem::Code;
use platform::socket::{SendError, Sender, ServerMessage};
use serde::Serialize;
use serde_json::Value;
use tally_prompts::domain::Pinned;
use utoipa::ToSchema;

use crate::domain::{CallStatus, Frame, MessageStatus};
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
    /// The version of the prompt that the reply uses.
    pub prompt: Pinned,
}

/// The next part of a reply. All parts, in order, make up its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatDelta {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Number of the part: 1, 2, 3… without a gap. Calls of tools and their results are numbered
    /// with the deltas.
    #[schema(example = 1)]
    pub sequence: u64,
    /// The text that follows the text of the earlier deltas.
    #[schema(example = "Lorem ipsum")]
    pub text: String,
}

/// The model calls a tool. If the call waits for a confirmation, the reply goes on once you have
/// decided about all calls that wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatToolCall {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Number of this part of the reply, as of a delta.
    #[schema(example = 2)]
    pub sequence: u64,
    /// Id of the call within its reply.
    #[schema(example = "call_1")]
    pub call_id: String,
    /// Name of the tool.
    #[schema(example = "add_task")]
    pub tool: String,
    /// Name of the tool for people.
    #[schema(example = "Add a task")]
    pub title: String,
    /// The arguments. Of more than 4 KB, `truncated` has the first 4,000 bytes as text.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub arguments: Value,
    /// What the call will do, in the server's words. Show it to the user who decides.
    #[schema(example = "Add the task \"Call the bank\".")]
    pub preview: String,
    /// `running` or `awaiting_confirmation`.
    pub status: CallStatus,
    /// Until when you can confirm the call, RFC 3339 in UTC. Absent if it waits for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub expires_at: Option<String>,
}

/// A call of a tool has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ChatToolResult {
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Number of this part of the reply, as of a delta.
    #[schema(example = 3)]
    pub sequence: u64,
    /// Id of the call within its reply.
    #[schema(example = "call_1")]
    pub call_id: String,
    /// `completed`, `failed`, `rejected` or `expired`.
    pub status: CallStatus,
    /// What came of the call, in one sentence.
    #[schema(example = "Done.")]
    pub summary: String,
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

impl Frame {
    /// Posts the frame with this number as the message for its kind.
    pub async fn post(
        &self,
        sender: &Sender,
        peer: Peer<'_>,
        message_id: &str,
        sequence: u64,
    ) -> Result<(), SendError> {
        let message_id = message_id.to_owned();
        match self {
            Self::Text(text) => {
                let text = text.clone();
                sender.post(peer, None, &ChatDelta { message_id, sequence, text }).await
            }
            Self::Call(call) => {
                let call = call.clone().cut();
                let message = ChatToolCall {
                    message_id,
                    sequence,
                    call_id: call.call_id,
                    tool: call.tool,
                    title: call.title,
                    arguments: call.arguments,
                    preview: call.preview,
                    status: call.status,
                    expires_at: call.expires_at,
                };
                sender.post(peer, None, &message).await
            }
            Self::Result(result) => {
                let message = ChatToolResult {
                    message_id,
                    sequence,
                    call_id: result.call_id.clone(),
                    status: result.status,
                    summary: result.summary.clone(),
                };
                sender.post(peer, None, &message).await
            }
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

impl ServerMessage for ChatToolCall {
    const TYPE: &'static str = "chat.tool_call";
}

impl ServerMessage for ChatToolResult {
    const TYPE: &'static str = "chat.tool_result";
}

impl ServerMessage for ChatCompleted {
    const TYPE: &'static str = "chat.completed";
}

impl ServerMessage for ChatFailed {
    const TYPE: &'static str = "chat.failed";
}
