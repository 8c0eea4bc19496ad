//! `chat.confirm`.

use std::sync::Arc;

use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use platform::plan::Reply;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_chat::domain::{Decision, Decisions, MessageStatus};
use tally_chat::{Answering, Confirmation, Confirming, store};
use utoipa::ToSchema;

/// The action. The first decision about a call counts, and the same one again changes nothing. Once
/// all calls that wait are decided, a worker goes on with the reply. It sends the rest to each
/// connection that receives the reply.
pub struct Confirm {
    confirming: Confirming,
}

/// Decisions about calls of tools that a reply waits for.
#[derive(Debug, ToSchema)]
pub struct ConfirmBody {
    /// Id of the reply, as `chat.tool_call` gave it.
    #[schema(
        value_type = String, format = "uuid", example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub message_id: ResourceId,
    /// One decision for each call. The reply goes on once all calls that wait are decided.
    #[schema(value_type = Vec<Decision>, min_items = 1, max_items = 16)]
    pub decisions: Decisions,
}

/// The decisions are stored. This answers a `chat.confirm` that has an `id`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Confirmed {
    /// The reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// State of the reply: `awaiting_confirmation` if other calls still wait.
    pub status: MessageStatus,
}

impl ServerMessage for Confirmed {
    const TYPE: &'static str = "chat.confirmed";
}

impl Input for ConfirmBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message_id = fields.required("message_id");
        let decisions = fields.required("decisions");
        Some(Self { message_id: message_id?, decisions: decisions? })
    }
}

impl Action for Confirm {
    const ROUTE: ActionRoute = routes::CHAT_CONFIRM;
    type Body = ConfirmBody;
    type Output = Confirmed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { confirming: Confirming::new(platform)? })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<Confirmed>>, Problem> {
        let ConfirmBody { message_id, decisions } = message.body;
        let confirmation = Confirmation {
            caller: message.caller.clone(),
            context: message.context.clone(),
            conversation_id: None,
            message_id: message_id.to_string(),
            decisions,
            now: message.now,
        };
        let echoes = message.id.is_some();
        let confirmed = |reply: &store::Message| Confirmed {
            message_id: reply.id.clone(),
            status: reply.status,
        };
        let answer = move |reply: &store::Message| Reply::new(echoes.then(|| confirmed(reply)));
        let answering = Answering { answer: Arc::new(answer), follow: None };
        self.confirming.decide(confirmation, answering).await
    }
}
