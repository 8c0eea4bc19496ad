//! The end of a round, stored once: the state of the job, its cost in the budgets in place of its
//! hold, its usage, its place among the open jobs, and its event.

use futures_util::FutureExt as _;
use futures_util::future::ready;
use platform::audit::AuditDetails;
use platform::clock::Clock;
use platform::gate::{Committer, RequestInfo};
use platform::plan::Retry;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_chat::store::{Budgets, DailyUsage, Subject, UsageLog};
use tally_jobs::domain::{Counts, ErrorCode, ItemStatus, JobError, JobStatus, Outcome};
use tally_jobs::store::{Head, Jobs, Rest};

use crate::work::Work;

/// Attempts at the end of a job that its user asks to stop at the same time.
const ATTEMPTS: u32 = 5;

/// Ends rounds.
pub struct Ends {
    jobs: Jobs,
    budgets: Budgets,
    usage: UsageLog,
    committer: Committer,
    clock: Clock,
}

/// The result of an attempt.
enum Ended {
    Stored,
    /// Another writer was faster. This is the job now.
    Changed(Option<Box<Head>>),
}

impl Ends {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            budgets: Budgets::new(platform)?,
            usage: UsageLog::new(platform)?,
            committer: Committer::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// Ends the round of a job. `rest` is what items become whose calls were not made, and `error`
    /// says why. Gives the job as it is then, or `None` if another worker has it.
    pub async fn end(
        &self,
        head: Head,
        work: Option<&dyn Work>,
        error: Option<JobError>,
        rest: Rest,
    ) -> Result<Option<Head>, Problem> {
        let is_stopped = error.is_some() || rest.status == ItemStatus::Cancelled;
        let outcome = match work {
            Some(work) => work.finish().await,
            None => Ok(None),
        };
        let outcome = match outcome {
            // It ends all the same. Otherwise it would keep its hold for ever.
            Err(problem) if is_stopped => {
                let (job_id, code) = (&head.id, &problem.code);
                tracing::error!(job_id, %code, "failed to sum up a job that has to end");
                None
            }
            outcome => outcome?,
        };
        let mut before = head;
        for _ in 0..ATTEMPTS {
            let now = self.clock.now().as_millisecond();
            let after = ended(&before, error.clone(), rest, outcome.clone(), now);
            match self.store(&before, &after).await? {
                Ended::Stored => return Ok(Some(after)),
                Ended::Changed(Some(found))
                    if found.epoch == before.epoch && !found.status.has_ended() =>
                {
                    before = *found;
                }
                Ended::Changed(_) => return Ok(None),
            }
        }
        tracing::warn!(job_id = before.id, "failed to store the end of a job");
        Err(Problem::unavailable())
    }

    async fn store(&self, before: &Head, after: &Head) -> Result<Ended, Problem> {
        let jobs = self.jobs.clone();
        let overtaken: Retry<Ended> = Box::new(move |item| {
            let found = item.map(|item| jobs.read(item)).transpose();
            let found = found.map(|found| Plan::reply(Ended::Changed(found.map(Box::new))));
            ready(found.map_err(Problem::from)).boxed()
        });
        let counts = after.counts;
        let details = AuditDetails::action("job.ended")
            .resource("job", &after.id)
            .detail("kind", after.kind.as_str())
            .detail("status", after.status.as_str())
            .detail("succeeded", counts.succeeded)
            .detail("failed", counts.failed)
            .detail("cancelled", counts.cancelled)
            .detail("round", after.round)
            .detail("cost_usd", before.cost_of_round().to_string())
            .failed(after.status == JobStatus::Failed);
        let details = after
            .error
            .iter()
            .fold(details, |details, error| details.detail("code", error.code.as_str()));
        let replace = self.jobs.replace(before.revision, after)?;
        let mut plan = Plan::reply(Ended::Stored)
            .details(details)
            .write_or_retry(replace, overtaken)
            .write(self.jobs.close(&before.user_id));
        if let Some(hold) = &before.hold {
            for subject in [Subject::User(&before.user_id), Subject::Deployment] {
                plan = plan.write(self.budgets.settle(subject, hold, before.cost_of_round()));
            }
        }
        for spent in before.spent.values() {
            let used = DailyUsage {
                day: before.day(),
                model: spent.model.clone(),
                prompt: Some(spent.prompt.clone()),
                requests: spent.requests,
                failed: spent.failed,
                tokens: spent.tokens,
                cost: spent.cost,
            };
            plan = plan.write(self.usage.add(&before.user_id, &used));
        }
        let info = RequestInfo::new(&before.origin.context, self.clock.now(), None);
        let caller = Some(&before.origin.caller);
        Ok(self.committer.commit(Ok(plan), caller, &info).await?.into_output())
    }
}

/// A job after its round, which ends now, in milliseconds since 1970.
fn ended(
    before: &Head,
    error: Option<JobError>,
    rest: Rest,
    outcome: Option<Outcome>,
    now: i64,
) -> Head {
    // A retry of some rows says nothing of the others whose calls were not made: all of them are what
    // they were.
    let left = before.rest.filter(|_| !before.only.is_empty()).unwrap_or(rest);
    before.changed(|after| {
        let Counts { pending, running, .. } = after.counts;
        after.counts.shift(ItemStatus::Pending, left.status, pending);
        after.counts.shift(ItemStatus::Running, left.status, running);
        let is_revoked = error.as_ref().is_some_and(|error| error.code == ErrorCode::AccessRevoked);
        after.status = if rest.status == ItemStatus::Cancelled && after.counts.cancelled > 0 {
            JobStatus::Cancelled
        } else if is_revoked || after.counts.succeeded == 0 {
            JobStatus::Failed
        } else {
            JobStatus::Succeeded
        };
        after.error = error;
        // Items that this round was not for stay what they were.
        if pending + running > 0 || after.rest.is_none() {
            after.rest = Some(left);
        }
        after.outcome = outcome;
        after.settled = after.cost;
        after.hold = None;
        after.spent.clear();
        after.ended_at = Some(now);
        after.lease_until = 0;
        after.shard = None;
        after.due_at = None;
    })
}

#[cfg(test)]
mod tests {
    use assistant::domain::Cost;
    use tally_chat::store::Hold;

    use super::*;
    use crate::samples::head;

    const FAILED: Rest = Rest { status: ItemStatus::Failed, code: Some(ErrorCode::Expired) };
    const CANCELLED: Rest = Rest { status: ItemStatus::Cancelled, code: None };

    #[test]
    fn the_status_follows_from_the_counts_and_they_add_up() {
        let code = |code| Some(JobError::of(code));
        // Pending, running, succeeded, failed, cancelled before the end; the last three after it.
        for (before, error, rest, status, after) in [
            ([0, 0, 3, 0, 0], None, FAILED, JobStatus::Succeeded, [3, 0, 0]),
            ([0, 0, 1, 2, 0], None, FAILED, JobStatus::Succeeded, [1, 2, 0]),
            ([0, 0, 0, 3, 0], None, FAILED, JobStatus::Failed, [0, 3, 0]),
            ([1, 1, 1, 0, 0], code(ErrorCode::Expired), FAILED, JobStatus::Succeeded, [1, 2, 0]),
            ([3, 0, 0, 0, 0], code(ErrorCode::InputGone), FAILED, JobStatus::Failed, [0, 3, 0]),
            ([1, 0, 2, 0, 0], code(ErrorCode::AccessRevoked), FAILED, JobStatus::Failed, [2, 1, 0]),
            ([1, 0, 1, 1, 0], None, CANCELLED, JobStatus::Cancelled, [1, 1, 1]),
            ([0, 0, 1, 0, 2], None, CANCELLED, JobStatus::Cancelled, [1, 0, 2]),
            // The request to stop came after the last item.
            ([0, 0, 3, 0, 0], None, CANCELLED, JobStatus::Succeeded, [3, 0, 0]),
            ([0, 0, 0, 3, 0], None, CANCELLED, JobStatus::Failed, [0, 3, 0]),
            // A retry was for some of those that were cancelled.
            ([0, 0, 1, 1, 1], None, FAILED, JobStatus::Succeeded, [1, 1, 1]),
        ] {
            let [pending, running, succeeded, failed, cancelled] = before;
            let total: u32 = before.iter().sum();
            let counts = Counts { total, pending, running, succeeded, failed, cancelled };
            let ended = ended(&Head { counts, ..head(total) }, error, rest, None, 9);
            let [succeeded, failed, cancelled] = after;
            let counts = Counts { total, succeeded, failed, cancelled, ..Counts::default() };
            assert_eq!((ended.status, ended.counts), (status, counts), "{before:?}");
        }
    }

    #[test]
    fn an_ended_job_holds_nothing_and_is_no_longer_due() {
        let hold = Hold { cost: Cost::from_nanos(50), month: "1970-01".to_owned(), tokens: 0 };
        let cost = Cost::from_nanos(20);
        let before =
            Head { hold: Some(hold), cost, lease_until: 5, rest: Some(CANCELLED), ..head(1) };
        let after = ended(&before, None, FAILED, None, 9);
        let expected = Head {
            hold: None,
            settled: cost,
            lease_until: 0,
            shard: None,
            due_at: None,
            ended_at: Some(9),
            status: JobStatus::Failed,
            counts: Counts { total: 1, failed: 1, ..Counts::default() },
            rest: Some(FAILED),
            revision: before.revision + 1,
            ..before.clone()
        };
        assert_eq!(after, expected);
        // A retry was for some rows.
        let some = ended(&Head { only: vec![4], ..before.clone() }, None, FAILED, None, 9);
        let counts = Counts { total: 1, cancelled: 1, ..Counts::default() };
        assert_eq!((some.rest, some.counts, some.only), (Some(CANCELLED), counts, vec![4]));
        // Where nothing was left, items of an earlier round stay what they were.
        let counts = Counts { total: 1, succeeded: 1, ..Counts::default() };
        let whole = ended(&Head { counts, ..before }, None, FAILED, None, 9);
        assert_eq!(whole.rest, Some(CANCELLED));
        let first = ended(&Head { counts, ..head(1) }, None, FAILED, None, 9);
        assert_eq!(first.rest, Some(FAILED));
    }
}
