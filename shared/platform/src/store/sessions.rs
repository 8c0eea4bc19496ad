//! The table of sessions.
//!
//! Key: `id`. A session that has ended is not in the table. One that has run out may still be
//! there, so each reader compares its times.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Connection;
use crate::config::ConfigError;
use crate::database::{
    Database, Expression, Item, StoreError, Write, item, key, n, read, s, value,
};
use crate::domain::PairClaims;
use crate::identity::Identity;
use crate::platform::Platform;

/// WebSocket connections that a session may have open.
pub const CONNECTIONS_PER_SESSION: usize = 5;

/// The sessions' table.
#[derive(Debug, Clone)]
pub struct Sessions {
    database: Database,
    table: String,
}

/// One session: its tokens by their hashes and claims, never the tokens themselves.
#[derive(Clone, Serialize, Deserialize)]
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
    /// Seconds since 1970 when it runs out unused, at the latest when it ends for good. Also its
    /// time to live.
    pub expires_at: i64,
    /// Seconds since 1970 when it ends for good, if it began by single sign-on. Otherwise the
    /// setting `SESSION_SECONDS` decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<i64>,
    /// Client's address at the login.
    pub address: String,
    /// Client's `User-Agent` at the login.
    pub user_agent: String,
    /// SHA-256 of the refresh token that is valid now.
    pub refresh_hash: String,
    /// SHA-256 of its immediate predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_hash: Option<String>,
    /// Milliseconds since 1970 of the rotation from the predecessor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<i64>,
    /// Claims of the pair that is valid now. They are signed again for a caller within the grace.
    pub pair: PairClaims,
    /// WebSocket connections, and when each opened, in milliseconds since 1970. Some of them may
    /// have ended unnoticed.
    pub connections: BTreeMap<String, i64>,
}

crate::opaque!(Session);

impl Session {
    /// Whether it has not run out, nor ended for good.
    pub fn is_live(&self, now: Timestamp) -> bool {
        // A refresh that began before the session was bound may have noted a later expiry.
        let end = self.ends_at.map_or(self.expires_at, |ends_at| ends_at.min(self.expires_at));
        now.as_second() < end
    }

    /// The same session, which ends for good at this time at the latest, in seconds since 1970.
    #[must_use]
    pub fn bounded(self, ends_at: i64) -> Self {
        let ends_at = self.ends_at.map_or(ends_at, |earlier| earlier.min(ends_at));
        Self { expires_at: self.expires_at.min(ends_at), ends_at: Some(ends_at), ..self }
    }

    /// Whether it is the session that the caller names, and has not run out.
    pub fn holds(&self, caller: &Identity, now: Timestamp) -> bool {
        self.is_live(now) && self.id == caller.session_id && self.user_id == caller.user_id
    }
}

impl Sessions {
    /// Uses the table that `SESSIONS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("SESSIONS_TABLE")?.to_owned(),
        })
    }

    /// The session with this id, as it is now.
    pub async fn get(&self, id: &str) -> Result<Option<Session>, StoreError> {
        self.database.get(&self.table, key("id", id), true).await
    }

    /// The sessions with these ids, at most a hundred. Those that are not there are left out.
    pub async fn get_all<'a>(
        &self,
        ids: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<Session>, StoreError> {
        self.database.get_all(&self.table, ids.map(|id| key("id", id)).collect()).await
    }

    /// The session that a caller names, if it is theirs and has not ended.
    pub async fn of(
        &self,
        caller: &Identity,
        now: Timestamp,
    ) -> Result<Option<Session>, StoreError> {
        Ok(self.get(&caller.session_id).await?.filter(|session| session.holds(caller, now)))
    }

    /// Whether the session that a caller names is theirs and has not ended.
    pub async fn holds(&self, caller: &Identity, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.of(caller, now).await?.is_some())
    }

    /// Gives a connection a place in its session, if the session is live and has a place. Frees the
    /// places of connections that have ended. See [`Sessions::read`].
    pub fn take_place(&self, connection: &Connection, ended: &[String], now: Timestamp) -> Write {
        let mut expression = Expression::default()
            .name("connections", "connections")
            .name("new", &connection.connection_id)
            .value("opened", n(connection.connected_at))
            .value("now", n(now.as_second()))
            .value("places", n(CONNECTIONS_PER_SESSION + ended.len()));
        let mut update = "SET #connections.#new = :opened".to_owned();
        // The comparisons fail as well where there is no item.
        let mut condition = "expires_at > :now AND size(#connections) < :places".to_owned();
        for (position, id) in ended.iter().enumerate() {
            let _ = write!(
                update,
                "{} #connections.#old{position}",
                if position == 0 { " REMOVE" } else { "," }
            );
            let _ = write!(condition, " AND attribute_exists(#connections.#old{position})");
            expression = expression.name(&format!("old{position}"), id);
        }
        Write::update(
            &self.table,
            key("id", &connection.identity.session_id),
            &update,
            condition.as_str(),
            &expression,
        )
    }

    /// Frees the place of a connection that has ended, if its session has not.
    pub async fn leave_place(&self, connection: &Connection) -> Result<(), StoreError> {
        let expression = Expression::default()
            .name("connections", "connections")
            .name("old", &connection.connection_id);
        let key = key("id", &connection.identity.session_id);
        let left: Option<Session> = self
            .database
            .update_if(
                &self.table,
                key,
                "REMOVE #connections.#old",
                "attribute_exists(id)",
                &expression,
            )
            .await?;
        drop(left);
        Ok(())
    }

    /// A new session.
    pub fn begin(&self, session: &Session) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(session)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// Gives a session its next pair, if the refresh token with this hash is still the valid one.
    /// Other changes to the session are kept.
    pub fn rotate(&self, session: &Session, spent_hash: &str) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .value("used", n(session.last_used_at))
            .value("expires", n(session.expires_at))
            .value("hash", s(&session.refresh_hash))
            .value("previous", value(&session.previous_hash)?)
            .value("rotated", value(session.rotated_at)?)
            .value("pair", value(&session.pair)?)
            .value("spent", s(spent_hash));
        let update = "SET last_used_at = :used, expires_at = :expires, refresh_hash = :hash, \
                      previous_hash = :previous, \
                      rotated_at = :rotated, pair = :pair";
        Ok(Write::update(
            &self.table,
            key("id", &session.id),
            update,
            "refresh_hash = :spent",
            &expression,
        ))
    }

    /// Bounds a session to end at this time at the latest, as [`Session::bounded`] has it, if no
    /// refresh has moved its expiry meanwhile. See [`Sessions::read`].
    pub fn bound(&self, session: &Session, ends_at: i64) -> Write {
        let bounded = session.clone().bounded(ends_at);
        let expression = Expression::default()
            .value("seen", n(session.expires_at))
            .value("expires", n(bounded.expires_at))
            .value("ends", n(bounded.ends_at.unwrap_or(ends_at)));
        Write::update(
            &self.table,
            key("id", &session.id),
            "SET expires_at = :expires, ends_at = :ends",
            "expires_at = :seen",
            &expression,
        )
    }

    /// Ends a session.
    pub fn end(&self, id: &str) -> Write {
        Write::delete(&self.table, key("id", id))
    }

    /// Ends a session, if it is there. The condition fails where its connections are no longer
    /// these. See [`Sessions::read`].
    pub fn end_with(&self, session: &Session) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .name("connections", "connections")
            .value("listed", value(&session.connections)?);
        let condition = "attribute_not_exists(id) OR #connections = :listed";
        Ok(Write::delete_if(&self.table, key("id", &session.id), condition, &expression))
    }

    /// The session that a failed condition found.
    pub fn read(&self, item: Item) -> Result<Session, StoreError> {
        read(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::samples::sample_session;

    #[test]
    fn a_bound_only_brings_the_end_of_a_session_forward() {
        for (ends_at, bound, expected) in [
            (None, 600, (600, Some(600))),
            (None, 1200, (900, Some(1200))),
            (Some(1000), 600, (600, Some(600))),
            (Some(500), 600, (500, Some(500))),
        ] {
            let bounded = Session { ends_at, ..sample_session() }.bounded(bound);
            assert_eq!((bounded.expires_at, bounded.ends_at), expected, "{ends_at:?} {bound}");
        }
    }

    #[test]
    fn a_session_is_live_until_it_runs_out_or_ends_for_good() {
        for (ends_at, second, is_live) in [
            (None, 899, true),
            (None, 900, false),
            (Some(600), 599, true),
            (Some(600), 600, false),
            (Some(1200), 899, true),
            (Some(1200), 900, false),
        ] {
            let now = Timestamp::from_second(second).unwrap();
            let found = Session { ends_at, ..sample_session() }.is_live(now);
            assert_eq!(found, is_live, "{ends_at:?} at {second}");
        }
    }
}
