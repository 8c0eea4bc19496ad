//! The end of an account: with it go its unique names, mailed tokens and sessions.

use platform::database::StoreError;
use platform::plan::Retry;
use platform::store::{User, Users};
use platform::{ConfigError, Plan, Platform, Problem};

use crate::sessions::Ending;
use crate::store::MailTokens;

/// Removes accounts.
#[derive(Debug, Clone)]
pub struct Removal {
    users: Users,
    tokens: MailTokens,
    ending: Ending,
}

impl Removal {
    /// Uses the tables of accounts, mailed tokens and sessions, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            tokens: MailTokens::new(platform)?,
            ending: Ending::new(platform)?,
        })
    }

    /// Adds the end of an account to a plan. If the account changes meanwhile, `again` makes a new
    /// plan. The last administrator stays.
    pub async fn add<O>(
        &self,
        plan: Plan<O>,
        user: &User,
        again: Retry<O>,
    ) -> Result<Plan<O>, StoreError> {
        let (account, names) = self.users.remove(user);
        let plan = names.into_iter().fold(plan, Plan::write);
        let plan = self.tokens.forget_all(&user.id).into_iter().fold(plan, Plan::write);
        let sessions: Vec<_> = user.sessions.keys().cloned().collect();
        let plan = self.ending.add(plan, &sessions).await?.write_or_retry(account, again);
        // This comes after the account's own write. If that were stale, this would judge an old
        // state.
        let dismiss = self.users.dismiss_admin(&user.id);
        Ok(if user.is_admin() { plan.write_or(dismiss, Problem::last_admin()) } else { plan })
    }
}
