//! Ends what a session that has ended leaves open.

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::sender::Sender;
use crate::config::ConfigError;
use crate::plan::Then;
use crate::platform::Platform;
use crate::store::Connections;

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

    /// Closes every connection of these sessions. It cannot fail whoever ended them: a connection that is missed is refused
    /// its next message and every further frame, because both read the session.
    async fn end_sessions(&self, session_ids: &[String]) {
        join_all(session_ids.iter().map(async |session_id| match self.connections.of_session(session_id).await {
            Ok(ids) => {
                for id in ids {
                    if let Err(error) = self.sender.close(&id).await {
                        tracing::warn!(%error, connection_id = id, "a connection stays open");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, session_id, "its connections stay open"),
        }))
        .await;
    }
}
