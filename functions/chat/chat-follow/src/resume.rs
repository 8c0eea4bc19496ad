//! `chat.resume`.

use futures_util::FutureExt as _;
use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_chat::Subscribing;
use utoipa::ToSchema;

/// The action. It brings the reply's own messages, from the one after `after_sequence` on. While
/// the reply is being written, its worker sends them, as it does to the client that asked for the
/// reply. If the reply has ended, this function sends them. If the reply waits for a confirmation,
/// this function sends those that there are, and a worker sends the rest.
pub struct Resume {
    subscribing: Subscribing,
}

/// The reply, and its last message that the client has.
#[derive(Debug, ToSchema)]
pub struct ResumeBody {
    /// Id of the reply, as `chat.started` or `POST /chat` gave it.
    #[schema(
        value_type = String, format = "uuid", example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub message_id: ResourceId,
    /// `sequence` of the last message of the reply that the client has, or 0 for the whole reply.
    #[schema(minimum = 0, example = 7)]
    pub after_sequence: u64,
}

/// The rest of the reply follows. This answers a `chat.resume` that has an `id`.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Resumed {
    /// The reply.
    #[schema(format = "uuid")]
    pub message_id: String,
    /// The same number as in the request. The messages after this one follow.
    #[schema(example = 7)]
    pub after_sequence: u64,
}

impl ServerMessage for Resumed {
    const TYPE: &'static str = "chat.resumed";
}

impl Input for ResumeBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message_id = fields.required("message_id");
        let after_sequence = fields.required("after_sequence");
        Some(Self { message_id: message_id?, after_sequence: after_sequence? })
    }
}

impl Action for Resume {
    const ROUTE: ActionRoute = routes::CHAT_RESUME;
    type Body = ResumeBody;
    type Output = Resumed;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { subscribing: Subscribing::new(platform)? })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<Resumed>>, Problem> {
        let ResumeBody { message_id, after_sequence } = message.body;
        let answer = message
            .id
            .map(|_| Resumed { message_id: message_id.as_str().to_owned(), after_sequence });
        let user_id = &message.caller.user_id;
        let subscribed = self.subscribing.subscribe(
            user_id,
            message_id.as_str(),
            message.connection,
            after_sequence,
            message.now,
        );
        let Some(replay) = subscribed.await? else { return Ok(Plan::reply(answer)) };
        let follow = async move {
            replay.send().await;
            Ok(None)
        };
        Ok(Plan::reply(answer).after_commit(Box::new(|| follow.boxed())))
    }
}
