//! The changes of users to their jobs: they stop, retry and delete them. Each is a plan under the
//! condition that the job has not changed meanwhile. If its worker or another request has changed it
//! first, the plan is made anew from the job as it is then.

use std::collections::BTreeMap;
use std::time::Duration;

use assistant::domain::Cost;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, try_join_all};
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::plan::{AfterCommit, Retry};
use platform::problem::Code;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_files::Bucket;
use tokio::time::timeout;

use crate::domain::{Inputs, ItemStatus, Job, StoredRows, Work};
use crate::inputs::inputs_of;
use crate::left::Left;
use crate::purge::JobsPurge;
use crate::starting::Starting;
use crate::store::{Head, Item, ItemState, Items, Jobs};

/// Changes of a job that may come before one while it is made. Each of them makes it fail once at
/// most, because it reads the job anew. The worker of a job changes it many times a second.
const AT_ONCE: u32 = 64;

/// Items whose results are read at once.
const READS: usize = 20;

/// The longest time for which a request deletes the items of a job.
const CLEANING: Duration = Duration::from_secs(5);

/// Changes jobs.
#[derive(Clone)]
pub struct Changing {
    jobs: Jobs,
    items: Items,
    bucket: Bucket,
    starting: Starting,
    purge: JobsPurge,
}

/// What a further round of a job is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRound {
    /// The most that the round may cost.
    pub max_cost: Option<Cost>,
    /// Rows of a batch. Without them, the round is for all items and rows without a result.
    pub rows: Option<Vec<u32>>,
}

impl Changing {
    /// Uses the tables that `JOBS_TABLE`, `JOB_ITEMS_TABLE` and `BUDGETS_TABLE` name, the bucket
    /// that `FILES_BUCKET` names, the worker that `JOB_RUN_ARN` names, and the setting
    /// `JOB_RETENTION_DAYS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            bucket: Bucket::new(platform)?,
            starting: Starting::new(platform)?,
            purge: JobsPurge::new(platform)?,
        })
    }

    /// The request to stop a job. Its worker notices it within two seconds. If no worker has the
    /// job, one starts after the commit and ends it. While the lease of a dead worker lasts, none
    /// can, and the schedule starts one later. A repeated request changes nothing, and neither does
    /// one after the end.
    pub async fn cancel(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<Job>, Problem> {
        self.clone().cancelled(user_id.to_owned(), id.to_owned(), now).await
    }

    /// A further round of a job that has ended, for items or rows that have no result. The summary
    /// of an analysis is made anew if any piece is. If the job has not ended, that is a 409
    /// `job_open`. If nothing lacks a result, if the inputs are gone, or if the job expires soon, that
    /// is a 409 `conflict`.
    pub async fn retry(
        &self,
        user_id: &str,
        id: &str,
        round: NewRound,
        now: Timestamp,
    ) -> Result<Plan<Job>, Problem> {
        self.clone().retried(user_id.to_owned(), id.to_owned(), round, now).await
    }

    /// The deletion of a job that has ended. No caller finds it after the commit. Then its inputs and
    /// items go, and at last its head. What this misses expires, or goes with the account.
    pub async fn delete(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<()>, Problem> {
        self.clone().deleted(user_id.to_owned(), id.to_owned(), now).await
    }

    /// Boxed, because it calls itself again if another writer is faster.
    fn cancelled(
        self,
        user_id: String,
        id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<Job>, Problem>> {
        async move {
            let before = wanted(self.jobs.get(&user_id, &id, now).await?)?;
            if before.status.has_ended() || before.cancel_requested {
                return Ok(Plan::reply(before.shown()).details(details(&before).silent()));
            }
            let after = before.changed(|after| {
                after.cancel_requested = true;
                after.due_at = Some(now.as_second());
            });
            let replace = self.jobs.replace(before.revision, &after)?;
            let run = self.starting.run(&after);
            let details = details(&before).detail("status", before.status.as_str());
            let plan = Plan::reply(after.shown()).details(details).retries(AT_ONCE);
            let again: Retry<Job> = Box::new(move |_| self.cancelled(user_id, id, now));
            Ok(plan.write_or_retry(replace, again).after_commit(run))
        }
        .boxed()
    }

    /// Boxed for the same reason.
    fn retried(
        self,
        user_id: String,
        id: String,
        round: NewRound,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<Job>, Problem>> {
        async move {
            let head = wanted(self.jobs.get(&user_id, &id, now).await?)?;
            if !head.status.has_ended() {
                return Ok(Plan::refuse(Problem::job_open()).details(details(&head)));
            }
            let inputs = inputs_of(&self.bucket, &user_id, &id).await?;
            let Inputs { work, worst, .. } = inputs.ok_or_else(inputs_gone)?;
            let states = self.items.states(&id).await?;
            if let Some(rows) = &round.rows {
                self.must_lack_results(&id, &work, &states, rows).await?;
            }
            let left = Left::new(&head, &work, &states, round.rows.as_deref());
            if left.items.is_empty() {
                return Err(Problem::new(Code::Conflict, "Every item of the job has a result."));
            }
            let renewed = if left.renews_last {
                let last = self.items.get(&id, work.items() - 1).await?;
                last.map(|last| self.items.put(&without_result(last))).transpose()?
            } else {
                None
            };
            let cost = left.cost(&worst);
            let cost = round.max_cost.map_or(cost, |most| most.min(cost));
            let pending = (left.counts(head.counts), round.rows.clone().unwrap_or_default());
            let starting = self.starting.clone();
            let again: Retry<Job> = Box::new(move |_| self.retried(user_id, id, round, now));
            let plan = starting.retry(head, pending, cost, again, now).await?;
            let plan = plan.detail("items", left.items.len());
            Ok(renewed.into_iter().fold(plan, Plan::write))
        }
        .boxed()
    }

    /// Boxed for the same reason.
    fn deleted(
        self,
        user_id: String,
        id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let head = wanted(self.jobs.get(&user_id, &id, now).await?)?;
            if !head.status.has_ended() {
                return Ok(Plan::refuse(Problem::job_open()).details(details(&head)));
            }
            let after = head.changed(|after| {
                after.deleted = true;
                after.title.clear();
                after.outcome = None;
            });
            let replace = self.jobs.replace(head.revision, &after)?;
            let clean = self.clean(&user_id, &id);
            let plan = Plan::reply(()).details(details(&head));
            let again: Retry<()> = Box::new(move |_| self.deleted(user_id, id, now));
            Ok(plan.write_or_retry(replace, again).after_commit(clean))
        }
        .boxed()
    }

    /// The step that deletes the inputs and the items of a job, and then its head.
    fn clean(&self, user_id: &str, id: &str) -> AfterCommit<()> {
        let (purge, user_id, id) = (self.purge.clone(), user_id.to_owned(), id.to_owned());
        Box::new(move || {
            async move {
                match timeout(CLEANING, purge.delete(&user_id, &id)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(problem)) => tracing::warn!(
                        code = %problem.code,
                        job_id = id,
                        "failed to delete the inputs and items of a job; they expire"
                    ),
                    Err(_) => tracing::warn!(
                        job_id = id,
                        "had no time to delete all items of a job; the others expire"
                    ),
                }
                Ok(None)
            }
            .boxed()
        })
    }

    /// Requires that rows belong to a batch, and have no result.
    async fn must_lack_results(
        &self,
        id: &str,
        work: &Work,
        states: &[ItemState],
        rows: &[u32],
    ) -> Result<(), Problem> {
        let Work::Batch(batch) = work else {
            return Err(Problem::invalid_field("rows", "is for batches"));
        };
        let mut places = Vec::new();
        for (at, row) in rows.iter().enumerate() {
            let item = batch.item_of(*row).ok_or_else(|| {
                let (first, last) = (batch.first_row, batch.last_row);
                wrong_row(at, format!("must be a row of the batch: {first} to {last}"))
            })?;
            places.push((*row, item));
        }
        let results = self.results(id, states, &places).await?;
        let has_result =
            |(row, item): &(u32, u32)| results.get(item).is_some_and(|result| result.has(*row));
        match places.iter().position(has_result) {
            Some(at) => Err(wrong_row(at, "must be a row without a result")),
            None => Ok(()),
        }
    }

    /// The results of the items of these rows, by index. Items without results are left out.
    async fn results(
        &self,
        id: &str,
        states: &[ItemState],
        places: &[(u32, u32)],
    ) -> Result<BTreeMap<u32, StoredRows>, Problem> {
        let is_named = |state: &&ItemState| places.iter().any(|(_, item)| *item == state.index);
        let with_results = states.iter().filter(|state| state.succeeded > 0);
        let indices: Vec<u32> = with_results.filter(is_named).map(|state| state.index).collect();
        let mut results = BTreeMap::new();
        for indices in indices.chunks(READS) {
            let found = indices.iter().map(|index| self.items.get(id, *index));
            let found = try_join_all(found).await?.into_iter().flatten();
            for item in found {
                let rows = item.result.as_deref().map(serde_json::from_str).transpose();
                let rows: Option<StoredRows> = rows.map_err(|error| {
                    tracing::error!(%error, job_id = id, "failed to read the rows of a batch");
                    Problem::internal()
                })?;
                results.extend(rows.map(|rows| (item.state.index, rows)));
            }
        }
        Ok(results)
    }
}

/// The last item of an analysis without its result, so that the next round makes it anew.
fn without_result(item: Item) -> Item {
    let state = ItemState { status: ItemStatus::Failed, succeeded: 0, failed: 1, ..item.state };
    Item { state, result: None, error: None, ..item }
}

fn wanted(found: Option<Head>) -> Result<Head, Problem> {
    found.ok_or_else(Problem::not_found)
}

fn inputs_gone() -> Problem {
    let detail = "The inputs of the job are gone, so it cannot be retried. Start a new one.";
    Problem::new(Code::Conflict, detail)
}

/// The fault of a row, by its place in the list.
fn wrong_row(at: usize, detail: impl Into<String>) -> Problem {
    Problem::invalid_field(&format!("rows/{at}"), detail)
}

/// The details of an event about a job.
fn details(head: &Head) -> AuditDetails {
    AuditDetails::default().resource("job", &head.id).detail("kind", head.kind.as_str())
}
