//! `chat.cancel`.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_chat::store::Drafts;
use utoipa::ToSchema;

/// The action. The worker stops within half a second and keeps the text that it has written. It
/// sends `chat.completed` with `stop_reason: "cancelled"` to each connection that receives the
/// reply.
pub struct Cancel {
    drafts: Drafts,
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
        Ok(Self { drafts: Drafts::new(platform)? })
    }

    async fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> Result<Plan<Option<Cancelling>>, Problem> {
        let id = message.body.message_id.as_str();
        let details = AuditDetails::action("chat.cancelled").resource("message", id);
        let drafts = self.drafts.clone();
        let user_id = message.caller.user_id.clone();
        let refused = details.clone();
        let cancel = self.drafts.cancel(id, &user_id, message.now);
        let answer = message.id.map(|_| Cancelling { message_id: id.to_owned() });
        Ok(Plan::reply(answer.clone()).details(details).write_or_retry(
            cancel,
            Box::new(move |found| {
                async move {
                    let head = found
                        .map(|item| drafts.read(item))
                        .transpose()?
                        .filter(|head| head.user_id == user_id);
                    Ok(match head {
                        // A second cancel changes nothing.
                        Some(head) if head.cancelled_at.is_some() => Plan::reply(answer),
                        Some(_) => Plan::refuse(Problem::reply_ended()).details(refused),
                        None => Plan::refuse(Problem::not_found()).details(refused),
                    })
                }
                .boxed()
            }),
        ))
    }
}
