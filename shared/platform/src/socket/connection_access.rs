//! Checks whether a connection may still be used. Every message and every worker makes this check.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::config::ConfigError;
use crate::database::StoreError;
use crate::platform::Platform;
use crate::store::{Connection, Connections, Session, Sessions};

/// Seconds for which a connection outlives the token it came with.
const GRACE_SECONDS: i64 = 3_600;

/// Reads connections.
#[derive(Debug, Clone)]
pub struct ConnectionAccess {
    connections: Connections,
    sessions: Sessions,
}

impl ConnectionAccess {
    /// Uses the tables of connections and sessions.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { connections: Connections::new(platform)?, sessions: Sessions::new(platform)? })
    }

    /// The connection, if its session is valid and the token it came with has not been expired for
    /// too long.
    pub async fn admit(
        &self,
        connection_id: &str,
        now: Timestamp,
    ) -> Result<Option<Connection>, StoreError> {
        let Some(connection) = self.find(connection_id, now).await? else { return Ok(None) };
        Ok(self.holds(&connection, now).await?.then_some(connection))
    }

    /// The connection, if the token it came with has not been expired for too long. The session is
    /// not checked.
    pub(super) fn find<'a>(
        &'a self,
        connection_id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Option<Connection>, StoreError>> {
        async move {
            let connection = self.connections.get(connection_id).await?;
            Ok(connection.filter(|connection| is_current(connection.token_exp, now)))
        }
        .boxed()
    }

    /// The connections of these sessions that may be used now. Sessions that have ended have none.
    pub(super) fn of_sessions<'a>(
        &'a self,
        session_ids: &'a [String],
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Connection>, StoreError>> {
        async move {
            let mut sessions = self.sessions.get_all(session_ids.iter()).await?;
            sessions.retain(|session| session.is_live(now));
            let listed = sessions.iter().flat_map(|session| session.connections.keys().cloned());
            let ids: Vec<_> = listed.collect();
            let mut connections = self.connections.get_all(&ids).await?;
            connections.retain(|connection| {
                let holds = |session: &Session| session.holds(&connection.identity, now);
                is_current(connection.token_exp, now) && sessions.iter().any(holds)
            });
            Ok(connections)
        }
        .boxed()
    }

    /// Whether the session of a connection is valid.
    pub(super) fn holds<'a>(
        &'a self,
        connection: &'a Connection,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        async move { self.sessions.holds(&connection.identity, now).await }.boxed()
    }
}

fn is_current(token_exp: i64, now: Timestamp) -> bool {
    now.as_second() < token_exp.saturating_add(GRACE_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_outlives_its_token_by_an_hour() {
        for (now, expected) in
            [(0, true), (1_000, true), (4_599, true), (4_600, false), (9_000, false)]
        {
            assert_eq!(is_current(1_000, Timestamp::from_second(now).unwrap()), expected, "{now}");
        }
    }
}
