//! Checks whether the credential of the caller who asked for a reply is still valid. Also checks
//! whether the caller may still read the sources of the reply.

use jiff::Timestamp;
use platform::database::StoreError;
use platform::identity::{Caller as _, Identity, Principal};
use platform::store::{Sessions, Users};
use platform::{ConfigError, Platform};
use tally_access::domain::Action;
use tally_access::sources::Readers;

use crate::store::Message;

/// Reads sessions, API keys and rules. The worker of a reply calls it, and stops writing when the
/// credential has ended, or the right to read.
#[derive(Debug, Clone)]
pub struct Credentials {
    sessions: Sessions,
    users: Users,
    readers: Readers,
}

impl Credentials {
    /// Uses the tables that `SESSIONS_TABLE` and `USERS_TABLE` name, and those of [`Readers`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sessions: Sessions::new(platform)?,
            users: Users::new(platform)?,
            readers: Readers::new(platform)?,
        })
    }

    /// Whether a caller's session is valid, or their API key has neither ended nor expired.
    pub async fn are_good(&self, caller: &Principal, now: Timestamp) -> Result<bool, StoreError> {
        match Identity::from_principal(Some(caller)) {
            Some(identity) => self.sessions.holds(&identity, now).await,
            None => self.users.has_key(&caller.user_id, caller.credential.id(), now).await,
        }
    }

    /// Whether the user of a reply may read all of its sources.
    pub async fn may_read(&self, reply: &Message, now: Timestamp) -> Result<bool, StoreError> {
        let rights = self.readers.rights(&reply.user_id, &[&reply.sources], now).await?;
        Ok(rights.may(&reply.sources, Action::Read))
    }
}
