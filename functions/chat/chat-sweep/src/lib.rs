//! The clock's worker: ends replies that nobody writes any more, because their worker died or was never started. What there
//! is of one is kept, with what it has taken, and whoever listens is told.

use std::time::Duration;

use futures_util::future::join_all;
use platform::chat::{ChatFailed, Ending, Endings};
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::domain::MessageStatus;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::socket::{Peer, Sender};
use platform::store::{Drafts, Head, Message, Messages};
use platform::worker::{Invocation, Worker};
use serde::de::IgnoredAny;

/// Replies that are looked for at once.
const BATCH: u8 = 100;

/// Time that is left for the one at hand before the invocation ends.
const MARGIN: Duration = Duration::from_secs(10);

/// The worker. Two of them at once, or one that dies, do no harm: a reply is ended under a condition, with its event.
pub struct ChatSweep {
    drafts: Drafts,
    messages: Messages,
    endings: Endings,
    sender: Sender,
    clock: Clock,
}

impl Worker for ChatSweep {
    type Payload = IgnoredAny;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform.database()?, &platform.config)?,
            messages: Messages::new(platform.database()?, &platform.config)?,
            endings: Endings::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, _: IgnoredAny, invocation: Invocation) -> Result<(), Problem> {
        let overdue = self.drafts.overdue(self.clock.now(), BATCH).await?;
        tracing::info!(overdue = overdue.len(), "swept");
        let mut failed = None;
        for message_id in overdue {
            if invocation.remaining() < MARGIN {
                break;
            }
            // One that cannot be ended keeps nobody else waiting; it comes again with the next sweep.
            if let Err(problem) = self.sweep(&message_id).await {
                tracing::error!(message_id, code = problem.code, "not swept");
                failed = Some(problem);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl ChatSweep {
    /// Ends a reply as failed, unless it has ended.
    async fn sweep(&self, message_id: &str) -> Result<(), Problem> {
        // The index may be behind: a worker may have begun it meanwhile.
        let now = self.clock.now().as_second();
        let overdue = |head: &Head| head.ended_at.is_none() && head.sweep_at.is_some_and(|sweep_at| sweep_at < now);
        let Some(head) = self.drafts.head(message_id).await?.filter(overdue) else { return Ok(()) };
        let Some(reply) = self.messages.get(&head.conversation_id, message_id).await? else {
            return Ok(self.drafts.drop(message_id).await?);
        };
        let text = self.drafts.frames(message_id).await?.into_iter().flat_map(|frames| frames.frames).collect();
        let Head { wishes, spent, .. } = head;
        let from = reply.status;
        let failed = Message {
            text,
            status: MessageStatus::Failed,
            usage: spent.as_ref().map(|spent| spent.usage),
            cost_usd: spent.as_ref().map(|spent| spent.cost_usd),
            ..reply
        };
        let model = spent.as_ref().map(|spent| spent.model.as_str());
        if self.endings.end_anyway(Ending { reply: &failed, from, model, wishes, frames: None }).await? {
            // Nobody joins any more.
            let listeners = self.drafts.head(message_id).await?.map(|head| head.listeners).unwrap_or_default();
            let end = ChatFailed::new(message_id, &Problem::unavailable());
            join_all(listeners.keys().map(async |id| {
                if let Err(error) = self.sender.post(Peer::open(id), None, &end).await {
                    tracing::info!(%error, connection_id = id, "not told");
                }
            }))
            .await;
        }
        Ok(())
    }
}
