//! The scheduled worker that ends replies which no worker writes any more. Their worker died or was
//! never started, or their user did not confirm calls of tools in time. A reply that was confirmed
//! and whose worker did not begin is started once more first. It also tells subscribers of an end
//! that they have not been told of. The text that a reply has is kept, and so is its usage.

mod last;

use std::time::Duration;

use assistant::domain::StopReason;
use futures_util::future::join_all;
use platform::clock::Clock;
use platform::domain::Peer;
use platform::problem::Code;
use platform::runtime::Invocation;
use platform::socket::{SendError, Sender};
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use serde::de::IgnoredAny;
use tally_chat::domain::{Frame, MessageStatus};
use tally_chat::store::{Drafts, Head, Message, Messages, Overdue, Subscriber};
use tally_chat::{Asked, ChatEnd, ChatFailed, Ending, Endings, ReplyWorker};
use texts::Texts;
use tokio::time::timeout;

use last::Last;

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
    worker: ReplyWorker,
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
            worker: ReplyWorker::new(platform)?,
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
        let mut last = None;
        if head.ended_at.is_none() {
            if self.is_started_again(&head, &reply).await? {
                return Ok(());
            }
            let Some(ended) = self.end(&head, reply).await? else { return Ok(()) };
            (reply, last) = ended;
            // No connection joins any more.
            head = self.drafts.head(message_id).await?.unwrap_or(head);
        }
        self.tell(&head, &reply, last.as_ref()).await;
        Ok(self.drafts.close(message_id, now).await?)
    }

    /// Starts the worker of a reply once more that was confirmed, and that no worker has begun
    /// since then: the start may have been lost. Returns whether it did.
    async fn is_started_again(&self, head: &Head, reply: &Message) -> Result<bool, Problem> {
        let was_confirmed = reply.status == MessageStatus::Pending && reply.steps > 0;
        let goes_on = was_confirmed
            && head.cancelled_at.is_none()
            && self.drafts.give_another_start(head, self.clock.now()).await?;
        if goes_on {
            self.worker.go_on(reply).await;
        }
        Ok(goes_on)
    }

    /// Ends a reply as failed, as cancelled if it was to stop, or as complete if it waited for a
    /// confirmation until its time was over. Returns `None` if another function has ended it, or
    /// goes on with it. If no worker was writing it, this gives its last frames too.
    async fn end(
        &self,
        head: &Head,
        mut reply: Message,
    ) -> Result<Option<(Message, Option<Last>)>, Problem> {
        let (frames, sources) = self.drafts.whole(&reply.id).await?;
        // Sources are stored with the message first, and the message was read first. So either may
        // lack some, and one set includes the other.
        if !reply.sources.add(&sources) {
            return Err(Problem::internal());
        }
        let asked = self.asked(&reply).await?;
        let from = reply.status;
        let spent = head.spent.as_ref();
        let (status, stop_reason, failure) = match (head.cancelled_at, from) {
            (Some(_), _) => (MessageStatus::Cancelled, Some(StopReason::Cancelled), None),
            (None, MessageStatus::AwaitingConfirmation) => {
                (MessageStatus::Completed, Some(StopReason::ConfirmationExpired), None)
            }
            (None, _) => (MessageStatus::Failed, None, Some(Code::Unavailable)),
        };
        let ended = Message {
            text: Frame::text_of(&frames),
            status,
            stop_reason,
            failure,
            usage: spent.map(|spent| spent.usage),
            cost_usd: spent.map(|spent| spent.cost_usd),
            ..reply
        };
        let last = match from {
            // A worker that is not dead may be storing frames.
            MessageStatus::Streaming => None,
            _ => Some(Last::of(&self.endings.closing(&ended).await?, &frames)),
        };
        let mut subscribers = head.subscribers_at_end();
        if let Some(last) = &last {
            // If this worker dies before it has sent these, the next one says that some are
            // missing.
            let lacks = |subscriber: &Subscriber| subscriber.after < last.count();
            let missed = head.subscribers.iter().filter(|(_, subscriber)| lacks(subscriber));
            subscribers.missed = missed.map(|(id, _)| id.clone()).collect();
        }
        let model = spent.map(|spent| spent.model.as_str());
        let revision = head.revision;
        let overdue = head.sweep_at;
        let asked = asked.as_ref().map(|asked| (asked, &self.texts));
        let reply = &ended;
        let to_store = last.as_ref().and_then(|last| last.to_store(reply));
        let ending = Ending {
            reply,
            from,
            model,
            asked,
            revision,
            overdue,
            subscribers,
            frames: to_store.as_ref(),
        };
        let is_ended = self.endings.end_anyway(ending).await?;
        Ok(is_ended.then_some((ended, last)))
    }

    /// What the model was asked, as far as it is on record. A worker had begun the reply, so it may
    /// have asked the model. A reply that no worker has begun has asked none.
    async fn asked(&self, reply: &Message) -> Result<Option<Asked>, Problem> {
        let has_begun = reply.status != MessageStatus::Pending || reply.steps > 0;
        let Some(answers) = reply.answers.as_ref().filter(|_| has_begun) else {
            return Ok(None);
        };
        let said = self.messages.get(&reply.conversation_id, answers).await?;
        Ok(Some(Asked::on_record(reply.prompt.clone(), said)))
    }

    /// Tells each subscriber how a reply has ended. If no worker was writing it, a subscriber that
    /// has all earlier frames gets the last ones before. Any other has to resume the reply, because
    /// this function checks neither sessions nor rights, and so sends no text.
    async fn tell(&self, head: &Head, reply: &Message, last: Option<&Last>) {
        let end = ChatEnd::of(reply, false);
        let incomplete = ChatEnd::Failed(ChatFailed::incomplete(reply));
        join_all(head.subscribers.iter().map(async |(id, subscriber)| {
            let is_whole = match last {
                Some(last) if subscriber.after < last.before => false,
                Some(last) => self.send_last((id, subscriber), reply, last).await.is_ok(),
                None => !head.missed.contains(id),
            };
            let end = if is_whole { &end } else { &incomplete };
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

    /// Sends a subscriber the last frames, for as long as each of them arrives.
    async fn send_last(
        &self,
        (id, subscriber): (&str, &Subscriber),
        reply: &Message,
        last: &Last,
    ) -> Result<(), SendError> {
        let numbered = (last.before + 1..).zip(&last.frames);
        for (sequence, frame) in numbered.filter(|(sequence, _)| *sequence > subscriber.after) {
            frame.post(&self.sender, Peer::open(id), &reply.id, sequence).await?;
        }
        Ok(())
    }
}
