//! A message to the assistant, over HTTP or a WebSocket.

use platform::domain::ResourceId;
use platform::idempotency::IdempotencyKey;
use platform::input::{Fields, Inner, Input};
use serde_json::{Value, json};
use tally_prompts::domain::{PromptRef, Values};
use utoipa::ToSchema;

use crate::choosing::Named;
use crate::domain::{AgentName, ChatContext, MessageText};

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
    /// The server's prompt, by its name. Editors and administrators may name a version of it too:
    /// `name@label` or `name@7`. Leave it out in a message for an agent, which has its own.
    #[schema(value_type = Option<String>, pattern = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?(@([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8}))?$",
        example = "default")]
    pub prompt: Option<PromptRef>,
    /// Values of the variables of the prompt, by name. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>, example = json!({}))]
    pub variables: Values,
    /// Name of the agent that answers. The conversation keeps it. Without it, the agent of the
    /// conversation answers, or none.
    #[schema(
        value_type = Option<String>, pattern = "^[a-z][a-z0-9-]{0,39}$", example = "tasks"
    )]
    pub agent: Option<AgentName>,
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
    /// The server's prompt, by its name. Editors and administrators may name a version of it too:
    /// `name@label` or `name@7`. Leave it out in a message for an agent, which has its own.
    #[schema(value_type = Option<String>, pattern = r"^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?(@([a-z][a-z0-9-]{0,31}|0|[1-9][0-9]{0,8}))?$",
        example = "default")]
    pub prompt: Option<PromptRef>,
    /// Values of the variables of the prompt, by name. At most 100,000 bytes of JSON.
    #[schema(value_type = Option<std::collections::HashMap<String, Value>>, example = json!({}))]
    pub variables: Values,
    /// Name of the agent that answers. The conversation keeps it. Without it, the agent of the
    /// conversation answers, or none.
    #[schema(
        value_type = Option<String>, pattern = "^[a-z][a-z0-9-]{0,39}$", example = "tasks"
    )]
    pub agent: Option<AgentName>,
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

impl ChatRequest {
    /// The agent or prompt that it names.
    pub fn named(&self) -> Named {
        Named { agent: self.agent.clone(), prompt: self.prompt.clone() }
    }
}

impl ChatSendRequest {
    /// The agent or prompt that it names.
    pub fn named(&self) -> Named {
        Named { agent: self.agent.clone(), prompt: self.prompt.clone() }
    }

    /// All its fields except the key, as text, to recognise a repeated message.
    pub fn says(&self) -> String {
        let conversation_id = self.conversation_id.as_ref().map(ResourceId::as_str);
        let prompt = self.prompt.as_ref().map(PromptRef::to_string);
        let says = [json!(self.message.as_str()), json!(conversation_id), json!(prompt)];
        // A message without a context, an agent and variables has the same content as it had before
        // messages could have them. A context has no member `variables`, and an agent is a string.
        let context = self.context.iter().map(|context| json!(context));
        let agent = self.agent.iter().map(|agent| json!(agent.as_str()));
        let variables = Some(&self.variables).filter(|variables| !variables.is_empty());
        let variables = variables.map(|variables| json!({"variables": variables}));
        let more = context.chain(agent).chain(variables);
        says.into_iter().chain(more).collect::<Value>().to_string()
    }
}

impl From<ChatSendRequest> for ChatRequest {
    fn from(request: ChatSendRequest) -> Self {
        Self {
            message: request.message,
            conversation_id: request.conversation_id,
            prompt: request.prompt,
            variables: request.variables,
            agent: request.agent,
            context: request.context,
        }
    }
}

impl Input for ChatSendRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let request = ChatRequest::read(fields);
        let idempotency_key = fields.optional("idempotency_key");
        let ChatRequest { message, conversation_id, prompt, variables, agent, context } = request?;
        let idempotency_key = idempotency_key?;
        Some(Self { message, conversation_id, prompt, variables, agent, context, idempotency_key })
    }
}

impl Input for ChatRequest {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message = fields.required("message");
        let conversation_id = fields.optional("conversation_id");
        let prompt = fields.optional("prompt");
        let variables = fields.optional("variables");
        let agent = fields.optional("agent");
        let context = fields.optional("context");
        if let (Some(Some(_)), Some(Some(_))) = (&prompt, &agent) {
            fields.refuse("agent", "must not be sent together with prompt");
        }
        Some(Self {
            message: message?,
            conversation_id: conversation_id?,
            prompt: prompt?,
            variables: variables?.unwrap_or_default(),
            agent: agent?,
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

    #[test]
    fn a_message_to_another_agent_says_something_else() {
        let to = |agent: Value| says(&json!({"message": "Hi", "agent": agent}));
        assert_eq!(to(Value::Null), r#"["Hi",null,null]"#);
        assert_eq!(to(json!("tasks")), r#"["Hi",null,null,"tasks"]"#);
        assert_ne!(to(json!("tasks")), to(json!("finance")));
    }

    #[test]
    fn a_message_with_other_values_says_something_else() {
        let with = |variables: Value| says(&json!({"message": "Hi", "variables": variables}));
        for none in [Value::Null, json!({})] {
            assert_eq!(with(none), r#"["Hi",null,null]"#);
        }
        assert_eq!(with(json!({"x": 1})), r#"["Hi",null,null,{"variables":{"x":1}}]"#);
        assert_ne!(with(json!({"x": 1})), with(json!({"x": "1"})));
        let named = says(&json!({"message": "Hi", "prompt": "a@7"}));
        assert_eq!(named, r#"["Hi",null,"a@7"]"#);
    }

    #[test]
    fn an_agent_has_its_own_prompt() {
        let read = |body: Value| {
            let Value::Object(members) = body else { panic!("{body} is no object") };
            let read = Fields::json(members).read::<ChatRequest>();
            read.map(drop).map_err(|problem| {
                let faults = problem.errors.into_iter();
                faults.map(|fault| fault.pointer.unwrap()).collect::<Vec<_>>()
            })
        };
        let both = json!({"message": "Hi", "prompt": "default", "agent": "tasks"});
        for (body, expected) in [
            (json!({"message": "Hi", "agent": "tasks"}), Ok(())),
            (json!({"message": "Hi", "agent": null, "prompt": "default"}), Ok(())),
            (both, Err(vec!["/agent".to_owned()])),
            (json!({"message": "Hi", "agent": "Tasks"}), Err(vec!["/agent".to_owned()])),
            (json!({"message": "Hi", "agent": ""}), Err(vec!["/agent".to_owned()])),
        ] {
            assert_eq!(read(body.clone()), expected, "{body}");
        }
    }
}
