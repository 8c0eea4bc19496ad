//! The worker that writes a reply. It acquires the reply, asks the model and sends the text to the
//! subscribers (the connections that receive the reply). With an agent, it also makes the calls of
//! tools that the model asks for, and asks again with their results. If calls wait for a
//! confirmation, the worker leaves the reply, and another one goes on with it. At the end the
//! worker stores the reply with its event, and the texts of the event before that.
//!
//! - `steps`: the flow from the first step to the end; `run_step`: one call of the model
//! - `calls`: the calls of tools; `intake`: which of them are made; `making`: how they are made
//! - `draft`: the reply while it is written; `end`: how it ends, or begins to wait

mod alongside;
mod answers;
mod blocks;
mod buffer;
mod calls;
mod checkpoint;
mod draft;
mod end;
mod feed;
mod input;
mod intake;
mod job;
mod ledger;
mod making;
mod outcome;
mod run_step;
mod schedule;
mod steps;
mod subscribers;
mod taken;
pub mod tools;
mod toolset;
mod turns;

use std::time::Duration;

use assistant::Provider;
use futures_util::future::try_join3;
use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use tally_chat::store::{Drafts, Message, Messages};
use tally_chat::{Credentials, ReplyStart};
use texts::Texts;
use tokio::time::{Instant, sleep};

use calls::Calls;
use draft::{Draft, Earlier};
use end::ReplyEnds;
use feed::Transport;
use input::Inputs;
use outcome::Outcome;
use steps::Parts;
use taken::Taken;

/// Time before the end of the invocation that is kept for sending what is left and storing the
/// reply.
const MARGIN: Duration = Duration::from_secs(15);

/// How long the worker tries to acquire a reply if the store does not answer, and the time between
/// two attempts.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(15);
const ACQUIRE_PAUSE: Duration = Duration::from_millis(250);

/// The worker.
pub struct ChatStream {
    messages: Messages,
    drafts: Drafts,
    inputs: Inputs,
    calls: Calls,
    ends: ReplyEnds,
    texts: Texts,
    transport: Transport,
    credentials: Credentials,
    provider: Box<dyn Provider>,
    clock: Clock,
}

impl Worker for ChatStream {
    type Payload = ReplyStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Self::with_provider(platform, assistant::provider(platform)?)
    }

    async fn run(&self, start: ReplyStart, invocation: Invocation) -> Result<(), Problem> {
        self.write_reply(start, Instant::now() + invocation.remaining().saturating_sub(MARGIN))
            .await
    }
}

impl ChatStream {
    /// A worker whose replies `provider` writes.
    pub fn with_provider(
        platform: &Platform,
        provider: Box<dyn Provider>,
    ) -> Result<Self, ConfigError> {
        // With one cache of data keys for the whole worker.
        let texts = Texts::new(platform)?;
        let credentials = Credentials::new(platform)?;
        Ok(Self {
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            inputs: Inputs::new(platform)?,
            calls: Calls::new(platform, credentials.clone())?,
            ends: ReplyEnds::new(platform, texts.clone())?,
            texts,
            transport: Transport::new(platform)?,
            credentials,
            provider,
            clock: platform.clock.clone(),
        })
    }

    /// Writes a reply that no worker writes yet. At `until` at the latest, the reply ends with the
    /// text that it has.
    pub async fn write_reply(&self, start: ReplyStart, until: Instant) -> Result<(), Problem> {
        self.look_ahead(start.user_id.clone());
        let Some(reply) = self.acquire(&start).await? else {
            tracing::info!(
                message_id = start.message_id,
                "another worker writes this reply, or has written it"
            );
            return Ok(());
        };
        let (earlier, taken) = self.earlier(&reply).await?;
        let Self { texts, inputs, calls, drafts, credentials, transport, clock, ends, .. } = self;
        let provider = self.provider.as_ref();
        let stores = (drafts, credentials);
        let mut draft = Draft::new(reply, earlier, provider, stores, transport, clock);
        let parts = Parts { provider, inputs, texts, calls, clock };
        match Box::pin(steps::write(&parts, taken, &mut draft, until)).await {
            Outcome::Lost => Ok(()),
            Outcome::Waits(until) => Box::pin(ends.wait(draft, until)).await,
            Outcome::Ends(reason) => Box::pin(ends.end(draft, Ok(reason))).await,
            Outcome::Fails(problem) => Box::pin(ends.end(draft, Err(problem))).await,
        }
    }

    /// What a reply has from before it waited for its user. If the store does not answer, the
    /// worker asks again for some seconds. If it never does, `expire-replies` ends the reply.
    async fn earlier(&self, reply: &Message) -> Result<(Earlier, Vec<Taken>), Problem> {
        if reply.steps == 0 {
            return Ok((Earlier::default(), Vec::new()));
        }
        let began = Instant::now();
        loop {
            let read = try_join3(
                self.drafts.head(&reply.id),
                self.drafts.frames(&reply.id),
                self.calls.ledger.taken(reply),
            );
            match read.await {
                Ok((head, frames, taken)) => {
                    let spent = head.and_then(|head| head.spent);
                    return Ok((Earlier { frames, spent }, self.calls.resumed(taken)));
                }
                Err(error) if began.elapsed() < ACQUIRE_WITHIN => {
                    tracing::warn!(
                        %error,
                        message_id = reply.id,
                        "failed to read the steps of a reply; the worker tries again"
                    );
                    sleep(ACQUIRE_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the user's data key while the worker acquires the reply. So the two calls that this
    /// takes do not delay the reply. If they fail, the worker meets the failure before it asks the
    /// model.
    fn look_ahead(&self, user_id: String) {
        let texts = self.texts.clone();
        tokio::spawn(async move { texts.prepare(&user_id).await.ok() });
    }

    /// Acquires a reply that no worker writes yet. If the store does not answer, the worker asks
    /// again for some seconds. A reply that no worker acquires stays silent until `expire-replies`
    /// ends it.
    async fn acquire(&self, start: &ReplyStart) -> Result<Option<Message>, Problem> {
        let token = ids::new_secret::<16>();
        let began = Instant::now();
        loop {
            match self.messages.acquire(&start.conversation_id, &start.message_id, &token).await {
                Err(error) if began.elapsed() < ACQUIRE_WITHIN => {
                    tracing::warn!(
                        %error,
                        message_id = start.message_id,
                        "failed to acquire a reply; the worker tries again"
                    );
                    sleep(ACQUIRE_PAUSE).await;
                }
                acquired => return Ok(acquired?),
            }
        }
    }
}
