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

/// Starts the worker of replies that have been asked for.
#[derive(Clone)]
pub struct Starter {
    worker: ReplyWorker,
    endings: Endings,
}

/// The worker that writes replies.
#[derive(Clone)]
pub struct ReplyWorker(Invoker);

impl ReplyWorker {
    /// The worker that `CHAT_STREAM_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self(Invoker::new(&platform.config, "CHAT_STREAM_ARN")?))
    }

    /// Starts it for this reply, at least once.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        let start = ReplyStart {
            conversation_id: reply.conversation_id.clone(),
            message_id: reply.id.clone(),
            user_id: reply.user_id.clone(),
        };
        Ok(self.0.start(&start).await?)
    }

    /// The same for a reply that goes on after a decision of its user. If the start fails,
    /// `expire-replies` starts the worker within some two minutes.
    pub async fn go_on(&self, reply: &Message) {
        if let Err(problem) = self.start(reply).await {
            tracing::warn!(
                message_id = reply.id,
                code = %problem.code,
                "failed to start a worker for a reply that goes on; the sweep starts it"
            );
        }
    }
}

impl Starter {
    /// Uses the worker that `CHAT_STREAM_ARN` names, and the tables of [`Endings::unbegun`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { worker: ReplyWorker::new(platform)?, endings: Endings::unbegun(platform)? })
    }

    /// Starts the worker for this reply. If that fails, the reply ends as failed. One that goes on
    /// after a decision of its user is left to `expire-replies`, which starts it once more.
    pub async fn start(&self, reply: &Message) -> Result<(), Problem> {
        if reply.steps > 0 {
            self.worker.go_on(reply).await;
            return Ok(());
        }
        let Err(problem) = self.worker.start(reply).await else { return Ok(()) };
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
