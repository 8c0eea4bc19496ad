//! Stops a reply for its user. A worker that writes the reply ends it. A reply that waits for a
//! confirmation has no worker: its open calls are rejected, and a worker is started that ends it.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::plan::{Reply, Retry};
use platform::{ConfigError, Plan, Platform, Problem};

use crate::domain::{CallStatus, MessageStatus};
use crate::reply_start::ReplyWorker;
use crate::store::{Drafts, Head, Message, Messages, Steps, shown_calls};

/// Stops replies.
#[derive(Clone)]
pub struct Cancelling {
    drafts: Drafts,
    messages: Messages,
    steps: Steps,
    worker: ReplyWorker,
}

/// A reply to stop.
#[derive(Debug, Clone)]
pub struct Cancellation {
    /// Who stops it.
    pub user_id: String,
    /// The reply.
    pub message_id: String,
    /// When.
    pub now: Timestamp,
}

impl Cancelling {
    /// Uses the tables that `DRAFTS_TABLE`, `MESSAGES_TABLE` and `STEPS_TABLE` name, and the worker
    /// that `CHAT_STREAM_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform)?,
            messages: Messages::new(platform)?,
            steps: Steps::new(platform)?,
            worker: ReplyWorker::new(platform)?,
        })
    }

    /// The plan that stops a reply, with the event `chat.cancelled`. It reads nothing, because most
    /// replies that are stopped have a worker. A reply that is not the user's is a 404, and one
    /// that has ended a 409. A second request changes nothing, and leaves no event.
    pub fn cancel<O>(&self, asked: Cancellation, answer: O) -> Plan<O>
    where
        O: Clone + Send + 'static,
    {
        let Cancellation { user_id, message_id, now } = &asked;
        let cancel = self.drafts.cancel(message_id, user_id, *now);
        let plan = Plan::reply(Reply::new(answer.clone())).details(asked.details());
        let this = self.clone();
        plan.write_or_retry(
            cancel,
            Box::new(move |found| {
                async move {
                    let head = found.map(|item| this.drafts.read(item)).transpose()?;
                    this.found(head, asked, answer).await
                }
                .boxed()
            }),
        )
    }

    /// The plan for a reply with this head.
    async fn found<O>(
        self,
        head: Option<Head>,
        asked: Cancellation,
        answer: O,
    ) -> Result<Plan<O>, Problem>
    where
        O: Clone + Send + 'static,
    {
        let refuse = |problem| Plan::refuse(problem).details(asked.details());
        Ok(match head.filter(|head| head.user_id == asked.user_id) {
            None => refuse(Problem::not_found()),
            // A second request changes nothing.
            Some(head) if head.cancelled_at.is_some() => Plan::reply(Reply::new(answer)),
            Some(head) if head.ended_at.is_some() => refuse(Problem::reply_ended()),
            Some(head) if head.waits_until.is_some() => {
                return self.cancel_waiting(head, asked, answer).await;
            }
            // It went on, or began to wait, a moment ago.
            Some(_) => self.cancel(asked, answer),
        })
    }

    /// The plan for a reply that waits.
    async fn cancel_waiting<O>(
        self,
        head: Head,
        asked: Cancellation,
        answer: O,
    ) -> Result<Plan<O>, Problem>
    where
        O: Clone + Send + 'static,
    {
        let reply = self.messages.get(&head.conversation_id, &head.message_id).await?;
        let Some(reply) = reply else {
            return Ok(Plan::refuse(Problem::not_found()).details(asked.details()));
        };
        let mut steps = self.steps.of(&reply.id).await?;
        let again = || -> Retry<O> {
            let (this, asked, answer) = (self.clone(), asked.clone(), answer.clone());
            Box::new(move |_| this.read_again(asked, answer))
        };
        let mut rejected = Vec::new();
        for call in steps.iter_mut().flat_map(|(_, calls)| calls) {
            if call.status == CallStatus::AwaitingConfirmation {
                rejected.push(self.steps.decide(call, CallStatus::Rejected));
                *call = call.clone().decided(CallStatus::Rejected);
            }
        }
        let reply = Message { tool_calls: shown_calls(&steps, None), ..reply };
        let plan = Plan::reply(Reply::new(answer.clone()))
            .details(asked.details())
            .write_or_retry(self.drafts.go_on_to_stop(&head, asked.now), again())
            .write_or_retry(self.messages.decide(&reply, true)?, again());
        let plan =
            rejected.into_iter().fold(plan, |plan, write| plan.write_or_retry(write, again()));
        let worker = self.worker.clone();
        let reply = Message { status: MessageStatus::Pending, ..reply };
        let start = async move {
            worker.go_on(&reply).await;
            Ok(None)
        };
        Ok(plan.after_commit(Box::new(|| start.boxed())))
    }

    /// A new plan after the reply has changed.
    fn read_again<O>(
        self,
        asked: Cancellation,
        answer: O,
    ) -> BoxFuture<'static, Result<Plan<O>, Problem>>
    where
        O: Clone + Send + 'static,
    {
        async move {
            let head = self.drafts.head(&asked.message_id).await?;
            self.found(head, asked, answer).await
        }
        .boxed()
    }
}

impl Cancellation {
    fn details(&self) -> AuditDetails {
        AuditDetails::action("chat.cancelled").resource("message", &self.message_id)
    }
}
