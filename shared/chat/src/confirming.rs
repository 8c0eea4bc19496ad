//! A user's decisions about the calls of tools that a reply waits for. The first decision about a
//! call counts. The one that decides the last open call lets the reply go on, in another worker.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::audit::{AuditDetails, Outcome};
use platform::clock::Clock;
use platform::context::Context;
use platform::database::Write;
use platform::identity::{Identity, Principal};
use platform::plan::{AfterCommit, Reply, Retry};
use platform::store::AuditLog;
use platform::{ConfigError, Plan, Platform, Problem};

use crate::domain::{CallStatus, Decision, Decisions, MessageStatus, Verdict};
use crate::reading::Reading;
use crate::reply_start::ReplyWorker;
use crate::store::{CallRecord, Drafts, Head, Message, Messages, Steps, StepsTaken, shown_calls};

/// Takes decisions about calls.
#[derive(Clone)]
pub struct Confirming {
    drafts: Drafts,
    messages: Messages,
    steps: Steps,
    reading: Reading,
    worker: ReplyWorker,
    log: AuditLog,
    clock: Clock,
}

/// Decisions about calls of a reply. Only its user decides, in a session: an API key can't.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// Who decides.
    pub caller: Identity,
    /// From where.
    pub context: Context,
    /// The conversation that the request names, if it does.
    pub conversation_id: Option<String>,
    /// The reply.
    pub message_id: String,
    /// The decisions.
    pub decisions: Decisions,
    /// When.
    pub now: Timestamp,
}

/// Makes the answer from a reply.
pub type Show<O> = Arc<dyn Fn(&Message) -> Reply<O> + Send + Sync>;

/// Makes a step after the commit from a reply.
pub type Follow<O> = Arc<dyn Fn(Message) -> AfterCommit<O> + Send + Sync>;

/// How a function answers decisions, from the reply as they leave it.
pub struct Answering<O> {
    /// The answer.
    pub answer: Show<O>,
    /// A step after the commit, once the worker has been started.
    pub follow: Option<Follow<O>>,
}

/// The calls of a reply, as a decision finds them and leaves them.
struct Decided {
    /// The steps, with the calls as they are then.
    steps: StepsTaken,
    /// The calls that it changes, as they were before, and what they become.
    changed: Vec<(CallRecord, CallStatus)>,
}

impl<O> Clone for Answering<O> {
    fn clone(&self) -> Self {
        Self { answer: Arc::clone(&self.answer), follow: self.follow.clone() }
    }
}

impl Confirming {
    /// Uses the tables that `DRAFTS_TABLE`, `MESSAGES_TABLE`, `STEPS_TABLE` and `AUDIT_TABLE` name,
    /// those of [`Reading`], and the worker that `CHAT_STREAM_ARN` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform)?,
            messages: Messages::new(platform)?,
            steps: Steps::new(platform)?,
            reading: Reading::new(platform)?,
            worker: ReplyWorker::new(platform)?,
            log: AuditLog::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// The plan that stores decisions. A reply that is not the caller's, or an unknown call, is a
    /// 404. If a call was decided otherwise, or if the reply does not wait any more, that is a 409,
    /// and none of the decisions counts. The same decisions again change nothing, and leave no
    /// event. A reader who may no longer see the calls can't decide about them: 403.
    pub fn decide<O: Send + 'static>(
        &self,
        asked: Confirmation,
        answering: Answering<O>,
    ) -> BoxFuture<'static, Result<Plan<O>, Problem>> {
        let this = self.clone();
        async move {
            match this.find(&asked).await {
                Ok((head, reply, decided)) if decided.changed.is_empty() => {
                    Ok(this.answered(&reply, &answering, &head))
                }
                Ok((head, reply, decided)) => {
                    this.store(&asked, &answering, (&head, reply, decided))
                }
                Err(problem) if problem.status.is_server_error() => Err(problem),
                Err(problem) => Ok(Plan::refuse(problem).details(asked.details())),
            }
        }
        .boxed()
    }

    /// The reply, and what the decisions change.
    async fn find(&self, asked: &Confirmation) -> Result<(Head, Message, Decided), Problem> {
        let is_meant = |head: &Head| {
            let conversation = asked.conversation_id.as_ref();
            head.user_id == asked.caller.user_id
                && !head.has_expired(asked.now)
                && conversation.is_none_or(|id| *id == head.conversation_id)
        };
        let head = self.drafts.head(&asked.message_id).await?.filter(is_meant);
        let head = head.ok_or_else(Problem::not_found)?;
        let (user_id, conversation_id) = (&head.user_id, &head.conversation_id);
        let found = self.reading.message(user_id, conversation_id, &head.message_id, asked.now);
        let found = found.await?.ok_or_else(Problem::not_found)?;
        if found.is_withheld() {
            return Err(Problem::sources_withheld());
        }
        let reply = found.into_inner();
        // They are read last: a decision that is seen here may be missing in the message, and then
        // the condition of the message fails.
        let steps = self.steps.of(&reply.id).await?;
        let decided = Decided::of(steps, asked.decisions.as_slice())?;
        let waits = reply.status == MessageStatus::AwaitingConfirmation
            && head.waits_until.is_some_and(|until| asked.now.as_second() < until)
            && head.cancelled_at.is_none();
        if !waits && !decided.changed.is_empty() {
            return Err(Problem::not_waiting());
        }
        Ok((head, reply, decided))
    }

    /// The plan of decisions that change something.
    fn store<O: Send + 'static>(
        &self,
        asked: &Confirmation,
        answering: &Answering<O>,
        (head, reply, decided): (&Head, Message, Decided),
    ) -> Result<Plan<O>, Problem> {
        let is_last = decided.is_last();
        let tool_calls = shown_calls(&decided.steps, head.waits_until);
        let reply = Message { tool_calls, ..reply };
        let write = self.messages.decide(&reply, is_last)?;
        let status =
            if is_last { MessageStatus::Pending } else { MessageStatus::AwaitingConfirmation };
        let reply = Message { status, ..reply };
        let again = || -> Retry<O> {
            let (this, asked, answering) = (self.clone(), asked.clone(), answering.clone());
            Box::new(move |_| this.decide(asked, answering))
        };
        let plan = self.answered(&reply, answering, head);
        let plan = plan.write_or_retry(write, again());
        let calls = decided.changed.iter();
        let plan = calls.fold(plan, |plan, (call, status)| {
            plan.write_or_retry(self.steps.decide(call, *status), again())
        });
        let plan = if is_last {
            plan.write_or_retry(self.drafts.go_on(head, asked.now), again())
        } else {
            plan
        };
        let mut events = [CallStatus::Approved, CallStatus::Rejected]
            .map(|status| asked.details_of(status, &decided.changed, &reply))
            .into_iter()
            .flatten();
        let plan = events.next().into_iter().fold(plan, Plan::details);
        // A request that approves some calls and rejects others leaves two events.
        events.try_fold(plan, |plan, details| {
            Ok::<_, Problem>(self.event(details, asked)?.into_iter().fold(plan, Plan::write))
        })
    }

    /// The plan that answers, and starts the worker of a reply that goes on. A start may have been
    /// lost, so a repeated decision starts the worker too.
    fn answered<O: Send + 'static>(
        &self,
        reply: &Message,
        answering: &Answering<O>,
        head: &Head,
    ) -> Plan<O> {
        let plan = Plan::reply((answering.answer)(reply));
        let plan = if reply.status == MessageStatus::Pending && head.ended_at.is_none() {
            let (worker, reply) = (self.worker.clone(), reply.clone());
            let start = async move {
                worker.go_on(&reply).await;
                Ok(None)
            };
            plan.after_commit(Box::new(|| start.boxed()))
        } else {
            plan
        };
        match &answering.follow {
            Some(follow) => plan.after_commit(follow(reply.clone())),
            None => plan,
        }
    }

    /// A second event of the same request.
    fn event(&self, details: AuditDetails, asked: &Confirmation) -> Result<Option<Write>, Problem> {
        let now = self.clock.now();
        let latency = u64::try_from(now.as_millisecond() - asked.now.as_millisecond());
        let caller = Principal::from(asked.caller.clone());
        let event = details.event(
            None,
            Outcome::Success,
            Some(&caller),
            &asked.context,
            now,
            latency.unwrap_or_default(),
        );
        Ok(event.map(|event| self.log.append(event)).transpose()?)
    }
}

impl Confirmation {
    /// The details of the event of a request that is refused. It is a rejection if it approves
    /// nothing.
    fn details(&self) -> AuditDetails {
        let rejects = |decision: &Decision| decision.decision == Verdict::Reject;
        let rejected = self.decisions.as_slice().iter().all(rejects);
        let action = if rejected { "tool.rejected" } else { "tool.confirmed" };
        AuditDetails::action(action).resource("message", &self.message_id)
    }

    /// The details of the event about the calls that become approved, or rejected. `None` if there
    /// are none.
    fn details_of(
        &self,
        status: CallStatus,
        changed: &[(CallRecord, CallStatus)],
        reply: &Message,
    ) -> Option<AuditDetails> {
        let action = match status {
            CallStatus::Approved => "tool.confirmed",
            _ => "tool.rejected",
        };
        let calls: Vec<_> = changed.iter().filter(|(_, to)| *to == status).collect();
        let all = |of: fn(&CallRecord) -> &String| {
            calls.iter().map(|(call, _)| of(call).clone()).collect::<Vec<_>>()
        };
        let details = AuditDetails::action(action)
            .resource("message", &self.message_id)
            .detail("conversation_id", reply.conversation_id.as_str())
            .detail("call_ids", all(|call| &call.call_id))
            .detail("tools", all(|call| &call.tool));
        (!calls.is_empty()).then_some(details)
    }
}

impl Decided {
    /// What decisions change. A call that was decided in the same way before stays as it is.
    fn of(mut steps: StepsTaken, decisions: &[Decision]) -> Result<Self, Problem> {
        let mut changed = Vec::new();
        for Decision { call_id, decision } in decisions {
            let mut calls = steps.iter_mut().flat_map(|(_, calls)| calls);
            let call = calls.find(|call| call.call_id == *call_id);
            let call = call.ok_or_else(Problem::not_found)?;
            let to = match decision {
                Verdict::Approve => CallStatus::Approved,
                Verdict::Reject => CallStatus::Rejected,
            };
            match (call.status, decision) {
                (CallStatus::AwaitingConfirmation, _) => {
                    changed.push((call.clone(), to));
                    *call = call.clone().decided(to);
                }
                // It was approved, or never had to be.
                (
                    CallStatus::Approved
                    | CallStatus::Running
                    | CallStatus::Completed
                    | CallStatus::Failed,
                    Verdict::Approve,
                )
                | (CallStatus::Rejected, Verdict::Reject) => {}
                (CallStatus::Expired, _) => return Err(Problem::not_waiting()),
                _ => return Err(Problem::decided_otherwise(call_id)),
            }
        }
        Ok(Self { steps, changed })
    }

    /// Whether no call waits any more.
    fn is_last(&self) -> bool {
        let mut calls = self.steps.iter().flat_map(|(_, calls)| calls);
        calls.all(|call| call.status != CallStatus::AwaitingConfirmation)
    }
}

#[cfg(test)]
mod tests {
    use platform::problem::Code;

    use super::*;
    use crate::store::Step;

    #[test]
    fn the_first_decision_about_a_call_counts() {
        use CallStatus::{
            Approved, AwaitingConfirmation, Completed, Expired, Failed, Rejected, Running,
        };
        use Verdict::{Approve, Reject};
        let step = |number| Step { message_id: "m".into(), number, blocks: Vec::new() };
        for (statuses, decisions, expected) in [
            ([AwaitingConfirmation; 2], &[("0", Approve)][..], Ok((1, false))),
            ([AwaitingConfirmation; 2], &[("0", Approve), ("1", Reject)], Ok((2, true))),
            ([AwaitingConfirmation, Approved], &[("0", Reject)], Ok((1, true))),
            ([Approved, Rejected], &[("0", Approve), ("1", Reject)], Ok((0, true))),
            ([Completed, Failed], &[("0", Approve), ("1", Approve)], Ok((0, true))),
            ([Running, AwaitingConfirmation], &[("0", Approve)], Ok((0, false))),
            ([AwaitingConfirmation; 2], &[("2", Approve)], Err(Code::NotFound)),
            (
                [AwaitingConfirmation, Approved],
                &[("0", Approve), ("1", Reject)],
                Err(Code::Conflict),
            ),
            ([AwaitingConfirmation, Rejected], &[("1", Approve)], Err(Code::Conflict)),
            ([AwaitingConfirmation, Completed], &[("1", Reject)], Err(Code::Conflict)),
            ([AwaitingConfirmation, Expired], &[("1", Reject)], Err(Code::Conflict)),
        ] {
            let [first, second] = statuses;
            let first = CallRecord::sample("0", first);
            let second = CallRecord { step: 2, ..CallRecord::sample("1", second) };
            let steps = vec![(step(1), vec![first]), (step(2), vec![second])];
            let decisions: Vec<_> = decisions
                .iter()
                .map(|(id, decision)| Decision { call_id: (*id).into(), decision: *decision })
                .collect();
            let decided = Decided::of(steps, &decisions);
            let found = decided.map(|decided| (decided.changed.len(), decided.is_last()));
            assert_eq!(found.map_err(|problem| problem.code), expected, "{statuses:?}");
        }
    }
}
