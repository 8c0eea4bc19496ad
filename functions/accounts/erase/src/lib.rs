//! The worker that destroys the data of a user, after a second administrator has confirmed that.
//!
//! It does all that it can in one run, and a schedule starts it again until nothing is left. Each
//! step changes nothing where it has been done. So a run that is cut, or that two processes do at
//! once, does no harm.
//!
//! 1. It erases the data key. From then on no text of the user's events can be read.
//! 2. It removes the account with its sessions and mailed tokens, and the API keys.
//! 3. It starts `purge-conversations`, which stops replies and jobs, and deletes the conversations,
//!    jobs and files.
//! 4. It deletes the texts of the user's events.
//! 5. A later run repeats these steps, when the conversations and jobs are gone and no function has
//!    the plain key any more. Then it deletes usage and budget, and records the end.

mod account;
mod event_texts;

use std::time::Duration;

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::clock::{Clock, Timestamp};
use platform::gate::{Committer, RequestInfo};
use platform::runtime::Invocation;
use platform::store::{ApiKeys, Order};
use platform::worker::{Invoker, Worker};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_accounts::EraseStart;
use tally_accounts::store::{Confirmation, Erasure, Erasures};
use tally_chat::PurgeStart;
use tally_chat::store::{Budgets, PurgeJobs, UsageLog};
use texts::store::WrappedKeys;

use account::Accounts;
use event_texts::EventTexts;

/// Milliseconds after the erasure of the key in which functions may still write texts: a process
/// keeps a plain key for five minutes. An event takes some seconds more.
const SETTLES_FOR_MS: i64 = 10 * 60_000;

/// Time before the end of the invocation in which no further texts are looked for.
const MARGIN: Duration = Duration::from_secs(20);

/// The worker.
pub struct Erase {
    erasures: Erasures,
    keys: WrappedKeys,
    texts: EventTexts,
    accounts: Accounts,
    api_keys: ApiKeys,
    purge_jobs: PurgeJobs,
    purger: Invoker,
    usage: UsageLog,
    budgets: Budgets,
    committer: Committer,
    clock: Clock,
}

impl Worker for Erase {
    type Payload = EraseStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            erasures: Erasures::new(platform)?,
            keys: WrappedKeys::new(platform)?,
            texts: EventTexts::new(platform)?,
            accounts: Accounts::new(platform)?,
            api_keys: ApiKeys::new(platform)?,
            purge_jobs: PurgeJobs::new(platform)?,
            purger: Invoker::new(&platform.config, "PURGE_CONVERSATIONS_ARN")?,
            usage: UsageLog::new(platform)?,
            budgets: Budgets::new(platform)?,
            committer: Committer::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// Handles the user that it is started for, and then the other erasures that run. One that
    /// fails delays no other.
    async fn run(&self, start: EraseStart, invocation: Invocation) -> Result<(), Problem> {
        let mut result = Ok(());
        if let Some(user_id) = &start.user_id {
            result = self.try_erase(user_id, &invocation).await;
        }
        let mut after = None;
        loop {
            let running = self.erasures.running(after.as_deref()).await?;
            for user_id in running.iter().filter(|id| Some(*id) != start.user_id.as_ref()) {
                result = self.try_erase(user_id, &invocation).await.and(result);
            }
            let Some(last) = running.into_iter().next_back() else { return result };
            after = Some(last);
        }
    }
}

impl Erase {
    async fn try_erase(&self, user_id: &str, invocation: &Invocation) -> Result<(), Problem> {
        let erased = self.erase(user_id, invocation).await;
        if let Err(problem) = &erased {
            tracing::error!(
                user_id,
                code = %problem.code,
                "failed to erase a user; the next run goes on"
            );
        }
        erased
    }

    async fn erase(&self, user_id: &str, invocation: &Invocation) -> Result<(), Problem> {
        let Some(erasure) = self.erasures.get(user_id).await? else { return Ok(()) };
        let Some(confirmation) = &erasure.confirmation else { return Ok(()) };
        let now = self.clock.now();
        let erased_at = self.keys.erase(user_id, now).await?;
        self.remove_account(&erasure, confirmation, now).await?;
        self.api_keys.delete_all(user_id).await?;
        let is_purged = !self.purge_jobs.has_any(user_id).await?;
        if !is_purged {
            self.start_purge(user_id).await?;
        }
        // This comes after the look at the purge jobs: the end of a reply has texts, and so has the
        // call of a job.
        self.delete_texts(&erasure, erased_at, invocation).await?;
        if !is_purged || now.as_millisecond() < erased_at + SETTLES_FOR_MS {
            return Ok(());
        }
        // The end of a reply or a job changes both. By now all of the user's have ended.
        self.usage.forget(user_id).await?;
        self.budgets.forget(user_id).await?;
        self.complete(&erasure, confirmation).await
    }

    /// Deletes the texts of the user's events, and notes how far it has come. It looks again at
    /// events that could have come since.
    async fn delete_texts(
        &self,
        erasure: &Erasure,
        erased_at: i64,
        invocation: &Invocation,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        let mut from = erasure.texts_deleted_to;
        let mut rest = EventTexts::left(from, now);
        while let Some(range) = rest {
            if invocation.remaining() < MARGIN {
                let user_id = &erasure.user_id;
                tracing::warn!(user_id, "failed to delete all texts of a user in time");
                return Err(Problem::unavailable());
            }
            rest = self.texts.delete(&erasure.user_id, range).await?;
            let reached = rest.map_or(now, |rest| rest.reached(Order::Ascending));
            let deleted_to = reached.as_millisecond().min(erased_at - SETTLES_FOR_MS);
            if from.is_none_or(|from| from < deleted_to) {
                self.erasures.note_texts(&erasure.user_id, deleted_to).await?;
                from = Some(deleted_to);
            }
        }
        Ok(())
    }

    /// Removes the account. If it has gone before, its conversations are purged all the same: a
    /// backup may have brought some back.
    async fn remove_account(
        &self,
        erasure: &Erasure,
        confirmation: &Confirmation,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let is_first_run = erasure.texts_deleted_to.is_none();
        let plan = match self.accounts.find(&erasure.user_id).await? {
            Some(user) => self.accounts.clone().remove(user, now).await,
            None if is_first_run => self.accounts.purge(&erasure.user_id, now),
            None => return Ok(()),
        };
        let info = RequestInfo::new(&confirmation.context, now, None);
        self.committer.commit(plan, Some(&confirmation.by), &info).await.map(drop)
    }

    /// Starts the worker that deletes conversations. Its schedule would do so too, an hour later at
    /// worst.
    async fn start_purge(&self, user_id: &str) -> Result<(), Problem> {
        let task = PurgeStart { conversation_id: None, user_id: Some(user_id.to_owned()) };
        self.purger.start(&task).await.map_err(|error| {
            tracing::error!(%error, user_id, "failed to start the purge of a user's conversations");
            Problem::unavailable()
        })
    }

    /// Records that the user is erased. Another run may have done so.
    async fn complete(
        &self,
        erasure: &Erasure,
        confirmation: &Confirmation,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        let details = AuditDetails::action("account.erased")
            .resource("user", &erasure.user_id)
            .detail("requested_by", erasure.requested_by.as_str());
        let plan = Plan::reply(()).details(details).write_or_retry(
            self.erasures.complete(&erasure.user_id, now),
            Box::new(|_| async { Ok(Plan::reply(())) }.boxed()),
        );
        let info = RequestInfo::new(&confirmation.context, now, None);
        self.committer.commit(Ok(plan), Some(&confirmation.by), &info).await.map(drop)
    }
}
