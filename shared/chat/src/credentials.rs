//! Checks whether the credential of the caller who asked for a reply is still valid.

use jiff::Timestamp;
use platform::database::StoreError;
use platform::identity::{Caller as _, Identity, Principal};
use platform::store::{Sessions, Users};
use platform::{ConfigError, Platform};

/// Reads sessions and API keys. The worker of a reply calls it, and stops writing when the
/// credential has ended.
#[derive(Debug, Clone)]
pub struct Credentials {
    sessions: Sessions,
    users: Users,
}

impl Credentials {
    /// Uses the tables that `SESSIONS_TABLE` and `USERS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { sessions: Sessions::new(platform)?, users: Users::new(platform)? })
    }

    /// Whether a caller's session is valid, or their API key has neither ended nor expired.
    pub async fn are_good(&self, caller: &Principal, now: Timestamp) -> Result<bool, StoreError> {
        match Identity::from_principal(Some(caller)) {
            Some(identity) => self.sessions.holds(&identity, now).await,
            None => self.users.has_key(&caller.user_id, caller.credential.id(), now).await,
        }
    }
}
