//! `GET|POST /conversations`, `GET|PATCH|DELETE /conversations/{id}`,
//! `GET|PUT|DELETE /conversations/{id}/state`, `GET /conversations/{id}/export`,
//! `GET /conversations/{id}/messages/{message_id}`: the conversations of a user with the assistant.

mod create;
mod delete;
mod export;
mod list;
mod read;
mod state;
mod title;
mod update;
mod weight;

use assistant::domain::{Cost, MessageRole, StopReason, Usage};
use platform::clock::rfc3339_ms;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::sources::Source;
use tally_chat::domain::{ConversationStatus, MessageStatus, ToolCall};
use tally_chat::store::{Conversation, Message, MessageAgent};
use tally_chat::{Reading, Shown};
use tally_prompts::domain::Pinned;
use utoipa::ToSchema;

pub use create::{CreateConversation, NewConversation};
pub use delete::DeleteConversation;
pub use export::{ExportConversation, ExportQuery, ExportedConversation};
pub use list::{ConversationsQuery, ListConversations};
pub use read::{ConversationWithMessages, ReadConversation};
pub use state::{
    DeleteConversationState, ReadConversationState, SetConversationState, StateChange, StateView,
};
pub use update::{ConversationChange, UpdateConversation};

/// The endpoints of this function.
pub type Endpoints = (
    ListConversations,
    CreateConversation,
    ReadConversation,
    UpdateConversation,
    DeleteConversation,
    ExportConversation,
    ReadConversationState,
    SetConversationState,
    DeleteConversationState,
    ReadMessage,
);

/// A conversation as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Conversation)]
pub struct ConversationView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Its first words, or the title that its owner gave it. Empty if it is withheld, and before
    /// the first message.
    #[schema(example = "How did Alpha do in 2023?")]
    pub title: String,
    /// Whether the title is withheld. It has the first words of a message about cells that you may
    /// no longer read. Absent if it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Name of the agent that answers in it. Absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "finance")]
    pub agent: Option<String>,
    /// Whether it had a message lately.
    pub status: ConversationStatus,
    /// Time at which it began, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time of its owner's last message, or of its beginning, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub updated_at: String,
}

impl ConversationView {
    /// A conversation as its owner may see it, and whether it had a message lately.
    fn new(shown: Shown<Conversation>, status: ConversationStatus) -> Self {
        let withheld = shown.is_withheld();
        let conversation = shown.into_inner();
        Self {
            withheld,
            status,
            id: conversation.id,
            title: conversation.title,
            agent: conversation.agent,
            created_at: rfc3339_ms(conversation.created_at),
            updated_at: rfc3339_ms(conversation.updated_at),
        }
    }
}

/// The parameter of the paths below `/conversations`.
const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the conversation.")];

/// `GET /conversations/{id}/messages/{message_id}`: one message, also while it is being written.
pub struct ReadMessage {
    reading: Reading,
}

/// A message as its user sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub struct MessageView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Conversation that it belongs to.
    #[schema(format = "uuid")]
    pub conversation_id: String,
    /// Author of the message.
    pub role: MessageRole,
    /// The text. While it is being written, this is the part that is stored already. Empty if it
    /// is withheld.
    #[schema(example = "Lorem ipsum dolor sit amet, consectetur adipiscing elit.")]
    pub text: String,
    /// Whether the text is withheld, because it came from cells that you may no longer read. Absent
    /// if it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// The columns that the text came from. Absent if there are none, or if the text is withheld.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub sources: Vec<Source>,
    /// State of the message.
    pub status: MessageStatus,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Why the reply ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stop_reason: Option<StopReason>,
    /// Tokens that the reply took.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub usage: Option<Usage>,
    /// Cost of the reply, in US dollars.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<String>, example = "0.00")]
    pub cost_usd: Option<Cost>,
    /// Why the reply failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<MessageError>,
    /// The version of the prompt that the reply uses. Absent for your own messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub prompt: Option<Pinned>,
    /// The agent that wrote the reply. Absent if none did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub agent: Option<MessageAgent>,
    /// The calls of tools that the reply asked for. Absent if there are none, or if the text is
    /// withheld.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(nullable = false)]
    pub tool_calls: Vec<ToolCall>,
}

/// Why a reply failed, with the code and the sentence of `chat.failed` and `POST /chat`.
#[derive(Debug, Serialize, ToSchema)]
pub struct MessageError {
    /// Stable code for programs.
    #[schema(example = "context_too_long")]
    pub code: Code,
    /// One sentence for people.
    #[schema(example = "The message is too long for the model. Send a shorter one.")]
    pub detail: String,
}

impl Endpoint for ReadMessage {
    const ROUTE: Route = routes::CONVERSATION_MESSAGE;
    const PATH: &'static [PathParameter] =
        &[PATH[0], PathParameter::id("message_id", "Id of the message.")];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = MessageView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reading: Reading::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<MessageView>, Problem> {
        let conversation_id = request.call.path_id("id")?;
        let id = request.call.path_id("message_id")?;
        let message = self
            .reading
            .message_so_far(&request.caller.user_id, &conversation_id, &id, request.now)
            .await?
            .ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(MessageView::from(message)))
    }
}

impl From<Shown<Message>> for MessageView {
    fn from(shown: Shown<Message>) -> Self {
        let withheld = shown.is_withheld();
        let message = shown.into_inner();
        let error =
            (message.status == MessageStatus::Failed).then(|| Problem::of_reply(message.failure));
        Self {
            error: error.map(|problem| MessageError { code: problem.code, detail: problem.detail }),
            id: message.id,
            conversation_id: message.conversation_id,
            role: message.role,
            text: message.text,
            withheld,
            sources: message.sources.list(),
            status: message.status,
            created_at: rfc3339_ms(message.created_at),
            stop_reason: message.stop_reason,
            usage: message.usage,
            cost_usd: message.cost_usd,
            prompt: (message.role == MessageRole::Assistant).then_some(message.prompt),
            agent: message.agent,
            tool_calls: message.tool_calls,
        }
    }
}
