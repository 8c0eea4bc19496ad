//! Carries plans out: the writes and the audit event in one transaction.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::RequestInfo;
use crate::audit::{AuditDetails, Event};
use crate::backoff;
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::database::{CommitError, Database};
use crate::idempotency::{IdempotencyKey, Repeats, RequestFingerprint};
use crate::identity::Principal;
use crate::metrics::{Metrics, Signal};
use crate::plan::{AfterCommit, Otherwise, Plan, Reply};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::request::HttpCall;
use crate::routes::{ActionRoute, Route};
use crate::store::{AuditLog, Record};

/// Commits the plans of one route or action, or of a worker.
pub struct Committer {
    /// Status of a success whose reply has none of its own.
    success: u16,
    /// Where the route honours an `Idempotency-Key`.
    repeats: Option<Repeats>,
    log: AuditLog,
    metrics: Metrics,
    database: Database,
    clock: Clock,
}

/// The fingerprint of an idempotency key, and the result of an earlier request with it.
pub type Repetition = (Option<RequestFingerprint>, Option<Record>);

/// The result of [`Committer::write`]: the steps that are still to run, and the answer.
pub struct Committed<O> {
    /// The steps that follow the commit.
    pub after_commit: Vec<AfterCommit<O>>,
    /// The answer.
    pub reply: Result<Reply<O>, Problem>,
}

impl Committer {
    /// Makes the parts for workers, and for other functions that no client calls.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let database = platform.database()?;
        let log = AuditLog::new(platform)?;
        let metrics = Metrics::new(platform)?;
        let clock = platform.clock.clone();
        Ok(Self { success: 200, repeats: None, log, metrics, database, clock })
    }

    /// Makes the parts for a route.
    pub fn for_route(platform: &Platform, route: &Route) -> Result<Self, ConfigError> {
        let repeats = route.idempotent.then(|| Repeats::new(platform)).transpose()?;
        Ok(Self { success: route.success, repeats, ..Self::new(platform)? })
    }

    /// Makes the parts for the messages of an action, and for `$connect`.
    pub fn for_action(platform: &Platform, route: &ActionRoute) -> Result<Self, ConfigError> {
        let repeats = route.idempotent.then(|| Repeats::new(platform)).transpose()?;
        Ok(Self { repeats, ..Self::new(platform)? })
    }

    /// Makes the parts for the calls of tools, some of which have an `idempotency_key`.
    pub fn for_tools(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { repeats: Some(Repeats::new(platform)?), ..Self::new(platform)? })
    }

    /// The fingerprint of a request's `Idempotency-Key`, and the result of an earlier request with
    /// it, if there was one.
    pub fn repetition<'a>(
        &'a self,
        call: &'a HttpCall,
        caller: Option<&'a Principal>,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Repetition, Problem>> {
        async move {
            let Some(repeats) = &self.repeats else { return Ok((None, None)) };
            let Some(fingerprint) = repeats.fingerprint(call, caller).await? else {
                return Ok((None, None));
            };
            repeats.recognise(fingerprint, now).await
        }
        .boxed()
    }

    /// The fingerprint of a message, or a call of a tool, with this `idempotency_key` and content.
    /// Beside it stands the result of an earlier one with this key.
    pub fn repetition_of<'a>(
        &'a self,
        action: &'a str,
        caller: &'a Principal,
        (key, says): (&'a IdempotencyKey, String),
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Repetition, Problem>> {
        async move {
            let Some(repeats) = &self.repeats else { return Ok((None, None)) };
            let fingerprint = repeats.fingerprint_of(&caller.user_id, action, key, &says).await?;
            repeats.recognise(fingerprint, now).await
        }
        .boxed()
    }

    /// Carries a plan out: the writes and the event in one transaction, then the steps that follow
    /// the commit.
    pub async fn commit<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Result<Reply<O>, Problem> {
        let Committed { after_commit, reply } = self.write(plan, caller, info).await?;
        match run_steps(after_commit).await? {
            Some(better) => Ok(better),
            None => reply,
        }
    }

    /// Carries a plan out up to its commit. The caller runs the steps that follow.
    pub async fn write<O>(
        &self,
        plan: Result<Plan<O>, Problem>,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Result<Committed<O>, Problem> {
        let mut plan = plan.unwrap_or_else(Plan::refuse);
        let retries = plan.retries;
        for overtaken in 0..=retries {
            let Plan { mut writes, details, also, created, after_commit, reply, .. } = plan;
            let kept = details.clone();
            let event = self.event(details, reply.as_ref().err(), caller, info);
            let further = self.further_events(&also, caller, info);
            let signal = event.as_ref().and_then(Signal::of);
            let mut own = 0;
            if reply.is_ok() {
                own = info.always.writes.len();
                let always = info.always.writes.iter().cloned();
                let always = always.map(|(write, problem)| (write, Otherwise::Refuse(problem)));
                writes.splice(0..0, always);
            }
            if let (Some(repeats), Some(fingerprint), Some(resource), Ok(reply)) =
                (&self.repeats, &info.fingerprint, created.clone(), &reply)
            {
                let status = reply.status.map_or(self.success, |status| status.as_u16());
                // Of two concurrent requests with the same key, the second to commit writes
                // nothing. This write stands first, so that its refusal wins over any other
                // condition that the first request has made fail.
                let remember = repeats.remember(fingerprint, status, resource, info.now)?;
                writes.insert(0, (remember, Otherwise::Refuse(Problem::request_in_flight())));
                own += 1;
            }
            let (mut writes, mut otherwise): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let committed = match (event, writes.is_empty()) {
                (None, true) => Ok(()),
                (Some(event), true) => match (self.log.record(event).await, &reply) {
                    // A refusal that writes nothing keeps its status even if its event cannot be
                    // written.
                    (Err(error), Err(problem)) => {
                        tracing::error!(
                            %error,
                            code = %problem.code,
                            "failed to record the event of a refusal"
                        );
                        Ok(())
                    }
                    (recorded, _) => recorded.map_err(CommitError::from),
                },
                (event, false) => {
                    // The events are last, so that the position of a failed condition is the
                    // position of its write.
                    let events = event.into_iter().chain(further);
                    let events = events.map(|event| self.log.append(event));
                    let events = events.collect::<Result<Vec<_>, _>>()?;
                    self.database.commit(writes.iter().cloned().chain(events).collect()).await
                }
            };
            match committed {
                Ok(()) => {
                    if let Some((signal, value)) = signal {
                        self.metrics.emit(signal, value);
                    }
                    let steps = otherwise.into_iter().filter_map(Otherwise::step);
                    let after_commit = steps.chain(after_commit).collect();
                    return Ok(Committed { after_commit, reply });
                }
                Err(CommitError::Store(error)) => return Err(error.into()),
                // The events come last. Their ids are new, so their conditions do not fail.
                Err(CommitError::Condition { position, .. }) if position >= otherwise.len() => {
                    return Err(Problem::conflict());
                }
                Err(CommitError::Condition { position, old }) => match otherwise.remove(position) {
                    Otherwise::Refuse(problem) => plan = Plan::refuse(problem).details(kept),
                    Otherwise::Retry(retry) => {
                        give_way(overtaken).await;
                        plan = retry(old).await.unwrap_or_else(Plan::refuse);
                        plan.details = plan.details.of_path_as(&kept);
                    }
                    // The step of the replaced write is dropped with it.
                    Otherwise::Rewrite(rewrite, _) => {
                        give_way(overtaken).await;
                        let (write, next) = rewrite(old)?;
                        writes[position] = write;
                        otherwise.insert(position, next);
                        // The next round inserts the record of the `Idempotency-Key` and the writes
                        // of every attempt again, so these are dropped.
                        let writes = writes.into_iter().zip(otherwise).skip(own).collect();
                        let details = kept;
                        plan =
                            Plan { writes, details, also, created, after_commit, reply, retries };
                    }
                },
            }
        }
        tracing::warn!(
            action = info.action,
            attempts = retries + 1,
            "failed to commit a plan: other requests changed its items first"
        );
        Err(Problem::unavailable())
    }
}

impl Committer {
    /// The event of a plan's action. The problem is that of its answer, if it refuses.
    fn event(
        &self,
        details: AuditDetails,
        problem: Option<&Problem>,
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Option<Event> {
        let outcome = details.outcome(problem)?;
        let always = info.always.details.iter();
        let details =
            always.fold(details, |details, (name, value)| details.detail(name, value.clone()));
        let (now, latency_ms) = (self.clock.now(), info.latency_ms());
        details.event(info.action, outcome, caller, info.context, now, latency_ms)
    }

    /// The events of a plan beside that of its action.
    fn further_events(
        &self,
        also: &[AuditDetails],
        caller: Option<&Principal>,
        info: &RequestInfo<'_>,
    ) -> Vec<Event> {
        let (context, latency_ms) = (info.context, info.latency_ms());
        let event = |details: &AuditDetails| {
            let (details, outcome) = (details.clone(), details.outcome(None)?);
            details.event(None, outcome, caller, context, self.clock.now(), latency_ms)
        };
        also.iter().filter_map(event).collect()
    }
}

/// Pauses before a new plan, to give the other requests room. The first new plan starts from the
/// current item and mostly succeeds, so it does not wait. The pause comes before the plan, so that
/// the plan reads current items.
async fn give_way(overtaken: u32) {
    if overtaken > 0 {
        backoff::pause(overtaken + 1).await;
    }
}

/// Runs the steps that follow a commit, one after the other. A step that fails skips no other.
/// Gives the answer of the last step that has one, or the first failure.
pub async fn run_steps<O>(steps: Vec<AfterCommit<O>>) -> Result<Option<Reply<O>>, Problem> {
    let mut answer = Ok(None);
    for step in steps {
        match step().await {
            Ok(None) => {}
            Ok(better) => answer = answer.map(|_| better),
            Err(problem) if answer.is_err() => {
                tracing::error!(
                    code = %problem.code,
                    "failed to run a step after a commit; the answer reports an earlier failure"
                );
            }
            Err(problem) => answer = Err(problem),
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::problem::Code;

    type Outcome = Result<Option<u32>, fn() -> Problem>;

    #[tokio::test]
    async fn every_step_runs_and_the_first_failure_is_the_answer() {
        let conflict: Outcome = Err(Problem::conflict);
        let not_found: Outcome = Err(Problem::not_found);
        for (outcomes, expected) in [
            (vec![], Ok(None)),
            (vec![Ok(None), Ok(Some(1)), Ok(None)], Ok(Some(1))),
            (vec![Ok(Some(1)), Ok(Some(2))], Ok(Some(2))),
            (vec![Ok(Some(1)), conflict, Ok(Some(2))], Err(Code::Conflict)),
            (vec![not_found, Ok(None), conflict, Ok(None)], Err(Code::NotFound)),
        ] {
            let ran = Arc::new(AtomicUsize::new(0));
            let step = |outcome: &Outcome| -> AfterCommit<u32> {
                let (outcome, ran) = (*outcome, Arc::clone(&ran));
                Box::new(move || {
                    async move {
                        ran.fetch_add(1, Ordering::Relaxed);
                        outcome.map(|number| number.map(Reply::new)).map_err(|problem| problem())
                    }
                    .boxed()
                })
            };
            let answer = run_steps(outcomes.iter().map(step).collect()).await;
            assert_eq!(ran.load(Ordering::Relaxed), outcomes.len());
            let answer = answer.map(|reply| reply.map(Reply::into_output));
            assert_eq!(answer.map_err(|problem| problem.code), expected);
        }
    }
}
