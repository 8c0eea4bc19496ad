//! The removal of jobs that their users have deleted, and of those that deleted accounts leave. No
//! caller reaches either.

use jiff::Timestamp;
use platform::{ConfigError, Platform, Problem};
use tally_files::Bucket;

use crate::domain::keys;
use crate::store::{Items, Jobs, Saved};

/// Removes jobs.
#[derive(Debug, Clone)]
pub struct JobsPurge {
    jobs: Jobs,
    items: Items,
    bucket: Bucket,
}

/// What a step of a purge has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purged {
    /// Some jobs are gone, or there was nothing to do.
    Done {
        /// Whether there may be more.
        more: bool,
    },
    /// The jobs that are left have not ended. They were told to stop, and a later run deletes them.
    Unfinished,
}

impl JobsPurge {
    /// Uses the tables that `JOBS_TABLE` and `JOB_ITEMS_TABLE` name, and the bucket that
    /// `FILES_BUCKET` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            jobs: Jobs::new(platform)?,
            items: Items::new(platform)?,
            bucket: Bucket::new(platform)?,
        })
    }

    /// Deletes the next jobs of a deleted account with their items and inputs, and at last their
    /// counter, and the inputs of jobs that were not started. A job that has not ended is told to
    /// stop, because its worker has to give back what it holds of the budgets. The heads go last,
    /// because they lead to the rest.
    pub async fn step_of_account(&self, user_id: &str, now: Timestamp) -> Result<Purged, Problem> {
        let ids = self.jobs.some_of(user_id).await?;
        if ids.is_empty() {
            self.bucket.delete_all(&keys::of_user(user_id)).await?;
            return Ok(Purged::Done { more: false });
        }
        let (mut gone, mut is_unfinished) = (Vec::new(), false);
        for id in ids {
            let is_job = Jobs::is_job(&id);
            // The counter comes last, because the ends of jobs change it.
            let is_left =
                if is_job { self.is_open(user_id, &id, now).await? } else { is_unfinished };
            is_unfinished |= is_left;
            if is_left {
                continue;
            }
            if is_job {
                self.empty(user_id, &id).await?;
            }
            gone.push(id);
        }
        if gone.is_empty() {
            return Ok(Purged::Unfinished);
        }
        self.jobs.delete_each(user_id, &gone).await?;
        Ok(Purged::Done { more: true })
    }

    /// Deletes a job that its user has deleted, with its inputs and items. Its head goes last.
    pub async fn delete(&self, user_id: &str, job_id: &str) -> Result<(), Problem> {
        self.empty(user_id, job_id).await?;
        Ok(self.jobs.delete_each(user_id, &[job_id.to_owned()]).await?)
    }

    /// Deletes the inputs and the items of a job. The inputs go first, because a job can have
    /// thousands of items.
    async fn empty(&self, user_id: &str, job_id: &str) -> Result<(), Problem> {
        self.bucket.delete_all(&keys::inputs(user_id, job_id)).await?;
        self.items.delete_all(job_id).await?;
        Ok(())
    }

    /// Whether a job has not ended. Such a job is told to stop.
    async fn is_open(&self, user_id: &str, id: &str, now: Timestamp) -> Result<bool, Problem> {
        let Some(mut head) = self.jobs.get(user_id, id, now).await? else { return Ok(false) };
        loop {
            if head.status.has_ended() {
                return Ok(false);
            }
            if head.cancel_requested {
                return Ok(true);
            }
            let after = head.changed(|after| {
                after.cancel_requested = true;
                after.due_at = Some(now.as_second());
            });
            match self.jobs.save(head.revision, &after, now).await? {
                Saved::Stored => return Ok(true),
                Saved::Changed(Some(changed)) => head = *changed,
                Saved::Changed(None) => return Ok(false),
            }
        }
    }
}
