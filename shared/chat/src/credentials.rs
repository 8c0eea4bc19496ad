//! Checks whether the credential of the caller who asked for a reply is still valid, and which
//! rights the caller has now. Also checks whether the caller may still read the sources of the
//! reply.

use futures_util::future::try_join3;
use jiff::Timestamp;
use platform::database::StoreError;
use platform::identity::{Authority, Caller as _, Identity, Principal};
use platform::store::{ApiKeys, Sessions, Users};
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
    keys: ApiKeys,
    readers: Readers,
}

impl Credentials {
    /// Uses the tables that `SESSIONS_TABLE`, `USERS_TABLE` and `API_KEYS_TABLE` name, and those of
    /// [`Readers`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sessions: Sessions::new(platform)?,
            users: Users::new(platform)?,
            keys: ApiKeys::new(platform)?,
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

    /// The rights of a caller at this moment: the current roles of the user, and the scopes of the
    /// API key. `None` if the session or key has ended, or if the user is not active.
    pub async fn authority(
        &self,
        caller: &Principal,
        now: Timestamp,
    ) -> Result<Option<Authority>, StoreError> {
        let scopes = async {
            if Identity::from_principal(Some(caller)).is_some() {
                return Ok::<_, StoreError>(Some(None));
            }
            let id = caller.credential.id();
            Ok(self.keys.scopes(id, &caller.user_id, now).await?.map(Some))
        };
        let (are_good, scopes, account) =
            try_join3(self.are_good(caller, now), scopes, self.users.standing(&caller.user_id))
                .await?;
        let (Some(scopes), Some(account)) = (scopes.filter(|_| are_good), account) else {
            return Ok(None);
        };
        Ok(account.is_active.then_some(Authority { scopes, roles: account.roles }))
    }

    /// Whether the user of a reply may read all of its sources.
    pub async fn may_read(&self, reply: &Message, now: Timestamp) -> Result<bool, StoreError> {
        let rights = self.readers.rights(&reply.user_id, &[&reply.sources], now).await?;
        Ok(rights.may(&reply.sources, Action::Read))
    }
}
