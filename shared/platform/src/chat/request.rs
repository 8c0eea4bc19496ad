//! What a caller says, over HTTP as over a WebSocket.

use utoipa::ToSchema;

use crate::domain::{MessageText, PromptName, ResourceId};
use crate::http::{Fields, Form};

/// Something said to the assistant.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct ChatRequest {
    /// 1 to 10,000 characters. Control characters other than newline and tab are dropped.
    #[schema(value_type = String, min_length = 1, max_length = 10_000, example = "How did Alpha do in 2023?")]
    pub message: MessageText,
    /// The conversation to go on with; without it a new one begins.
    #[schema(value_type = Option<String>, format = "uuid", example = "019a0000-0000-7000-8000-000000000000")]
    pub conversation_id: Option<ResourceId>,
    /// Name of the server's prompt.
    #[schema(value_type = Option<String>, pattern = "^default$", example = "default")]
    pub prompt: Option<PromptName>,
}

impl Form for ChatRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message = fields.required("message");
        let conversation_id = fields.optional("conversation_id");
        let prompt = fields.optional("prompt");
        Some(Self { message: message?, conversation_id: conversation_id?, prompt: prompt? })
    }
}
