//! Waits for a reply as long as an HTTP request can.

use std::time::Duration;

use futures_util::FutureExt as _;
use platform::clock::{Clock, Timestamp};
use platform::plan::{AfterCommit, Reply};
use platform::{ConfigError, Platform, Problem};
use tally_chat::Reading;
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Message, Messages};
use tokio::time::{Instant, sleep, timeout_at};

use crate::answer::{ChatAnswer, accepted, written};

/// Seconds that a caller waits if `CHAT_WAIT_SECONDS` is not set. API Gateway gives up after 30.
const WAIT_SECONDS: u64 = 25;

/// First pause before the function looks at the reply. Each pause is half as long again as the one
/// before, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// Waits for replies.
#[derive(Clone)]
pub struct Watch {
    messages: Messages,
    reading: Reading,
    wait: Duration,
    clock: Clock,
}

impl Watch {
    /// Uses the tables of [`Reading`], and the setting `CHAT_WAIT_SECONDS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            reading: Reading::new(platform)?,
            wait: platform.config.seconds("CHAT_WAIT_SECONDS", WAIT_SECONDS)?,
            clock: platform.clock.clone(),
        })
    }

    /// A step after the commit that waits for a reply, if the caller does. It answers with the
    /// reply as it is then.
    pub fn step(
        &self,
        reply: Message,
        patient: bool,
        arrived: Timestamp,
    ) -> AfterCommit<ChatAnswer> {
        // API Gateway counts from the request's arrival; so does the wait.
        let passed = self.clock.now().duration_since(arrived).try_into().unwrap_or_default();
        let until = Instant::now() + self.wait.saturating_sub(passed);
        let this = self.clone();
        let follow = async move {
            if !patient && reply.status.is_being_written() {
                return Ok(None);
            }
            this.answer(this.reply_at_end(reply, until).await).await.map(Some)
        };
        Box::new(|| follow.boxed())
    }

    /// The answer with a reply as it is now.
    async fn answer(&self, reply: Message) -> Result<Reply<ChatAnswer>, Problem> {
        let user_id = reply.user_id.clone();
        match reply.status {
            MessageStatus::Pending | MessageStatus::Streaming => Ok(accepted(&reply, true)),
            MessageStatus::AwaitingConfirmation => {
                let shown = self.reading.show(&user_id, reply, self.clock.now()).await?;
                Ok(accepted(&shown, true))
            }
            MessageStatus::Completed | MessageStatus::Cancelled => {
                Ok(written(self.reading.show(&user_id, reply, self.clock.now()).await?))
            }
            MessageStatus::Failed => Err(Problem::of_reply(reply.failure)),
        }
    }

    /// Looks at a reply until no worker writes it or time is up. Gives it as it is then.
    async fn reply_at_end(&self, mut reply: Message, until: Instant) -> Message {
        let mut pause = FIRST_PAUSE;
        while reply.status.is_being_written() && Instant::now() + pause < until {
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            let found = self.messages.get(&reply.conversation_id, &reply.id);
            match timeout_at(until, found).await {
                Ok(Ok(Some(found))) => reply = found,
                // The worker writes the reply all the same. The caller learns where it will be.
                Ok(Err(error)) => {
                    tracing::warn!(%error, message_id = reply.id, "failed to poll a reply");
                }
                Ok(Ok(None)) | Err(_) => {}
            }
        }
        reply
    }
}
