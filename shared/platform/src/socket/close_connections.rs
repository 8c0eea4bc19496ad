//! Closes the connections that an ended session leaves open.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::sender::Sender;
use crate::config::ConfigError;
use crate::plan::AfterCommit;
use crate::platform::Platform;

/// Longest wait of a request that ended a session until its connections are closed.
const PATIENCE: Duration = Duration::from_secs(2);

/// Closes the connections of sessions.
#[derive(Debug, Clone)]
pub struct CloseConnections {
    sender: Sender,
}

impl CloseConnections {
    /// Uses `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { sender: Sender::new(&platform.config, platform.clock.clone())? })
    }

    /// The step after the commit that ended the sessions of these connections.
    pub fn after<O>(self, connection_ids: Vec<String>) -> AfterCommit<O> {
        Box::new(move || {
            async move {
                self.close(&connection_ids).await;
                Ok(None)
            }
            .boxed()
        })
    }

    /// Closes these connections. It cannot fail the request that ended their sessions, nor keep it
    /// waiting.
    ///
    /// A connection that it misses has its next message refused, and within seconds gets no further
    /// frame. The checks before both read the session.
    async fn close(&self, connection_ids: &[String]) {
        let closed = join_all(connection_ids.iter().map(|id| async move {
            if let Err(error) = self.sender.close(id).await {
                tracing::warn!(
                    %error,
                    connection_id = id,
                    "failed to close a connection whose session has ended"
                );
            }
        }));
        if timeout(PATIENCE, closed).await.is_err() {
            tracing::warn!(?connection_ids, "failed to close connections in time");
        }
    }
}
