//! The worker that writes a reply: claims it, asks the model, sends what comes to the connection that asked, and stores
//! the reply with its event.

mod draft;

use std::time::Duration;

use assistant::{Event, Fault, Provider, ProviderError, Request, Turn};
use draft::Draft;
use futures_util::StreamExt as _;
use platform::chat::{ChatCompleted, ChatFailed, Endings, ReplyStart};
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::domain::{MessageStatus, PromptName, StopReason, Usage};
use platform::ids;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::socket::{Presence, Sender};
use platform::store::{Message, Messages};
use platform::worker::{Invocation, Worker};
use tokio::time::{Instant, sleep_until, timeout_at};

/// Messages of a conversation that the model sees.
const REMEMBERED: u16 = 20;

/// Time before the end of the invocation that is kept for sending what is left and storing the reply.
const MARGIN: Duration = Duration::from_secs(15);

/// The worker.
pub struct ChatStream {
    messages: Messages,
    endings: Endings,
    presence: Presence,
    sender: Sender,
    provider: Box<dyn Provider>,
    clock: Clock,
}

/// What a reply has taken, and of which model.
struct Spent {
    model: String,
    usage: Usage,
}

impl Worker for ChatStream {
    type Payload = ReplyStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Self::with_provider(platform, assistant::provider(platform)?)
    }

    async fn run(&self, start: ReplyStart, invocation: Invocation) -> Result<(), Problem> {
        self.write_reply(start, Instant::now() + invocation.remaining().saturating_sub(MARGIN)).await
    }
}

impl ChatStream {
    /// A worker whose replies this provider writes.
    pub fn with_provider(platform: &Platform, provider: Box<dyn Provider>) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform.database()?, &platform.config)?,
            endings: Endings::new(platform)?,
            presence: Presence::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            provider,
            clock: platform.clock.clone(),
        })
    }

    /// Writes a reply that nobody writes yet, with what there is of it at `until` at the latest.
    pub async fn write_reply(&self, start: ReplyStart, until: Instant) -> Result<(), Problem> {
        let claimed = self.messages.claim(&start.conversation_id, &start.message_id, &ids::new_secret::<16>()).await?;
        let Some(reply) = claimed else {
            tracing::info!(message_id = start.message_id, "somebody else writes this reply, or has written it");
            return Ok(());
        };
        let mut draft = Draft::new(reply, self);
        let mut spent = Spent { model: self.provider.model().to_owned(), usage: Usage::default() };
        let written = self.compose(&mut draft, &mut spent, until).await;
        if let Ok(None) = written {
            return Ok(());
        }
        draft.send_rest().await;
        self.end(draft, spent, written).await
    }

    /// Asks the model and takes what it says until the reply is whole, broken off, or time is up; `None` where somebody
    /// else has ended the reply.
    async fn compose(&self, draft: &mut Draft<'_>, spent: &mut Spent, until: Instant) -> Result<Option<StopReason>, Problem> {
        let Ok(turns) = timeout_at(until, self.turns(draft.reply())).await else { return Ok(Some(StopReason::Deadline)) };
        let request = Request { reply_id: draft.reply().id.clone(), prompt: PromptName::Default, turns: turns?, tools: Vec::new() };
        let mut events = self.provider.call(request);
        loop {
            let event = tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(Some(StopReason::Deadline)),
                () = sleep_until(draft.due()) => {
                    if draft.advance().await {
                        continue;
                    }
                    return Ok(None);
                }
                event = events.next() => event,
            };
            match event {
                Some(Ok(Event::Text(text))) => draft.push(&text),
                Some(Ok(Event::Model(model))) => spent.model = model,
                Some(Ok(Event::Usage(usage))) => spent.usage = usage,
                Some(Ok(Event::Stop(reason))) => return Ok(Some(reason)),
                // None is offered, so none is wanted.
                Some(Ok(Event::ToolUse(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => return Err(ProviderError::new(Fault::Broken, "the events ended before the reply did").into()),
            }
        }
    }

    /// The conversation up to this reply, as far as the model sees it: what is whole, or was stopped by its user.
    async fn turns(&self, reply: &Message) -> Result<Vec<Turn>, Problem> {
        let said = self.messages.said_before(&reply.conversation_id, &reply.id, REMEMBERED).await?;
        Ok(said.into_iter().map(|message| Turn::text(message.role, message.text)).collect())
    }

    /// Stores how the reply ended, and then says so.
    async fn end(&self, mut draft: Draft<'_>, spent: Spent, written: Result<Option<StopReason>, Problem>) -> Result<(), Problem> {
        let Spent { model, usage } = spent;
        let cost_usd = self.provider.cost(&model, &usage);
        let (status, stop_reason) = match &written {
            Ok(reason) => (MessageStatus::Completed, *reason),
            Err(_) => (MessageStatus::Failed, None),
        };
        let ended = Message { status, stop_reason, usage: Some(usage), cost_usd: Some(cost_usd), ..draft.reply().clone() };
        let stored = self.endings.end(&ended, MessageStatus::Streaming, Some(&model)).await;
        match (&stored, written) {
            (Ok(true), Ok(Some(stop_reason))) if draft.is_sent() => {
                draft.say_end(&ChatCompleted { message_id: ended.id, stop_reason, usage, cost_usd }).await;
            }
            (Ok(true), Ok(Some(_))) => draft.say_end(&ChatFailed::unheard(&ended)).await,
            (Ok(true), Err(problem)) => draft.say_end(&ChatFailed::new(&ended.id, &problem)).await,
            (Err(problem), _) => draft.say_end(&ChatFailed::new(&ended.id, problem)).await,
            _ => {}
        }
        stored.map(drop)
    }
}
