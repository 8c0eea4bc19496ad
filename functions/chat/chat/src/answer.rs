//! The answers of `POST /chat` and of a confirmation: a reply, or its path.

use assistant::domain::{Cost, StopReason, Usage};
use http::{HeaderName, StatusCode, header};
use platform::http::{Answer, Header, Output, Rendered, RequestHeader};
use platform::plan::Reply;
use serde::Serialize;
use tally_chat::Shown;
use tally_chat::domain::{MessageStatus, ToolCall};
use tally_chat::store::Message;
use tally_prompts::domain::Pinned;
use utoipa::ToSchema;

/// The answer.
#[derive(Debug)]
pub enum ChatAnswer {
    /// 200: the reply.
    Written(WrittenReply),
    /// 202: the path of the reply.
    Accepted(AcceptedReply),
}

/// A complete reply.
#[derive(Debug, Serialize, ToSchema)]
pub struct WrittenReply {
    /// Conversation of the reply: the one in the request, or a new one.
    #[schema(format = "uuid")]
    pub conversation_id: String,
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// Text of the reply. Empty if it is withheld.
    #[schema(example = "Lorem ipsum dolor sit amet, consectetur adipiscing elit.")]
    pub reply: String,
    /// Whether the text is withheld, because it came from cells that you may no longer read. Absent
    /// if it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// The version of the prompt that the reply uses.
    pub prompt: Pinned,
    /// Why it ended.
    #[schema(required)]
    pub stop_reason: Option<StopReason>,
    /// Tokens that the reply took.
    pub usage: Usage,
    /// Cost of the reply, in US dollars.
    #[schema(value_type = String, example = "0.00")]
    pub cost_usd: Cost,
    /// The calls of tools that the model asked for. Absent if there are none, or if the text is
    /// withheld.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub tool_calls: Vec<ToolCall>,
}

/// A reply that is still being written, or that waits for you to confirm calls of tools. The header
/// `Location` has its path.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedReply {
    /// Conversation of the reply: the one in the request, or a new one.
    #[schema(format = "uuid")]
    pub conversation_id: String,
    /// Id of the reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// The version of the prompt that the reply uses.
    pub prompt: Pinned,
    /// State of the reply.
    pub status: MessageStatus,
    /// The calls of tools that the model has asked for. Absent if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub tool_calls: Vec<ToolCall>,
}

impl Output for ChatAnswer {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        match self {
            Self::Written(written) => Rendered::json(&written),
            Self::Accepted(accepted) => Rendered::json(&accepted),
        }
    }

    fn describe() -> Vec<Answer> {
        let accepted = Answer::json::<AcceptedReply>()
            .status(StatusCode::ACCEPTED)
            .asked_by(RequestHeader::Prefer);
        let accepted = accepted
            .header(Header::Location)
            .header(Header::RetryAfter)
            .header(Header::PreferenceApplied);
        vec![Answer::json::<WrittenReply>(), accepted]
    }
}

/// The answer with a reply that is complete, or was stopped.
pub fn written(shown: Shown<Message>) -> Reply<ChatAnswer> {
    let withheld = shown.is_withheld();
    let reply = shown.into_inner();
    Reply::new(ChatAnswer::Written(WrittenReply {
        conversation_id: reply.conversation_id,
        message_id: reply.id,
        reply: reply.text,
        withheld,
        prompt: reply.prompt,
        stop_reason: reply.stop_reason,
        usage: reply.usage.unwrap_or_default(),
        cost_usd: reply.cost_usd.unwrap_or_default(),
        tool_calls: reply.tool_calls,
    }))
    // This is 200 even if an earlier request was answered 202.
    .status(StatusCode::OK)
}

/// The answer with the path of a reply. `patient` callers did not ask for it.
pub fn accepted(reply: &Message, patient: bool) -> Reply<ChatAnswer> {
    let conversation_id = reply.conversation_id.clone();
    let message_id = reply.id.clone();
    let path = format!("/conversations/{conversation_id}/messages/{message_id}");
    let answer = ChatAnswer::Accepted(AcceptedReply {
        conversation_id,
        message_id,
        prompt: reply.prompt.clone(),
        status: reply.status,
        tool_calls: reply.tool_calls.clone(),
    });
    let reply = Reply::new(answer)
        .status(StatusCode::ACCEPTED)
        .location(&path)
        .header(header::RETRY_AFTER, "1");
    if patient {
        reply
    } else {
        reply.header(HeaderName::from_static("preference-applied"), "respond-async")
    }
}
