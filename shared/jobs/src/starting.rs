//! The start of a job: its inputs in the bucket, then its head, its hold and its event in one
//! transaction, then its worker.

use std::collections::BTreeMap;

use assistant::domain::{Cost, Usage};
use assistant::pricing::Pricing;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::plan::{AfterCommit, Reply, Retry};
use platform::problem::Code;
use platform::worker::Invoker;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use serde::{Deserialize, Serialize};
use tally_chat::spending::{Reserve, Reserved};
use tally_files::Bucket;
use tally_prompts::domain::Pinned;

use crate::domain::{Counts, Inputs, Job, JobKind, JobStatus, keys};
use crate::store::{Head, Jobs, MOST_OPEN, Origin, ROUND_MS};
use crate::worst::total;

/// Seconds after which the schedule starts the worker of a job whose start was lost.
const START_SECONDS: i64 = 60;

const DAY_SECONDS: u64 = 86_400;

/// Milliseconds that a further round has, at least.
const SHORTEST_ROUND_MS: i64 = 3_600_000;

/// Payload of `job-run`: the job to go on with. Without ids, it starts a worker for each job that
/// needs one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobStart {
    /// Id of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// Id of the job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// Starts jobs.
#[derive(Clone)]
pub struct Starting {
    jobs: Jobs,
    bucket: Bucket,
    /// Reserves the cost. Absent where calls cost nothing.
    reserve: Option<Reserve>,
    worker: Invoker,
    kept_seconds: i64,
}

/// A job to start.
pub struct NewJob {
    /// Who asks for it, and from where.
    pub origin: Origin,
    /// Its kind.
    pub kind: JobKind,
    /// Its title.
    pub title: String,
    /// The version of the prompt.
    pub prompt: Pinned,
    /// Its inputs, with the worst case of each item.
    pub inputs: Inputs,
    /// What its items count as together: their number, or rows.
    pub units: u32,
    /// The most that it may cost.
    pub max_cost: Option<Cost>,
    /// The analysis that it repeats.
    pub rerun_of: Option<String>,
}

impl Starting {
    /// Uses the tables that `JOBS_TABLE` and `BUDGETS_TABLE` name, the bucket that `FILES_BUCKET`
    /// names, the worker that `JOB_RUN_ARN` names, and the setting `JOB_RETENTION_DAYS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let kept = config.count("JOB_RETENTION_DAYS", 90)?.saturating_mul(DAY_SECONDS);
        Ok(Self {
            jobs: Jobs::new(platform)?,
            bucket: Bucket::new(platform)?,
            reserve: Reserve::new(platform)?,
            worker: Invoker::new(config, "JOB_RUN_ARN")?,
            kept_seconds: i64::try_from(kept).unwrap_or(i64::MAX),
        })
    }

    /// The prices of the models. `None` where calls cost nothing.
    pub fn pricing(&self) -> Option<&Pricing> {
        self.reserve.as_ref().map(Reserve::pricing)
    }

    /// A new job, with its path in `Location`. Its inputs are stored before the plan is made. Those
    /// of a plan that is not committed expire. If a budget does not leave the hold, that is a 402.
    pub async fn start(&self, new: NewJob, now: Timestamp) -> Result<Plan<Job>, Problem> {
        let NewJob { origin, kind, title, prompt, inputs, units, max_cost, rerun_of } = new;
        let id = ids::new_id(now);
        let user_id = origin.caller.user_id.clone();
        let worst = total(&inputs.worst);
        let cost = max_cost.map_or(worst, |most| most.min(worst));
        let reserved = self.reserved(&user_id, cost, now).await?;
        let items = inputs.work.items();
        let stored = serde_json::to_vec(&inputs).map_err(|error| {
            tracing::error!(%error, "failed to write the inputs of a job as JSON");
            Problem::internal()
        })?;
        self.bucket.put(&keys::inputs(&user_id, &id), stored, "application/json").await?;
        let deadline = now.as_millisecond() + ROUND_MS;
        let kept_until = now.as_second().saturating_add(self.kept_seconds);
        let head = Head {
            kind,
            status: JobStatus::Queued,
            title,
            prompt,
            origin,
            items,
            counts: Counts::pending(units),
            usage: Usage::default(),
            cost: Cost::ZERO,
            settled: Cost::ZERO,
            hold: reserved.as_ref().map(|reserved| reserved.hold.clone()),
            spent: BTreeMap::new(),
            error: None,
            rest: None,
            rerun_of,
            outcome: None,
            revision: 1,
            mark: String::new(),
            round: 1,
            only: Vec::new(),
            created_at: now.as_millisecond(),
            started_at: None,
            ended_at: None,
            deadline,
            expires_at: expires_at(kept_until, deadline),
            epoch: 0,
            lease_until: 0,
            cancel_requested: false,
            deleted: false,
            shard: Some(Jobs::shard(&id)),
            due_at: Some(now.as_second() + START_SECONDS),
            user_id,
            id,
        };
        let details = AuditDetails::default()
            .resource("job", &head.id)
            .detail("kind", kind.as_str())
            .detail("prompt", head.prompt.name.as_str())
            .detail("prompt_version", head.prompt.version)
            .detail("items", items)
            .detail("held_usd", head.held().to_string());
        let create = self.jobs.create(&head)?;
        let plan = Plan::reply(placed(&head)).details(details).creates(head.id.clone());
        let plan = self.opened(plan, &head, reserved).write(create);
        Ok(plan.after_commit(self.run(&head)))
    }

    /// The job of a repeated request, as it is now, with its path. If it is gone, that is a 404.
    pub async fn started(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<Job>, Problem> {
        let head = self.jobs.get(user_id, id, now).await?.ok_or_else(Problem::not_found)?;
        let details = AuditDetails::default().resource("job", id).detail("repeated", true);
        Ok(Plan::reply(placed(&head)).details(details))
    }

    /// Another round of a job that has ended, for items that have no result. `counts` are those of
    /// the job once these are pending, and `only` are their rows, if the caller names rows. `cost`
    /// is held for the round. `overtaken` makes the plan anew if another writer is faster. If the
    /// job expires too soon, that is a 409.
    pub async fn retry(
        &self,
        before: Head,
        (counts, only): (Counts, Vec<u32>),
        cost: Cost,
        overtaken: Retry<Job>,
        now: Timestamp,
    ) -> Result<Plan<Job>, Problem> {
        let reserved = self.reserved(&before.user_id, cost, now).await?;
        let after = before.changed(|after| {
            after.counts = counts;
            after.status = JobStatus::Queued;
            after.settled = after.cost;
            after.hold = reserved.as_ref().map(|reserved| reserved.hold.clone());
            after.spent.clear();
            after.error = None;
            after.outcome = None;
            after.round += 1;
            after.only = only;
            after.ended_at = None;
            after.deadline = now.as_millisecond() + ROUND_MS;
            after.lease_until = 0;
            after.cancel_requested = false;
            after.shard = Some(Jobs::shard(&after.id));
            after.due_at = Some(now.as_second() + START_SECONDS);
        });
        if after.ends_at() < now.as_millisecond() + SHORTEST_ROUND_MS {
            let detail = "The job expires too soon to be retried. Start a new one.";
            return Err(Problem::new(Code::Conflict, detail));
        }
        let details = AuditDetails::default()
            .resource("job", &after.id)
            .detail("round", after.round)
            .detail("held_usd", after.held().to_string());
        let replace = self.jobs.replace(before.revision, &after)?;
        let plan = self.opened(Plan::reply(after.shown()).details(details), &after, reserved);
        Ok(plan.write_or_retry(replace, overtaken).after_commit(self.run(&after)))
    }

    /// The step that starts the worker of a job. If that fails, the schedule starts it.
    pub fn run<O>(&self, head: &Head) -> AfterCommit<O> {
        let start = JobStart { user_id: Some(head.user_id.clone()), job_id: Some(head.id.clone()) };
        self.worker.start_after_commit(&start)
    }

    /// Adds the hold of a job, and its place among the open ones.
    fn opened<O>(&self, plan: Plan<O>, head: &Head, reserved: Option<Reserved>) -> Plan<O> {
        let full = Problem::too_many_jobs(MOST_OPEN);
        let plan = plan.write_or(self.jobs.open(&head.user_id), full);
        match reserved {
            Some(reserved) => reserved.add_to(plan),
            None => plan,
        }
    }

    async fn reserved(
        &self,
        user_id: &str,
        cost: Cost,
        now: Timestamp,
    ) -> Result<Option<Reserved>, Problem> {
        let Some(reserve) = &self.reserve else { return Ok(None) };
        let limits = reserve.limits(user_id).await?;
        Ok(Some(reserve.hold_amount(user_id, limits, cost, now)))
    }
}

/// The answer to a start: the job, with its path in `Location`.
fn placed(head: &Head) -> Reply<Job> {
    Reply::new(head.shown()).location(&format!("/jobs/{}", head.id))
}

/// When a job expires that is kept until then, in seconds: a day after the end of its first round at
/// the earliest. See [`Head::ends_at`].
fn expires_at(kept_until: i64, deadline: i64) -> i64 {
    kept_until.max((deadline + ROUND_MS) / 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_outlives_its_first_round_by_a_day() {
        let day = ROUND_MS / 1_000;
        for (kept_until, deadline, expected) in
            [(90 * day, ROUND_MS, 90 * day), (2 * day, ROUND_MS, 2 * day), (0, 500, day)]
        {
            assert_eq!(expires_at(kept_until, deadline), expected, "{kept_until} {deadline}");
        }
        assert_eq!(expires_at(day, ROUND_MS), 2 * day, "jobs are kept for one day");
    }

    #[test]
    fn an_event_without_ids_is_the_schedules() {
        for (event, user_id, job_id) in [
            ("{}", None, None),
            (r#"{"version": "0", "source": "aws.events", "detail": {}}"#, None, None),
            (r#"{"user_id": "u", "job_id": "j"}"#, Some("u"), Some("j")),
        ] {
            let start: JobStart = serde_json::from_str(event).unwrap();
            let [user_id, job_id] = [user_id, job_id].map(|id| id.map(str::to_owned));
            assert_eq!(start, JobStart { user_id, job_id }, "{event}");
        }
        assert_eq!(serde_json::to_string(&JobStart::default()).unwrap(), "{}");
    }
}
