//! A message to the assistant, over HTTP or a WebSocket.

use assistant::domain::PromptName;
use platform::domain::ResourceId;
use platform::idempotency::IdempotencyKey;
use platform::input::{Fields, Inner, Input};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::domain::{ChatContext, MessageText};

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
    /// The cells that the message is about. An API key needs the scope `ranges:read` for it too.
    pub context: Option<ChatContext>,
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
    /// The cells that the message is about.
    pub context: Option<ChatContext>,
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
        let conversation_id = self.conversation_id.as_ref().map(ResourceId::as_str);
        let prompt = self.prompt.map(PromptName::as_str);
        let says = [json!(self.message.as_str()), json!(conversation_id), json!(prompt)];
        // A message without a context has the same content as it had before messages could have
        // one.
        let context = self.context.iter().map(|context| json!(context));
        says.into_iter().chain(context).collect::<Value>().to_string()
    }
}

impl From<ChatSendRequest> for ChatRequest {
    fn from(request: ChatSendRequest) -> Self {
        Self {
            message: request.message,
            conversation_id: request.conversation_id,
            prompt: request.prompt,
            context: request.context,
        }
    }
}

impl Input for ChatSendRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let request = ChatRequest::read(fields);
        let idempotency_key = fields.optional("idempotency_key");
        let ChatRequest { message, conversation_id, prompt, context } = request?;
        Some(Self { message, conversation_id, prompt, context, idempotency_key: idempotency_key? })
    }
}

impl Input for ChatRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message = fields.required("message");
        let conversation_id = fields.optional("conversation_id");
        let prompt = fields.optional("prompt");
        let context = fields.optional("context");
        Some(Self {
            message: message?,
            conversation_id: conversation_id?,
            prompt: prompt?,
            context: context?.map(|Inner(context)| context),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(body: &Value) -> String {
        let Value::Object(members) = body else { panic!("{body} is no object") };
        Fields::json(members.clone()).read::<ChatSendRequest>().unwrap().says()
    }

    #[test]
    fn a_message_about_other_cells_says_something_else() {
        let id = "019a0000-0000-7000-8000-000000000000";
        let about = |range: Value| json!({"message": "Hi", "context": {"ranges": [range]}});
        let plain = says(&json!({"message": "Hi", "idempotency_key": "k"}));
        assert_eq!(plain, r#"["Hi",null,null]"#);
        let whole = says(&about(json!({"range_id": id})));
        let part = says(&about(json!({"range_id": id, "address": "A1:B2"})));
        assert_ne!(whole, plain);
        assert_ne!(part, whole);
        assert_eq!(part, says(&about(json!({"range_id": id, "address": "$a$1:B2"}))));
    }
}
