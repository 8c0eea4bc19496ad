//! Starts the worker `chat-stream`, which writes a reply.

use platform::worker::Invoker;
use platform::{ConfigError, Platform, Problem};
use serde::{Deserialize, Serialize};

use super::ending::{Ending, Endings};
use crate::domain::MessageStatus;
use crate::store::{Message, SubscribersAtEnd};

/// The payload that starts the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyStart {
    /// Conversation.
    pub conversation_id: String,
    /// The reply to write.
    pub message_id: String,
    /// Its user. The worker reads the user's data key while it acquires the reply.
    pub user_id: String,
}

/// Starts workers.
#[derive(Clone)]
pub struct Starter {
    worker: Invoker,
    endings: Endings,
}

impl Starter {
    /// Uses the worker that `CHAT_STREAM_ARN` names, and the tables of [`Endings`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            worker: Invoker::new(&platform.config, "CHAT_STREAM_ARN")?,
            endings: Endings::new(platform)?,
        })
    }

    /// Starts the worker for this reply. If that fails, the reply ends as failed.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        let start = ReplyStart {
            conversation_id: reply.conversation_id.clone(),
            message_id: reply.id.clone(),
            user_id: reply.user_id.clone(),
        };
        let Err(error) = self.worker.start(&start).await else { return Ok(()) };
        let problem = Problem::from(error);
        let failed =
            Message { status: MessageStatus::Failed, failure: Some(problem.code), ..reply.clone() };
        // There are no subscribers to tell, because this function itself answers the caller. If the
        // reply is no longer pending, only the answer of Lambda was lost: a worker is writing the
        // reply.
        let ending = Ending {
            reply: &failed,
            from: MessageStatus::Pending,
            model: None,
            asked: None,
            revision: 1,
            overdue: None,
            subscribers: SubscribersAtEnd::default(),
            frames: None,
        };
        if self.endings.end_anyway(ending).await? { Err(problem) } else { Ok(()) }
    }
}
