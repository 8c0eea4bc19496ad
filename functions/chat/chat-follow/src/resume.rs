//! `chat.resume`.

use futures_util::FutureExt as _;
use platform::chat::{ChatCompleted, ChatDelta, ChatFailed};
use platform::config::ConfigError;
use platform::domain::{MessageStatus, ResourceId};
use platform::http::{Fields, Form};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, Peer, SendError, Sender};
use platform::store::{Drafts, Frames, History, Joined, Message as Reply};
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

/// How a reply has ended, as it is said.
enum End {
    Completed(ChatCompleted),
    Failed(ChatFailed),
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
        let (user_id, connection_id) = (&message.caller.user_id, &message.connection.connection_id);
        match self.drafts.join(message_id.as_str(), user_id, connection_id, after_sequence).await? {
            Joined::Live => Ok(Plan::reply(None)),
            Joined::Unknown => Err(Problem::not_found()),
            Joined::Ended(head) => {
                let reply = self.history.message(&head.user_id, &head.conversation_id, &head.message_id).await?;
                let reply = reply.ok_or_else(Problem::not_found)?;
                let (unheard, end) = (ChatFailed::unheard(&reply), End::from(reply));
                let frames = self.drafts.frames(&head.message_id).await?;
                let (sender, connection) = (self.sender.clone(), message.connection.clone());
                let follow = async move {
                    let sent = replay(&sender, connection.peer(), frames, after_sequence, &end).await;
                    if let Err(error) = sent {
                        tracing::info!(%error, connection_id = connection.connection_id, "the rest of a reply was not sent");
                        // So that nobody waits for it; where the connection has ended there is nobody.
                        if !matches!(error, SendError::Gone) {
                            sender.post(connection.peer(), None, &unheard).await.ok();
                        }
                    }
                    Ok(None)
                };
                Ok(Plan::reply(None).then(Box::new(|| follow.boxed())))
            }
        }
    }
}

impl From<Reply> for End {
    fn from(reply: Reply) -> Self {
        match (reply.status, reply.stop_reason) {
            (MessageStatus::Completed | MessageStatus::Cancelled, Some(stop_reason)) => Self::Completed(ChatCompleted {
                message_id: reply.id,
                stop_reason,
                usage: reply.usage.unwrap_or_default(),
                cost_usd: reply.cost_usd.unwrap_or_default(),
            }),
            _ => Self::Failed(ChatFailed::new(&reply.id, &Problem::unavailable())),
        }
    }
}

/// Sends what a connection has missed of a reply that has ended, and how it ended. A frame that may not have arrived ends it: the
/// client can resume from where it is.
async fn replay(sender: &Sender, peer: Peer<'_>, frames: Vec<Frames>, after: u64, end: &End) -> Result<(), SendError> {
    for Frames { message_id, sequence, frames } in frames {
        for (sequence, text) in (sequence..).zip(frames).filter(|(sequence, _)| *sequence > after) {
            sender.post(peer, None, &ChatDelta { message_id: message_id.clone(), sequence, text }).await?;
        }
    }
    match end {
        End::Completed(completed) => sender.post(peer, None, completed).await,
        End::Failed(failed) => sender.post(peer, None, failed).await,
    }
}
