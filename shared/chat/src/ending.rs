//! Stores the end of a reply once, together with its cost, the end of its calls and the event
//! `chat.message`. The texts of the event are stored just before.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use platform::audit::{AuditDetails, EventTexts};
use platform::clock::Clock;
use platform::database::Item;
use platform::gate::{Committer, RequestInfo};
use platform::{ConfigError, Plan, Platform, Problem};
use texts::{SOURCES, TextError, Texts};

use crate::asked::Asked;
use crate::closing::Closing;
use crate::domain::MessageStatus;
use crate::spending::Settle;
use crate::store::{Drafts, Frames, Head, Message, Messages, Origin, Steps, SubscribersAtEnd};

/// Attempts at an end while the calls of the reply change.
const CLOSE_ATTEMPTS: u32 = 5;

/// Ends replies.
#[derive(Clone)]
pub struct Endings {
    pub(super) messages: Messages,
    pub(super) drafts: Drafts,
    /// Absent where no reply has begun a step.
    steps: Option<Steps>,
    settle: Settle,
    pub(super) committer: Arc<Committer>,
    pub(super) clock: Clock,
}

/// The end of a reply to store.
pub struct Ending<'a> {
    /// The reply in its final state.
    pub reply: &'a Message,
    /// Its status before.
    pub from: MessageStatus,
    /// Model that was asked, if one was.
    pub model: Option<&'a str>,
    /// What the model was asked, and where that is stored with what it wrote. Absent if no model
    /// was asked.
    pub asked: Option<(&'a Asked, &'a Texts)>,
    /// Revision of the draft's head up to which the worker has applied the commands of other
    /// functions. See [`Drafts`].
    pub revision: u64,
    /// The missed deadline of the worker, in seconds since 1970. It is set if the reply ends only
    /// because of that deadline. The reply does not end if a worker has set another deadline since.
    pub overdue: Option<i64>,
    /// The subscribers to tell that the reply has ended.
    pub subscribers: SubscribersAtEnd,
    /// Frames that are not stored yet.
    pub frames: Option<&'a Frames>,
}

/// The result of an attempt to end a reply.
#[derive(Debug)]
pub enum Ended {
    /// The end is stored, with its event.
    Stored,
    /// Another function has ended the reply: nothing was written.
    Overtaken,
    /// Other functions have added commands to the head of the reply: nothing was written. This is
    /// the head now.
    Changed(Box<Head>),
}

impl Endings {
    /// Uses the tables that `MESSAGES_TABLE`, `DRAFTS_TABLE`, `STEPS_TABLE`, `BUDGETS_TABLE`,
    /// `USAGE_TABLE` and `AUDIT_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let steps = Some(Steps::new(platform)?);
        Ok(Self { steps, settle: Settle::new(platform)?, ..Self::unbegun(platform)? })
    }

    /// For replies that no worker has begun, so they have no steps and no usage. Uses the tables
    /// that `MESSAGES_TABLE`, `DRAFTS_TABLE`, `BUDGETS_TABLE` and `AUDIT_TABLE` name.
    pub fn unbegun(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            messages: Messages::new(platform)?,
            drafts: Drafts::new(platform)?,
            steps: None,
            settle: Settle::unused(platform)?,
            // The function that took the request has checked the caller.
            committer: Arc::new(Committer::new(platform)?),
            clock: platform.clock.clone(),
        })
    }

    /// Stores a reply in its final state with its cost and its event. The event has no text, but
    /// refers to what the model was asked and what it wrote. These are stored first, so that no
    /// event lacks its texts. Each attempt stores them for an event of its own: see
    /// [`Texts::store`]. Calls of tools that are open end with the reply, and the message gets all
    /// calls as they are then.
    pub async fn end(&self, ending: &Ending<'_>) -> Result<Ended, Problem> {
        for _ in 0..CLOSE_ATTEMPTS {
            if let Some(ended) = self.try_end(ending).await? {
                return Ok(ended);
            }
        }
        tracing::warn!(message_id = ending.reply.id, "failed to end the calls of a reply");
        Err(Problem::unavailable())
    }

    /// The same once. `None` if a call has changed meanwhile.
    async fn try_end(&self, ending: &Ending<'_>) -> Result<Option<Ended>, Problem> {
        let Ending { reply, from, model, asked, revision, overdue, subscribers, frames } = ending;
        let origin = origin_of(reply)?;
        let closing = self.closing(reply).await?;
        let closed = if closing.steps.is_empty() {
            Cow::Borrowed(*reply)
        } else {
            Cow::Owned(Message { tool_calls: closing.shown(), ..(*reply).clone() })
        };
        let reply: &Message = &closed;
        let texts = match asked {
            Some((asked, texts)) => {
                store(texts, &(*asked).clone().with_steps(&closing.steps), reply).await?
            }
            None => None,
        };
        let now = self.clock.now();
        let overtaken = || Box::new(|_| async { Ok(Plan::reply(Some(Ended::Overtaken))) }.boxed());
        let drafts = self.drafts.clone();
        let again = Box::new(move |found: Option<Item>| {
            let head = found.map(|item| drafts.read(item)).transpose();
            async move {
                let head = head?.filter(|head| head.ended_at.is_none());
                let ended = head.map_or(Ended::Overtaken, |head| Ended::Changed(Box::new(head)));
                Ok(Plan::reply(Some(ended)))
            }
            .boxed()
        });
        let details = details(reply, *model).failed(reply.status == MessageStatus::Failed);
        let plan = Plan::reply(Some(Ended::Stored))
            .details(texts.into_iter().fold(details, AuditDetails::texts))
            .write_or_retry(self.messages.end(reply, *from)?, overtaken())
            .write_or_retry(
                self.drafts.end(&reply.id, *revision, subscribers, *overdue, now)?,
                again,
            );
        let plan = match frames {
            Some(frames) => plan.write_or_retry(self.drafts.last(frames, now)?, overtaken()),
            None => plan,
        };
        let plan = self.settle.add_to(plan, reply, *model);
        let ends = self.steps.iter().flat_map(|steps| closing.writes(steps));
        let plan = ends.fold(plan, |plan, write| {
            let again = Box::new(|_| async { Ok(Plan::reply(None)) }.boxed());
            plan.write_or_retry(write, again)
        });
        let waited = u64::try_from(now.as_millisecond() - reply.created_at).unwrap_or(0);
        let asked = Instant::now().checked_sub(Duration::from_millis(waited));
        let info = RequestInfo::new(&origin.context, now, None);
        let info = RequestInfo { since: asked.unwrap_or(info.since), ..info };
        Ok(self.committer.commit(Ok(plan), Some(&origin.caller), &info).await?.into_output())
    }

    /// The steps of a reply in its final state, with the calls as its end leaves them. There are
    /// none if it has begun no step.
    pub async fn closing(&self, reply: &Message) -> Result<Closing, Problem> {
        match &self.steps {
            Some(steps) if reply.steps > 0 => Ok(Closing::of(reply, steps.of(&reply.id).await?)),
            _ => Ok(Closing::default()),
        }
    }

    /// Ends a reply even if other functions have commands for it. Returns whether this call ended
    /// it. A reply that is no longer overdue goes on.
    pub async fn end_anyway(&self, mut ending: Ending<'_>) -> Result<bool, Problem> {
        loop {
            match self.end(&ending).await? {
                Ended::Stored => return Ok(true),
                Ended::Overtaken => return Ok(false),
                Ended::Changed(head)
                    if ending.overdue.is_some() && head.sweep_at != ending.overdue =>
                {
                    return Ok(false);
                }
                Ended::Changed(head) => {
                    (ending.revision, ending.subscribers) =
                        (head.revision, head.subscribers_at_end());
                }
            }
        }
    }
}

/// Who asked for a reply, and from where.
pub(super) fn origin_of(reply: &Message) -> Result<&Origin, Problem> {
    reply.origin.as_ref().ok_or_else(|| {
        tracing::error!(
            message_id = reply.id,
            "failed to end a reply: the stored message has no origin, so it is not a reply"
        );
        Problem::internal()
    })
}

/// Stores the input of the model, its text if there is any, and their sources as a list in JSON.
/// `None` if the key of the user was erased: then no text of that user is kept, and the reply ends
/// all the same.
async fn store(
    texts: &Texts,
    asked: &Asked,
    reply: &Message,
) -> Result<Option<EventTexts>, Problem> {
    let prompt = serde_json::to_string(asked).map_err(|_| Problem::internal())?;
    let sources =
        serde_json::to_string(&reply.sources.record()).map_err(|_| Problem::internal())?;
    let mut all = vec![("prompt", prompt.as_str())];
    if !reply.text.is_empty() {
        all.push(("reply", reply.text.as_str()));
    }
    if !reply.sources.is_empty() {
        all.push((SOURCES, sources.as_str()));
    }
    match texts.store(&reply.user_id, &all).await {
        Err(TextError::Erased) => Ok(None),
        stored => Ok(Some(stored?)),
    }
}

fn details(reply: &Message, model: Option<&str>) -> AuditDetails {
    let details = AuditDetails::action("chat.message")
        .resource("message", &reply.id)
        .detail("conversation_id", reply.conversation_id.as_str())
        .detail("status", reply.status.as_str())
        .detail("prompt", reply.prompt.name.as_str())
        .detail("prompt_version", reply.prompt.version);
    let details = reply.agent.iter().fold(details, |details, agent| {
        let tools: BTreeSet<_> = reply.tool_calls.iter().map(|call| call.tool.as_str()).collect();
        details
            .detail("agent", agent.name.as_str())
            .detail("agent_version", agent.version)
            .detail("steps", reply.steps)
            .detail("tools", tools.into_iter().collect::<Vec<_>>())
    });
    let details = model.into_iter().fold(details, |details, model| details.detail("model", model));
    let details = reply
        .stop_reason
        .into_iter()
        .fold(details, |details, reason| details.detail("stop_reason", reason.as_str()));
    let details = reply
        .failure
        .into_iter()
        .fold(details, |details, failure| details.detail("code", failure.as_str()));
    let details = reply
        .cost_usd
        .into_iter()
        .fold(details, |details, cost| details.detail("cost_usd", cost.to_string()));
    reply.usage.into_iter().fold(details, |details, usage| {
        details
            .detail("input_tokens", usage.input_tokens)
            .detail("output_tokens", usage.output_tokens)
            .detail("cache_read_tokens", usage.cache_read_tokens)
            .detail("cache_write_tokens", usage.cache_write_tokens)
    })
}
