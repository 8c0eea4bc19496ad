//! `chat.cancel`.

use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_chat::{Cancellation, Cancelling as CancellingReplies};
use utoipa::ToSchema;

/// The action. The worker stops within half a second and keeps the text that it has written. It
/// sends `chat.completed` with `stop_reason: "cancelled"` to each connection that receives the
/// reply. If the reply waits for a confirmation, its calls are rejected, and a worker ends it.
pub struct Cancel {
    cancelling: CancellingReplies,
}

/// The reply to stop.
#[derive(Debug, ToSchema)]
pub struct CancelBody {
    /// Id of the reply, as `chat.started` or `POST /chat` gave it.
    #[schema(
        value_type = String, format = "uuid", example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub message_id: ResourceId,
}

/// The server stops the reply. This answers a `chat.cancel` that has an `id`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Cancelling {
    /// The reply.
    #[schema(format = "uuid")]
    pub message_id: String,
}

impl ServerMessage for Cancelling {
    const TYPE: &'static str = "chat.cancelling";
}

impl Input for CancelBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { message_id: fields.required("message_id")? })
    }
}

impl Action for Cancel {
    const ROUTE: ActionRoute = routes::CHAT_CANCEL;
    type Body = CancelBody;
    type Output = Cancelling;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { cancelling: CancellingReplies::new(platform)? })
    }

    async fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> Result<Plan<Option<Cancelling>>, Problem> {
        let message_id = message.body.message_id.to_string();
        let answer = message.id.map(|_| Cancelling { message_id: message_id.clone() });
        let user_id = message.caller.user_id.clone();
        let cancellation = Cancellation { user_id, message_id, now: message.now };
        Ok(self.cancelling.cancel(cancellation, answer))
    }
}
