//! The job while its worker has it. The worker alone changes it, but for requests to stop it. Every
//! change raises the revision, so a worker that has lost its lease changes nothing.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::ready;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::clock::Clock;
use platform::gate::{Committer, RequestInfo};
use platform::plan::Retry;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use tally_jobs::domain::JobStatus;
use tally_jobs::store::{Head, Item, Items, Jobs, Saved};
use tokio::time::sleep;

/// Attempts at a change if the store does not answer, and the time between two of them.
const ATTEMPTS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

/// Attempts at acquiring a job that others change at the same time.
const ACQUIRE_ATTEMPTS: u32 = 5;

/// Stores the changes of jobs.
pub struct Ledger {
    jobs: Jobs,
    items: Items,
    committer: Committer,
    lease_ms: i64,
    clock: Clock,
}

/// The result of a change.
#[derive(Debug)]
pub enum Kept {
    /// It is stored, and this is the job now.
    Stored(Box<Head>),
    /// The user has asked to stop the job meanwhile, so nothing is stored. This is the job now.
    Changed(Box<Head>),
    /// Another worker has the job, or it is gone.
    Lost,
}

impl Ledger {
    pub fn new(platform: &Platform, lease: Duration) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            committer: Committer::new(platform)?,
            lease_ms: i64::try_from(lease.as_millis()).unwrap_or(i64::MAX),
            clock: platform.clock.clone(),
        })
    }

    /// Acquires a job that has not ended and that no worker has. `None` if there is no such job.
    pub async fn acquire(&self, user_id: &str, id: &str) -> Result<Option<Head>, Problem> {
        for _ in 0..ACQUIRE_ATTEMPTS {
            let now = self.clock.now();
            let Some(before) = self.jobs.get(user_id, id, now).await? else { return Ok(None) };
            if before.status.has_ended() || before.lease_until > now.as_millisecond() {
                return Ok(None);
            }
            let after = leased(&before, self.lease_ms, now).changed(|after| {
                after.status = JobStatus::Running;
                after.started_at = after.started_at.or(Some(now.as_millisecond()));
                after.epoch += 1;
            });
            if self.jobs.save(before.revision, &after, now).await? == Saved::Stored {
                return Ok(Some(after));
            }
        }
        Ok(None)
    }

    /// The job as it is now. If its lease ends soon, it is extended.
    pub async fn look(&self, head: &Head) -> Result<Kept, Problem> {
        let now = self.clock.now();
        let Some(found) = self.jobs.get(&head.user_id, &head.id, now).await? else {
            return Ok(Kept::Lost);
        };
        if found.epoch != head.epoch || found.status.has_ended() {
            return Ok(Kept::Lost);
        }
        if found.revision != head.revision {
            return Ok(Kept::Changed(Box::new(found)));
        }
        let extended = leased(&found, self.lease_ms, now);
        if extended == found {
            return Ok(Kept::Stored(Box::new(found)));
        }
        let after = extended.changed(|_| {});
        Ok(match self.jobs.save(found.revision, &after, now).await? {
            Saved::Stored => Kept::Stored(Box::new(after)),
            Saved::Changed(found) => changed(found, head),
        })
    }

    /// Gives a job up: its lease ends. `after` has the next revision.
    pub async fn release(&self, before: &Head, after: Head) -> Result<Kept, Problem> {
        let saved = self.jobs.save(before.revision, &after, self.clock.now()).await?;
        Ok(match saved {
            Saved::Stored => Kept::Stored(Box::new(after)),
            Saved::Changed(found) => changed(found, before),
        })
    }

    /// Stores a change of a job, with items and events, all or nothing. If the store does not
    /// answer, it is tried again. `after` has the next revision.
    pub async fn commit(
        &self,
        before: &Head,
        after: Head,
        items: &[Item],
        events: &[AuditDetails],
    ) -> Result<Kept, Problem> {
        let now = self.clock.now();
        let mark = ids::new_secret::<8>();
        let mut after = leased(&after, self.lease_ms, now);
        after.mark = mark;
        let mut attempt = 1;
        loop {
            match self.try_commit(before, &after, items, events).await {
                Ok(None) => return Ok(Kept::Stored(Box::new(after))),
                // The answer to an earlier attempt was lost.
                Ok(Some(found)) if found.as_ref().is_some_and(|found| found.mark == after.mark) => {
                    return Ok(Kept::Stored(Box::new(after)));
                }
                Ok(Some(found)) => return Ok(changed(found, before)),
                Err(problem) if attempt < ATTEMPTS => {
                    tracing::warn!(
                        job_id = before.id,
                        code = %problem.code,
                        "failed to store what the calls of a job gave; it is tried again"
                    );
                    attempt += 1;
                    sleep(PAUSE).await;
                }
                Err(problem) => return Err(problem),
            }
        }
    }

    /// The same once. Gives the job as it is, if another writer was faster.
    async fn try_commit(
        &self,
        before: &Head,
        after: &Head,
        items: &[Item],
        events: &[AuditDetails],
    ) -> Result<Option<Option<Box<Head>>>, Problem> {
        let jobs = self.jobs.clone();
        let overtaken: Retry<Option<Option<Box<Head>>>> = Box::new(move |item| {
            let found = item.map(|item| jobs.read(item)).transpose();
            let found = found.map(|found| Plan::reply(Some(found.map(Box::new))));
            ready(found.map_err(Problem::from)).boxed()
        });
        let replace = self.jobs.replace(before.revision, after)?;
        let mut plan = Plan::reply(None).write_or_retry(replace, overtaken);
        for item in items {
            plan = plan.write(self.items.put(item)?);
        }
        let plan = events.iter().cloned().fold(plan, Plan::also);
        let info = RequestInfo::new(&before.origin.context, self.clock.now(), None);
        let caller = Some(&before.origin.caller);
        Ok(self.committer.commit(Ok(plan), caller, &info).await?.into_output())
    }
}

/// The job with a lease of at least two thirds of its time.
fn leased(head: &Head, lease_ms: i64, now: Timestamp) -> Head {
    let now = now.as_millisecond();
    if head.lease_until.saturating_sub(now) >= lease_ms / 3 * 2 {
        return head.clone();
    }
    let lease_until = now.saturating_add(lease_ms);
    // The first second in which the lease is over.
    Head { lease_until, due_at: Some((lease_until / 1_000).saturating_add(1)), ..head.clone() }
}

/// What a job is that another writer has changed.
fn changed(found: Option<Box<Head>>, mine: &Head) -> Kept {
    match found {
        Some(found) if found.epoch == mine.epoch && !found.status.has_ended() => {
            Kept::Changed(found)
        }
        _ => Kept::Lost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::head;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).unwrap()
    }

    #[test]
    fn a_lease_is_extended_when_a_third_of_it_is_over_and_the_job_is_due_after_it() {
        for (lease_ms, lease_until, now, expected) in [
            // No worker has it.
            (30_000, 0, 1_000_500, (1_030_500, 1_031)),
            (30_000, 999_000, 1_000_000, (1_030_000, 1_031)),
            // Two thirds are left, and a little less.
            (30_000, 1_020_000, 1_000_000, (1_020_000, 60)),
            (30_000, 1_019_999, 1_000_000, (1_030_000, 1_031)),
            (30_000, 1_030_000, 1_000_000, (1_030_000, 60)),
            (1_000, 1_000_666, 1_000_000, (1_000_666, 60)),
            (1_000, 1_000_665, 1_000_000, (1_001_000, 1_002)),
        ] {
            let before = Head { lease_until, ..head(1) };
            let after = leased(&before, lease_ms, at(now));
            let (lease_until, due_at) = expected;
            let case = format!("{lease_ms} {lease_until} {now}");
            assert_eq!(after, Head { lease_until, due_at: Some(due_at), ..before }, "{case}");
        }
    }

    #[test]
    fn a_job_is_lost_to_another_worker_and_at_its_end() {
        let mine = head(1);
        let changed = |found: Option<Head>| super::changed(found.map(Box::new), &mine);
        let asked = Head { cancel_requested: true, revision: 8, ..mine.clone() };
        assert!(matches!(changed(Some(asked.clone())), Kept::Changed(found) if *found == asked));
        for found in [
            None,
            Some(Head { epoch: mine.epoch + 1, ..asked.clone() }),
            Some(Head { status: JobStatus::Cancelled, ..asked }),
        ] {
            assert!(matches!(changed(found), Kept::Lost));
        }
    }
}
