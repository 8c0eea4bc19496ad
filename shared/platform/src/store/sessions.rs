//! The table of sessions.
//!
//! Key: `id`. A session that has ended is not there any more; one that has run out may still be, so its times are
//! compared by whoever reads it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Database, Expression, Item, StoreError, Write, item, key, n, read, s};
use crate::config::{Config, ConfigError};
use crate::identity::Identity;
use crate::tokens::PairClaims;

/// The sessions' table.
#[derive(Debug, Clone)]
pub struct Sessions {
    database: Database,
    table: String,
}

/// One session: its tokens by their hashes and claims, never the tokens themselves.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Session {
    /// UUIDv7.
    pub id: String,
    /// Whose it is.
    pub user_id: String,
    /// Username when it began.
    pub username: String,
    /// Milliseconds since 1970.
    pub began_at: i64,
    /// Milliseconds since 1970 of the login or last refresh.
    pub last_used_at: i64,
    /// Seconds since 1970 when it idles out, at most when it ends for good; also its time to live.
    pub expires_at: i64,
    /// Client's address at the login.
    pub address: String,
    /// Client's `User-Agent` at the login.
    pub user_agent: String,
    /// SHA-256 of the refresh token that is good now.
    pub refresh_hash: String,
    /// SHA-256 of its immediate predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_hash: Option<String>,
    /// Milliseconds since 1970 of the rotation from the predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<i64>,
    /// What the pair that is good now says: signed again for a caller within the grace.
    pub pair: PairClaims,
}

impl Session {
    /// Whether it has not run out.
    pub fn is_live(&self, now: Timestamp) -> bool {
        now.as_second() < self.expires_at
    }
}

impl Sessions {
    /// Uses the table that `SESSIONS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("SESSIONS_TABLE")?.to_owned() })
    }

    /// The session with this id, as it is now.
    pub async fn get(&self, id: &str) -> Result<Option<Session>, StoreError> {
        self.database.get(&self.table, key("id", id), true).await
    }

    /// Those of these sessions, at most a hundred, that are there.
    pub async fn get_all<'a>(&self, ids: impl Iterator<Item = &'a String>) -> Result<Vec<Session>, StoreError> {
        self.database.get_all(&self.table, ids.map(|id| key("id", id)).collect()).await
    }

    /// Whether the session in which a caller says to be is theirs and has not ended.
    pub async fn holds(&self, caller: &Identity, now: Timestamp) -> Result<bool, StoreError> {
        let session = self.get(&caller.session_id).await?;
        Ok(session.is_some_and(|session| session.is_live(now) && session.user_id == caller.user_id))
    }

    /// Asks that a session stands when other writes are committed: it may have ended since it was read.
    pub fn must_stand(&self, id: &str, now: Timestamp) -> Write {
        // An item that is not there fails the comparison as well.
        Write::check(&self.table, key("id", id), "expires_at > :now", &Expression::default().value("now", n(now.as_second())))
    }

    /// A new session.
    pub fn begin(&self, session: &Session) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(session)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// The session with its next pair, if the refresh token with this hash is still the good one.
    pub fn rotate(&self, session: &Session, spent_hash: &str) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(session)?, "refresh_hash = :spent", &Expression::default().value("spent", s(spent_hash))))
    }

    /// Ends a session.
    pub fn end(&self, id: &str) -> Write {
        Write::delete(&self.table, key("id", id))
    }

    /// What a failed condition of [`Sessions::rotate`] found.
    pub fn read(&self, item: Item) -> Result<Session, StoreError> {
        read(item)
    }
}
