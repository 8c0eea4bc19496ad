//! `chat.resume`.

use futures_util::FutureExt as _;
use platform::chat::{ChatDelta, ChatEnd, ChatFailed};
use platform::config::ConfigError;
use platform::domain::ResourceId;
use platform::http::{Fields, Form};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, Peer, SendError, Sender};
use platform::store::{Drafts, Head, History, Joined, Message as Reply};
use utoipa::ToSchema;

/// The action. What answers it are the reply's own messages, from the one after `after_sequence` on. While the reply is being
/// written its worker sends them, as to whoever asked for it; one that has ended is sent from here.
pub struct Resume {
    drafts: Drafts,
    history: History,
    sender: Sender,
}

/// Which reply, and what is known of it.
#[derive(Debug, ToSchema)]
pub struct ResumeBody {
    /// Id of the reply, as `chat.started` or `POST /chat` gave it.
    #[schema(value_type = String, format = "uuid", example = "019a0000-0000-7000-8000-000000000000")]
    pub message_id: ResourceId,
    /// `sequence` of the last delta that came; 0 for all of the reply.
    #[schema(minimum = 0, example = 7)]
    pub after_sequence: u64,
}

impl Form for ResumeBody {
    fn read(fields: &mut Fields) -> Option<Self> {
        let message_id = fields.required("message_id");
        let after_sequence = fields.required("after_sequence");
        Some(Self { message_id: message_id?, after_sequence: after_sequence? })
    }
}

impl Action for Resume {
    const ROUTE: ActionRoute = routes::CHAT_RESUME;
    type Body = ResumeBody;
    type Output = ChatDelta;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform.database()?, &platform.config)?,
            history: History::new(platform.database()?, &platform.config)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
        })
    }

    async fn handle(&self, message: Message<'_, Self>) -> Result<Plan<Option<ChatDelta>>, Problem> {
        let ResumeBody { message_id, after_sequence } = message.body;
        let user_id = &message.caller.user_id;
        let is_theirs = |head: &Head| head.user_id == *user_id && !head.has_expired(message.now);
        let head = self.drafts.head(message_id.as_str()).await?.filter(is_theirs).ok_or_else(Problem::not_found)?;
        let (conversation_id, has_ended) = (head.conversation_id.clone(), head.ended_at.is_some());
        if !has_ended {
            // One of a conversation that has been deleted goes on for those who listen, and for nobody else.
            self.history.conversation(user_id, &conversation_id).await?.ok_or_else(Problem::not_found)?;
            if self.drafts.join(head, &message.connection.connection_id, after_sequence).await? == Joined::Live {
                return Ok(Plan::reply(None));
            }
        }
        let reply = self.history.message(user_id, &conversation_id, message_id.as_str()).await?.ok_or_else(Problem::not_found)?;
        let frames = self.drafts.frames(&reply.id).await?;
        let (sender, connection) = (self.sender.clone(), message.connection.clone());
        let follow = async move {
            replay(&sender, connection.peer(), &reply, frames, after_sequence).await;
            Ok(None)
        };
        Ok(Plan::reply(None).then(Box::new(|| follow.boxed())))
    }
}

/// Sends what a connection has missed of a reply that has ended, and how it ended. A frame that may not have arrived ends it: the
/// client can resume from where it is. A text that is not all there is not sent: nobody is to take it for the reply's.
async fn replay(sender: &Sender, peer: Peer<'_>, reply: &Reply, frames: Vec<String>, after: u64) {
    let send = async {
        if frames.concat() != reply.text {
            tracing::error!(message_id = reply.id, "the frames of a reply are not its text");
            return sender.post(peer, None, &ChatFailed::unheard(reply)).await;
        }
        for (sequence, text) in (1..).zip(frames).filter(|(sequence, _)| *sequence > after) {
            sender.post(peer, None, &ChatDelta { message_id: reply.id.clone(), sequence, text }).await?;
        }
        ChatEnd::of(reply).post(sender, peer).await
    };
    if let Err(error) = send.await {
        tracing::info!(%error, connection_id = peer.connection_id, "the rest of a reply was not sent");
        // So that nobody waits for it; where the connection has ended there is nobody.
        if !matches!(error, SendError::Gone) {
            sender.post(peer, None, &ChatFailed::unheard(reply)).await.ok();
        }
    }
}
