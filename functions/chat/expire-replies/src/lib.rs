//! The scheduled worker that ends replies which no worker writes any more, because their worker
//! died or was never started. It also tells subscribers of an end that they have not been told of.
//! The text that a reply has is kept, and so is its usage.

use std::time::Duration;

use assistant::domain::{PromptName, StopReason};
use futures_util::future::join_all;
use platform::clock::Clock;
use platform::domain::Peer;
use platform::problem::Code;
use platform::runtime::Invocation;
use platform::socket::Sender;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use serde::de::IgnoredAny;
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Drafts, Head, Message, Messages, Overdue};
use tally_chat::{Asked, ChatEnd, ChatFailed, Ending, Endings};
use texts::Texts;
use tokio::time::timeout;

/// Time for one reply. The worker begins no reply when less time is left.
const ONE: Duration = Duration::from_secs(10);

/// A reply that cannot be ended is put off for as long as it is old, and for this many seconds at
/// most.
const LONGEST_WAIT_SECONDS: i64 = 3_600;

/// The worker. Two of them at once, or one that dies, do no harm: a conditional write ends a reply,
/// together with its event.
pub struct ExpireReplies {
    drafts: Drafts,
    messages: Messages,
    endings: Endings,
    texts: Texts,
    sender: Sender,
    clock: Clock,
}

impl Worker for ExpireReplies {
    type Payload = IgnoredAny;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform)?,
            messages: Messages::new(platform)?,
            endings: Endings::new(platform)?,
            texts: Texts::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, _: IgnoredAny, invocation: Invocation) -> Result<(), Problem> {
        let shards =
            join_all((0..Drafts::SHARDS).map(|shard| self.expire_shard(shard, &invocation))).await;
        shards.into_iter().collect()
    }
}

impl ExpireReplies {
    /// Handles the overdue replies of a shard, one after the other, for as long as there is time.
    async fn expire_shard(&self, shard: u8, invocation: &Invocation) -> Result<(), Problem> {
        let mut after = None;
        let mut result = Ok(());
        loop {
            let page = self.drafts.overdue(shard, self.clock.now(), after.as_ref()).await?;
            for overdue in &page {
                if invocation.remaining() < ONE {
                    tracing::warn!(shard, "failed to end all overdue replies in time");
                    return result;
                }
                let ended = timeout(ONE, self.expire(&overdue.message_id)).await;
                if let Err(problem) = ended.unwrap_or_else(|_| Err(Problem::unavailable())) {
                    tracing::error!(
                        message_id = overdue.message_id,
                        code = %problem.code,
                        "failed to end an overdue reply"
                    );
                    self.put_off(overdue).await;
                    result = Err(problem);
                }
            }
            let Some(last) = page.into_iter().next_back() else { return result };
            after = Some(last);
        }
    }

    /// Puts off a reply that cannot be ended, so that it does not delay others each time.
    async fn put_off(&self, overdue: &Overdue) {
        let now = self.clock.now().as_second();
        let age = ids::made_at(&overdue.message_id)
            .map_or(LONGEST_WAIT_SECONDS, |made_at| now - made_at.as_second());
        if let Err(error) =
            self.drafts.put_off(overdue, now + age.clamp(0, LONGEST_WAIT_SECONDS)).await
        {
            tracing::warn!(
                %error,
                message_id = overdue.message_id,
                "failed to put off an overdue reply"
            );
        }
    }

    /// Ends a reply, unless it has ended, and tells its subscribers how it ended.
    async fn expire(&self, message_id: &str) -> Result<(), Problem> {
        // The index may be behind: a worker may have begun the reply meanwhile, or told all
        // subscribers.
        let now = self.clock.now();
        let overdue =
            |head: &Head| head.sweep_at.is_some_and(|sweep_at| sweep_at < now.as_second());
        let Some(mut head) = self.drafts.head(message_id).await?.filter(overdue) else {
            return Ok(());
        };
        let Some(mut reply) = self.messages.get(&head.conversation_id, message_id).await? else {
            return Ok(self.drafts.close(message_id, now).await?);
        };
        if head.ended_at.is_none() {
            let Some(ended) = self.end(&head, reply).await? else { return Ok(()) };
            // No connection joins any more.
            (head, reply) = (self.drafts.head(message_id).await?.unwrap_or(head), ended);
        }
        self.tell(&head, &reply).await;
        Ok(self.drafts.close(message_id, now).await?)
    }

    /// Ends a reply as failed, or as cancelled if it was to stop. Returns `None` if another
    /// function has ended it, or goes on with it.
    async fn end(&self, head: &Head, mut reply: Message) -> Result<Option<Message>, Problem> {
        let (text, sources) = self.drafts.text(&reply.id).await?;
        if !text.is_empty() {
            // The message may have been read before its sources were known.
            reply.sources = sources;
        }
        let asked = self.asked(&reply).await?;
        let from = reply.status;
        let spent = head.spent.as_ref();
        let (status, stop_reason, failure) = match head.cancelled_at {
            Some(_) => (MessageStatus::Cancelled, Some(StopReason::Cancelled), None),
            None => (MessageStatus::Failed, None, Some(Code::Unavailable)),
        };
        let ended = Message {
            text,
            status,
            stop_reason,
            failure,
            usage: spent.map(|spent| spent.usage),
            cost_usd: spent.map(|spent| spent.cost_usd),
            ..reply
        };
        let model = spent.map(|spent| spent.model.as_str());
        let revision = head.revision;
        let overdue = head.sweep_at;
        let subscribers = head.subscribers_at_end();
        let asked = asked.as_ref().map(|asked| (asked, &self.texts));
        let reply = &ended;
        let frames = None;
        let ending = Ending { reply, from, model, asked, revision, overdue, subscribers, frames };
        Ok(self.endings.end_anyway(ending).await?.then_some(ended))
    }

    /// What the model was asked, as far as it is on record. A worker had begun the reply, so it may
    /// have asked the model. A reply that no worker has begun has asked none.
    async fn asked(&self, reply: &Message) -> Result<Option<Asked>, Problem> {
        let Some(answers) =
            reply.answers.as_ref().filter(|_| reply.status != MessageStatus::Pending)
        else {
            return Ok(None);
        };
        let said = self.messages.get(&reply.conversation_id, answers).await?;
        Ok(Some(Asked::on_record(PromptName::Default, said)))
    }

    /// Tells each subscriber how a reply has ended.
    async fn tell(&self, head: &Head, reply: &Message) {
        let end = ChatEnd::of(reply, false);
        let incomplete = ChatEnd::Failed(ChatFailed::incomplete(reply));
        join_all(head.subscribers.keys().map(async |id| {
            let end = if head.missed.contains(id) { &incomplete } else { &end };
            if let Err(error) = end.post(&self.sender, Peer::open(id)).await {
                tracing::info!(
                    %error,
                    message_id = reply.id,
                    connection_id = id,
                    "failed to tell a connection how a reply ended"
                );
            }
        }))
        .await;
    }
}
