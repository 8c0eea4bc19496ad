//! The account of a user who is erased.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::plan::Retry;
use platform::store::{User, Users};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_accounts::Removal;
use tally_chat::store::{Deleted, PurgeJobs};

/// Removes accounts, as their owners do.
#[derive(Clone)]
pub struct Accounts {
    users: Users,
    removal: Removal,
    purge_jobs: PurgeJobs,
}

impl Accounts {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            removal: Removal::new(platform)?,
            purge_jobs: PurgeJobs::new(platform)?,
        })
    }

    /// The account of a user, if there is one.
    pub async fn find(&self, user_id: &str) -> Result<Option<User>, Problem> {
        Ok(self.users.get(user_id).await?)
    }

    /// Leaves the purge job of an account that has gone, unless it is there.
    pub fn purge(&self, user_id: &str, now: Timestamp) -> Result<Plan<()>, Problem> {
        let job = self.purge_jobs.leave(Deleted::Users, user_id, user_id, now)?;
        let is_there: Retry<()> = Box::new(|_| async { Ok(Plan::reply(())) }.boxed());
        Ok(Plan::reply(()).write_or_retry(job, is_there))
    }

    /// Removes an account, and leaves its purge job. The last administrator stays until there is
    /// another, and a run that waits for that leaves no event. The user gets no mail, because a
    /// queued mail would keep the address. Boxed, because it calls this function again if the
    /// account changes meanwhile.
    pub fn remove(
        self,
        user: User,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            if user.is_admin() && self.users.is_last_admin(&user.id).await? {
                return Err(Problem::last_admin());
            }
            let ended: Vec<_> = user.sessions.keys().cloned().collect();
            let details = AuditDetails::action("account.deleted")
                .resource("user", &user.id)
                .detail("ended_sessions", ended);
            let accounts = self.clone();
            let again: Retry<()> = Box::new(move |found| {
                async move {
                    match found {
                        Some(item) => {
                            let user = accounts.users.read(item)?;
                            accounts.remove(user, now).await
                        }
                        // The owner was faster, or another run of this worker.
                        None => Ok(Plan::reply(())),
                    }
                }
                .boxed()
            });
            let plan = self.removal.add(Plan::reply(()).details(details), &user, again).await?;
            let job = self.purge_jobs.leave(Deleted::Users, &user.id, &user.id, now)?;
            Ok(plan.write(job))
        }
        .boxed()
    }
}
