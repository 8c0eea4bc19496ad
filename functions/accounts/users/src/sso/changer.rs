//! The parts that both changes need.

use platform::audit::AuditDetails;
use platform::database::StoreError;
use platform::store::{AdminsChange, User, Users};
use platform::{ConfigError, Plan, Platform};
use tally_accounts::sessions::Ending;
use tally_accounts::store::MailTokens;

use crate::admins;

/// Changes how the owners of accounts sign in.
#[derive(Clone)]
pub struct SignInChanger {
    pub users: Users,
    tokens: MailTokens,
    ending: Ending,
}

impl SignInChanger {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            tokens: MailTokens::new(platform)?,
            ending: Ending::new(platform)?,
        })
    }

    /// Adds the end of an account's sessions and mailed tokens to a plan. Its own write, which the
    /// caller adds, takes the sessions off its list.
    pub async fn end<O>(&self, plan: Plan<O>, user: &User) -> Result<Plan<O>, StoreError> {
        let plan = self.tokens.forget_all(&user.id).into_iter().fold(plan, Plan::write);
        let sessions: Vec<_> = user.sessions.keys().cloned().collect();
        self.ending.add(plan, &sessions).await
    }

    /// Adds the word of the caller. If the account is an administrator's, there must be another
    /// one: nothing shows that its owner can sign in again.
    pub fn on_word_of<O: 'static>(
        &self,
        plan: Plan<O>,
        admin_id: String,
        user: &User,
        details: AuditDetails,
    ) -> Plan<O> {
        let change = if user.is_admin() { AdminsChange::NeedAnother } else { AdminsChange::Stay };
        admins::on_word_of(plan, &self.users, admin_id, change, details)
    }
}

/// The details of a change: whose the account was or is, and what ends with the change.
pub fn details(before: &User, after: &User) -> AuditDetails {
    let ids = |ids: Vec<&String>| ids.into_iter().cloned().collect::<Vec<_>>();
    let sso = after.sso.as_ref().or(before.sso.as_ref());
    // The identity is a fingerprint, because the audit log outlives the account.
    let details = sso.iter().fold(AuditDetails::default(), |details, sso| {
        details
            .detail("tenant", sso.identity.tenant.as_str())
            .detail("identity", sso.identity.fingerprint())
    });
    let rebound = after.sso.as_ref().and(before.sso.as_ref());
    let rebound = rebound.filter(|sso| !after.belongs_to(&sso.identity));
    let details = rebound.iter().fold(details, |details, sso| {
        details.detail("identity_before", sso.identity.fingerprint())
    });
    let sessions = before.sessions.keys().filter(|id| !after.sessions.contains_key(*id));
    let keys = before.api_keys.keys().filter(|id| !after.api_keys.contains_key(*id));
    details
        .detail("ended_sessions", ids(sessions.collect()))
        .detail("ended_api_keys", ids(keys.collect()))
}
