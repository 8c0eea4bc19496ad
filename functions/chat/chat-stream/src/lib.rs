//! The worker that writes a reply. It acquires the reply, asks the model and sends the text to the
//! subscribers (the connections that receive the reply). Then it stores the reply with its event,
//! and the texts of the event before that.

mod buffer;
mod checkpoint;
mod compose;
mod draft;
mod end;
mod feed;
mod input;
mod schedule;
mod subscribers;

use std::time::Duration;

use assistant::Provider;
use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use tally_chat::store::{Drafts, Message, Messages};
use tally_chat::{Credentials, ReplyStart};
use texts::Texts;
use tokio::time::{Instant, sleep};

use compose::compose;
use draft::Draft;
use end::ReplyEnds;
use feed::Transport;
use input::Inputs;

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
        Ok(Self {
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            inputs: Inputs::new(platform)?,
            ends: ReplyEnds::new(platform, texts.clone())?,
            texts,
            transport: Transport::new(platform)?,
            credentials: Credentials::new(platform)?,
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
        let Self { provider, texts, drafts, credentials, transport, clock, .. } = self;
        let provider = provider.as_ref();
        let mut draft = Draft::new(reply, provider, drafts, credentials, transport, clock);
        let written = Box::pin(compose(provider, &self.inputs, texts, &mut draft, until)).await;
        match written {
            Ok(None) => Ok(()),
            Ok(Some(stop_reason)) => Box::pin(self.ends.end(draft, Ok(stop_reason))).await,
            Err(problem) => Box::pin(self.ends.end(draft, Err(problem))).await,
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
