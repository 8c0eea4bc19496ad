//! The worker that deletes the remains of deleted conversations, accounts, workbooks and groups. It
//! handles the one that it is started for, and those whose own worker was not started or did not
//! finish. You can start it at any time, as often as you like. Without an id, started by hand or by
//! a schedule, it handles all remains.

use std::fmt::Debug;
use std::time::Duration;

use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use tally_access::store::{Leftover, Purge as AccessPurge};
use tally_chat::PurgeStart;
use tally_chat::store::{Deleted, Purge, PurgeJob, PurgeJobs};
use tally_files::FilesPurge;
use tally_jobs::{JobsPurge, Purged};
use tally_ranges::RangesPurge;
use tally_tasks::TasksPurge;

/// Milliseconds for which a purge job is left to the worker that was started for it. No request
/// lasts as long. So a request that was admitted before the account was deleted begins no
/// conversation, creates no task, announces no file and starts no job later.
const LEFT_FOR_MS: i64 = 60_000;

/// Time before the end of the invocation in which no batch is begun.
const MARGIN: Duration = Duration::from_secs(5);

/// The worker.
pub struct PurgeConversations {
    purge_jobs: PurgeJobs,
    purge: Purge,
    access: AccessPurge,
    ranges: RangesPurge,
    tasks: TasksPurge,
    jobs: JobsPurge,
    files: FilesPurge,
    clock: Clock,
}

impl Worker for PurgeConversations {
    type Payload = PurgeStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            purge_jobs: PurgeJobs::new(platform)?,
            purge: Purge::new(platform)?,
            access: AccessPurge::new(platform)?,
            ranges: RangesPurge::new(platform)?,
            tasks: TasksPurge::new(platform)?,
            jobs: JobsPurge::new(platform)?,
            files: FilesPurge::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// An error makes Lambda start the worker again, and so does the end of its time. It goes on
    /// where it stopped.
    async fn run(&self, start: PurgeStart, invocation: Invocation) -> Result<(), Problem> {
        for (deleted, id) in
            [(Deleted::Conversations, start.conversation_id), (Deleted::Users, start.user_id)]
        {
            if let Some(id) = id
                && let Some(job) = self.purge_jobs.find(deleted, &id).await?
            {
                self.run_job(&job, &invocation).await?;
            }
        }
        // Accounts come first, because they leave conversations.
        for deleted in [Deleted::Users, Deleted::Conversations] {
            let mut after = None;
            loop {
                let outstanding = self.purge_jobs.outstanding(deleted, after.as_deref()).await?;
                for job in outstanding.iter().filter(|job| self.is_left(job)) {
                    self.run_job(job, &invocation).await?;
                }
                let Some(last) = outstanding.into_iter().next_back() else { break };
                after = Some(last.id);
            }
        }
        // Accounts leave workbooks, too.
        for left in self.access.left().await? {
            self.purge_leftover(&left, &invocation).await?;
        }
        Ok(())
    }
}

impl PurgeConversations {
    async fn run_job(&self, job: &PurgeJob, invocation: &Invocation) -> Result<(), Problem> {
        match job.deleted {
            Deleted::Conversations => self.purge_conversation(job, invocation).await,
            Deleted::Users => self.purge_user(job, invocation).await,
        }
    }

    /// Deletes the messages of a conversation. If a reply has not ended, the worker tells it to
    /// stop, and the purge job stays.
    async fn purge_conversation(
        &self,
        job: &PurgeJob,
        invocation: &Invocation,
    ) -> Result<(), Problem> {
        let mut after = None;
        let mut unfinished = 0;
        loop {
            in_time(job, invocation)?;
            let purged =
                self.purge.delete_messages(&job.id, after.as_deref(), self.clock.now()).await?;
            unfinished += purged.unfinished;
            after = purged.last;
            if after.is_none() {
                break;
            }
        }
        if unfinished > 0 {
            tracing::info!(
                conversation_id = job.id,
                unfinished,
                "some replies have not ended; a later run deletes the rest"
            );
            return Ok(());
        }
        Ok(self.purge_jobs.done(job).await?)
    }

    /// Deletes the remains of a workbook or a group.
    async fn purge_leftover(
        &self,
        left: &Leftover,
        invocation: &Invocation,
    ) -> Result<(), Problem> {
        in_time(left, invocation)?;
        if let Leftover::Workbook(id) = left {
            while self.ranges.step_of_workbook(id).await? {
                in_time(left, invocation)?;
            }
        }
        while self.access.step_of(left).await? {
            in_time(left, invocation)?;
        }
        Ok(())
    }

    /// Ends the memberships of an account, and deletes its tasks, ranges, workbooks, conversations,
    /// jobs and files. The purge job stays as long as a request under way may begin another
    /// conversation, or create another task, job or file. It stays too while a job of the user has
    /// not ended. Jobs and files come last, because another service than the tables' has their
    /// bytes.
    async fn purge_user(&self, job: &PurgeJob, invocation: &Invocation) -> Result<(), Problem> {
        let mut settled = self.is_left(job);
        while self.tasks.step_of_account(&job.id).await? {
            in_time(job, invocation)?;
        }
        while self.ranges.step_of_account(&job.id).await? {
            in_time(job, invocation)?;
        }
        while self.access.step_of_account(&job.id).await? {
            in_time(job, invocation)?;
        }
        while let Some(conversation) =
            self.purge.delete_conversation(&job.id, self.clock.now()).await?
        {
            self.purge_conversation(&conversation, invocation).await?;
        }
        loop {
            match self.jobs.step_of_account(&job.id, self.clock.now()).await? {
                Purged::Done { more: true } => in_time(job, invocation)?,
                Purged::Done { more: false } => break,
                Purged::Unfinished => {
                    tracing::info!(
                        user_id = job.id,
                        "some jobs have not ended; a later run deletes the rest"
                    );
                    settled = false;
                    break;
                }
            }
        }
        while self.files.step_of_account(&job.id).await? {
            in_time(job, invocation)?;
        }
        if settled { Ok(self.purge_jobs.done(job).await?) } else { Ok(()) }
    }

    /// Whether the worker that was started for a purge job has had its time.
    fn is_left(&self, job: &PurgeJob) -> bool {
        job.deleted_at < self.clock.now().as_millisecond() - LEFT_FOR_MS
    }
}

fn in_time(job: &impl Debug, invocation: &Invocation) -> Result<(), Problem> {
    if invocation.remaining() < MARGIN {
        tracing::info!(?job, "failed to finish a purge job in time");
        return Err(Problem::unavailable());
    }
    Ok(())
}
