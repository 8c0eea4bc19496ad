//! Posts a message to every open connection of a user, without a subscription.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::connection_access::ConnectionAccess;
use super::frame::ServerMessage;
use super::sender::{SendError, Sender};
use crate::clock::Clock;
use crate::config::ConfigError;
use crate::database::StoreError;
use crate::domain::Peer;
use crate::platform::Platform;
use crate::store::{Connection, Users};

/// The longest time until a message is posted to all connections.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts messages to users.
#[derive(Debug, Clone)]
pub struct Broadcast {
    users: Users,
    access: ConnectionAccess,
    sender: Sender,
    clock: Clock,
}

impl Broadcast {
    /// Uses the tables of users, sessions and connections, and `@connections`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            access: ConnectionAccess::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    /// Posts a message to each connection of a user whose session is valid and whose token has not
    /// been expired for too long.
    ///
    /// The message is about a state that the client can read too. So a client that misses it loses
    /// nothing, and no failure here fails the worker.
    pub async fn post<M: ServerMessage>(&self, user_id: &str, message: &M) {
        let posted = async {
            let connections = match self.connections(user_id).await {
                Ok(connections) => connections,
                Err(error) => {
                    tracing::warn!(
                        %error,
                        user_id,
                        kind = M::TYPE,
                        "failed to find the connections of a user"
                    );
                    return;
                }
            };
            join_all(connections.iter().map(|connection| self.post_to(connection, message))).await;
        };
        if timeout(PATIENCE, posted).await.is_err() {
            tracing::warn!(user_id, kind = M::TYPE, "failed to post a message to a user in time");
        }
    }

    async fn connections(&self, user_id: &str) -> Result<Vec<Connection>, StoreError> {
        let session_ids = self.users.listed_sessions(user_id).await?;
        self.access.of_sessions(&session_ids, self.clock.now()).await
    }

    async fn post_to<M: ServerMessage>(&self, connection: &Connection, message: &M) {
        let Connection { connection_id, connected_at, .. } = connection;
        let peer = Peer { connection_id, connected_at: *connected_at };
        match self.sender.post(peer, None, message).await {
            // A session lists a closed connection until another one needs its place.
            Ok(()) | Err(SendError::Gone) => {}
            Err(error) => {
                tracing::warn!(
                    %error,
                    connection_id,
                    kind = M::TYPE,
                    "failed to post a message to a connection"
                );
            }
        }
    }
}
