//! A message to the assistant, over HTTP or a WebSocket.

use assistant::domain::PromptName;
use platform::domain::ResourceId;
use platform::idempotency::IdempotencyKey;
use platform::input::{Fields, Input};
use serde_json::json;
use utoipa::ToSchema;

use crate::domain::MessageText;

/// A message to the assistant.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct ChatRequest {
    /// 1 to 10,000 characters. Control characters other than newline and tab are dropped.
    #[schema(value_type = String, min_length = 1, max_length = 10_000, pattern = r"[^\s\u0000-\u001f\u007f-\u009f]",
        example = "How did Alpha do in 2023?")]
    pub message: MessageText,
    /// The conversation that the message continues. Without it, a new one begins.
    #[schema(
        value_type = Option<String>, format = "uuid",
        example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub conversation_id: Option<ResourceId>,
    /// Name of the server's prompt.
    #[schema(value_type = Option<String>, pattern = "^default$", example = "default")]
    pub prompt: Option<PromptName>,
}

/// A message to the assistant over a WebSocket.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct ChatSendRequest {
    /// 1 to 10,000 characters. Control characters other than newline and tab are dropped.
    #[schema(value_type = String, min_length = 1, max_length = 10_000, pattern = r"[^\s\u0000-\u001f\u007f-\u009f]",
        example = "How did Alpha do in 2023?")]
    pub message: MessageText,
    /// The conversation that the message continues. Without it, a new one begins.
    #[schema(
        value_type = Option<String>, format = "uuid",
        example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub conversation_id: Option<ResourceId>,
    /// Name of the server's prompt.
    #[schema(value_type = Option<String>, example = "default")]
    pub prompt: Option<PromptName>,
    /// 1 to 128 printable ASCII characters that you choose for this message. Within 24 hours, a
    /// message of the same user with the same key asks for no second reply. The server answers it
    /// like the first one. Keys of `POST /chat` are separate.
    #[schema(
        value_type = Option<String>, min_length = 1, max_length = 128,
        example = "8e03978e-40d5-43dd-bc93-6894a57f9324"
    )]
    pub idempotency_key: Option<IdempotencyKey>,
}

impl ChatSendRequest {
    /// All its fields except the key, as text, to recognise a repeated message.
    pub fn says(&self) -> String {
        json!([
            self.message.as_str(),
            self.conversation_id.as_ref().map(ResourceId::as_str),
            self.prompt.map(PromptName::as_str)
        ])
        .to_string()
    }
}

impl From<ChatSendRequest> for ChatRequest {
    fn from(request: ChatSendRequest) -> Self {
        Self {
            message: request.message,
            conversation_id: request.conversation_id,
            prompt: request.prompt,
        }
    }
}

impl Input for ChatSendRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let request = ChatRequest::read(fields);
        let idempotency_key = fields.optional("idempotency_key");
        let ChatRequest { message, conversation_id, prompt } = request?;
        Some(Self { message, conversation_id, prompt, idempotency_key: idempotency_key? })
    }
}

impl Input for ChatRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message = fields.required("message");
        let conversation_id = fields.optional("conversation_id");
        let prompt = fields.optional("prompt");
        Some(Self { message: message?, conversation_id: conversation_id?, prompt: prompt? })
    }
}
