//! The worker that writes a reply. It acquires the reply, asks the model and sends the text to the
//! subscribers (the connections that receive the reply). Then it stores the reply with its event.

mod buffer;
mod checkpoint;
mod draft;
mod feed;
mod subscribers;

use std::ops::ControlFlow;
use std::time::Duration;

use assistant::domain::{Cost, PromptName, StopReason};
use assistant::pricing::Pricing;
use assistant::{Event, Fault, Provider, ProviderError, Request, Turn, system_prompt};
use futures_util::StreamExt as _;
use futures_util::future::join;
use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem, ids};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Drafts, Message, Messages};
use tally_chat::{
    ChatCompleted, ChatEnd, ChatFailed, Credentials, Ended, Ending, Endings, REMEMBERED,
    ReplyStart, remembered, within,
};
use tokio::time::error::Elapsed;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use checkpoint::Command;
use draft::Draft;
use feed::Transport;

/// Time before the end of the invocation that is kept for sending what is left and storing the
/// reply.
const MARGIN: Duration = Duration::from_secs(15);

/// How long the worker tries to acquire a reply if the store does not answer, and the time between
/// two attempts.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(15);
const ACQUIRE_PAUSE: Duration = Duration::from_millis(250);

/// How often the worker stores the end again if the store does not answer, and the time between two
/// attempts.
const END_ATTEMPTS: u32 = 2;
const END_PAUSE: Duration = Duration::from_secs(1);

/// The worker.
pub struct ChatStream {
    messages: Messages,
    drafts: Drafts,
    endings: Endings,
    transport: Transport,
    credentials: Credentials,
    provider: Box<dyn Provider>,
    /// What replies can cost, if they cost anything.
    pricing: Option<Pricing>,
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
        Ok(Self {
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            endings: Endings::new(platform)?,
            transport: Transport::new(platform)?,
            credentials: Credentials::new(platform)?,
            provider,
            pricing: Pricing::from_config(&platform.config)?,
            clock: platform.clock.clone(),
        })
    }

    /// Writes a reply that no worker writes yet. At `until` at the latest, the reply ends with the
    /// text that it has.
    pub async fn write_reply(&self, start: ReplyStart, until: Instant) -> Result<(), Problem> {
        let Some(reply) = self.acquire(&start).await? else {
            tracing::info!(
                message_id = start.message_id,
                "another worker writes this reply, or has written it"
            );
            return Ok(());
        };
        let Self { provider, drafts, credentials, transport, clock, .. } = self;
        let mut draft = Draft::new(reply, provider.as_ref(), drafts, credentials, transport, clock);
        let written = Box::pin(self.compose(&mut draft, until)).await;
        match written {
            Ok(None) => Ok(()),
            Ok(Some(stop_reason)) => Box::pin(self.end(draft, Ok(stop_reason))).await,
            Err(problem) => Box::pin(self.end(draft, Err(problem))).await,
        }
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

    /// Asks the model and takes its text until the reply is complete, broken off or stopped, or its
    /// time is up. Returns `None` if another function has ended the reply.
    async fn compose(
        &self,
        draft: &mut Draft<'_>,
        until: Instant,
    ) -> Result<Option<StopReason>, Problem> {
        let reply = draft.reply().clone();
        // The worker looks for subscribers while it reads the conversation.
        let (turns, command) =
            join(timeout_at(until, self.turns(&reply)), timeout_at(until, draft.checkpoint()))
                .await;
        if let ControlFlow::Break(end) = flow_of(&command) {
            return Ok(end);
        }
        let Ok(turns) = turns else { return Ok(Some(StopReason::Deadline)) };
        let prompt = PromptName::Default;
        let turns = turns?;
        if !self.is_covered(&reply, prompt, &turns) {
            tracing::error!(
                message_id = reply.id,
                "the reply can cost more than its reservation: it was reserved under other prices"
            );
            return Err(Problem::unavailable());
        }
        let turns =
            turns.into_iter().map(|message| Turn::text(message.role, message.text)).collect();
        let request = Request { reply_id: reply.id, prompt, turns, tools: Vec::new() };
        let mut events = self.provider.call(request);
        loop {
            let event = tokio::select! {
                biased;
                () = sleep_until(until) => return Ok(Some(StopReason::Deadline)),
                () = sleep_until(draft.due()) => match flow_of(
                    &timeout_at(until, draft.advance()).await,
                ) {
                    ControlFlow::Continue(()) => continue,
                    ControlFlow::Break(end) => return Ok(end),
                },
                event = events.next() => event,
            };
            match event {
                Some(Ok(Event::Text(text))) => {
                    if !draft.push(&text) {
                        return Ok(Some(StopReason::MaxTokens));
                    }
                }
                Some(Ok(Event::Model(model))) => draft.model = model,
                Some(Ok(Event::Usage(usage))) => {
                    draft.usage = usage;
                    // The usage is announced before the call is sent. The worker stores it before
                    // it asks for the next event.
                    if draft.is_unbilled()
                        && let ControlFlow::Break(end) =
                            flow_of(&timeout_at(until, draft.checkpoint()).await)
                    {
                        return Ok(end);
                    }
                }
                Some(Ok(Event::Stop(reason))) => return Ok(Some(reason)),
                // The request offers no tools, so the model should ask for none.
                Some(Ok(Event::ToolUse(_))) => {}
                Some(Err(error)) => return Err(error.into()),
                None => {
                    return Err(ProviderError::new(
                        Fault::Broken,
                        "the events ended before the reply was complete",
                    )
                    .into());
                }
            }
        }
    }

    /// The conversation up to the message that this reply answers, as the model sees it. If the
    /// reply can cost anything, these are the remembered messages that its hold pays for.
    async fn turns(&self, reply: &Message) -> Result<Vec<Message>, Problem> {
        let last = reply.answers.as_ref().unwrap_or(&reply.id);
        let said = remembered(&self.messages, &reply.conversation_id, last, REMEMBERED).await?;
        Ok(match &reply.hold {
            Some(hold) => within(said, hold.tokens),
            None => said,
        })
    }

    /// Whether the reply's hold covers what the reply can cost. Another function computed the hold,
    /// and may have had other prices.
    fn is_covered(&self, reply: &Message, prompt: PromptName, turns: &[Message]) -> bool {
        let texts =
            turns.iter().map(|message| message.text.as_str()).chain([system_prompt(prompt)]);
        let worst = self.pricing.as_ref().map_or(Cost::ZERO, |pricing| pricing.worst(texts));
        worst <= reply.hold.as_ref().map_or(Cost::ZERO, |hold| hold.cost)
    }

    /// Stores how the reply ended, and then tells each connection, after the rest of the text.
    /// Commands of other functions that arrive meanwhile are applied first. So a reply that was to
    /// stop has stopped, even if no text was left to write.
    async fn end(
        &self,
        mut draft: Draft<'_>,
        written: Result<StopReason, Problem>,
    ) -> Result<(), Problem> {
        draft.finish().await;
        let mut written = written;
        let mut attempts = 0;
        let cost_usd = self.provider.cost(&draft.model, &draft.usage);
        loop {
            let (status, stop_reason) = match &written {
                Ok(StopReason::Cancelled) => {
                    (MessageStatus::Cancelled, Some(StopReason::Cancelled))
                }
                Ok(reason) => (MessageStatus::Completed, Some(*reason)),
                Err(_) => (MessageStatus::Failed, None),
            };
            let failure = written.as_ref().err().map(|problem| problem.code);
            let reply =
                Message { stop_reason, failure, cost_usd: Some(cost_usd), ..draft.ended(status) };
            let from = MessageStatus::Streaming;
            let unsaved = draft.unsaved();
            let model = Some(draft.model.as_str());
            let revision = draft.revision();
            let subscribers = draft.subscribers_at_end();
            let has_subscribers = subscribers.any;
            let ending = Ending {
                reply: &reply,
                from,
                model,
                revision,
                overdue: None,
                subscribers,
                frames: unsaved.as_ref(),
            };
            match (self.endings.end(&ending).await, written) {
                // An earlier attempt whose answer was lost may have stored the end.
                (Ok(Ended::Overtaken), _)
                    if attempts == 0 || !self.has_ended_as(&reply).await? =>
                {
                    return Ok(());
                }
                (Ok(Ended::Changed(head)), before) => {
                    let stopped = draft.apply_commands(*head) == Command::Stop;
                    draft.finish().await;
                    written =
                        if stopped && before.is_ok() { Ok(StopReason::Cancelled) } else { before };
                }
                (Err(problem), before) if attempts < END_ATTEMPTS => {
                    tracing::warn!(
                        message_id = reply.id,
                        code = %problem.code,
                        "failed to store the end of a reply; it is tried again"
                    );
                    attempts += 1;
                    written = before;
                    sleep(END_PAUSE).await;
                }
                (Ok(Ended::Stored | Ended::Overtaken), written) => {
                    let end = match written {
                        Ok(stop_reason) => {
                            let message_id = reply.id.clone();
                            ChatEnd::Completed(ChatCompleted {
                                message_id,
                                stop_reason,
                                usage: draft.usage,
                                cost_usd,
                            })
                        }
                        Err(problem) => ChatEnd::Failed(ChatFailed::new(&reply.id, &problem)),
                    };
                    let told = draft.send_end(&end).await;
                    // `expire-replies` tells each connection that has not been told.
                    if has_subscribers
                        && told
                        && let Err(error) = self.drafts.close(&reply.id, self.clock.now()).await
                    {
                        tracing::warn!(
                            %error,
                            message_id = reply.id,
                            "failed to close a draft; each subscriber is told of the end twice"
                        );
                    }
                    return Ok(());
                }
                (Err(problem), _) => {
                    draft.send_end(&ChatEnd::Failed(ChatFailed::new(&reply.id, &problem))).await;
                    return Err(problem);
                }
            }
        }
    }

    /// Whether a reply has ended with this status and text.
    async fn has_ended_as(&self, ended: &Message) -> Result<bool, Problem> {
        let found = self.messages.get(&ended.conversation_id, &ended.id).await?;
        Ok(found.is_some_and(|found| found.status == ended.status && found.text == ended.text))
    }
}

/// How a reply ends because of a command, or because its time is up. `None` if another function has
/// ended it.
fn flow_of(command: &Result<Command, Elapsed>) -> ControlFlow<Option<StopReason>> {
    match command {
        Ok(Command::Continue) => ControlFlow::Continue(()),
        Ok(Command::Stop) => ControlFlow::Break(Some(StopReason::Cancelled)),
        Ok(Command::Abandon) => ControlFlow::Break(None),
        Err(_) => ControlFlow::Break(Some(StopReason::Deadline)),
    }
}
