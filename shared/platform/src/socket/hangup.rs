//! Ends what a session that has ended leaves open.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::sender::Sender;
use crate::config::ConfigError;
use crate::plan::Then;
use crate::platform::Platform;
use crate::store::Connections;

/// How long whoever ended a session waits for its connections to be closed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Closes the connections of sessions.
#[derive(Debug, Clone)]
pub struct Hangup {
    connections: Connections,
    sender: Sender,
}

impl Hangup {
    /// Uses the connections' table and its index, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            connections: Connections::new(platform.database()?, &platform.config)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
        })
    }

    /// What follows the commit that ended these sessions.
    pub fn after<O>(self, session_ids: Vec<String>) -> Then<O> {
        Box::new(move || {
            async move {
                self.end_sessions(&session_ids).await;
                Ok(None)
            }
            .boxed()
        })
    }

    /// Closes every connection of these sessions. It cannot fail whoever ended them, nor keep them waiting: a connection that
    /// is missed is refused its next message and, within seconds, every further frame, because all of them read the session.
    async fn end_sessions(&self, session_ids: &[String]) {
        let ended = join_all(session_ids.iter().map(|session_id| self.end_session(session_id)));
        if timeout(PATIENCE, ended).await.is_err() {
            tracing::warn!(?session_ids, "closing their connections takes too long");
        }
    }

    async fn end_session(&self, session_id: &str) {
        let close = async |id: &String| {
            if let Err(error) = self.sender.close(id).await {
                tracing::warn!(%error, connection_id = id, "a connection stays open");
            }
        };
        match self.connections.of_session(session_id).await {
            Ok(ids) => drop(join_all(ids.iter().map(close)).await),
            Err(error) => tracing::warn!(%error, session_id, "its connections stay open"),
        }
    }
}
