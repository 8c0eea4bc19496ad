//! `$disconnect`: deletes a connection that has ended and its subscriptions, and frees its place.
//! The workers of these subscriptions stop when they find them gone. API Gateway calls this
//! function when it can. The connections that it misses expire. If a session has no place left,
//! `$connect` checks its places before it refuses a client.

use platform::plan::Reply;
use platform::routes::{self, ActionRoute};
use platform::socket::{Lifecycle, SocketCall};
use platform::store::{Connections, Sessions};
use platform::{ConfigError, Platform, Problem};
use tally_data::store::Subscriptions;

/// The end of a connection.
pub struct Disconnect {
    sessions: Sessions,
    connections: Connections,
    subscriptions: Subscriptions,
}

impl Lifecycle for Disconnect {
    const ROUTE: ActionRoute = routes::DISCONNECT;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            sessions: Sessions::new(platform)?,
            connections: Connections::new(platform)?,
            subscriptions: Subscriptions::new(platform)?,
        })
    }

    async fn handle(&self, call: &SocketCall) -> Result<Reply<()>, Problem> {
        let known = self.connections.forget(&call.connection_id).await?;
        self.subscriptions.end_all(&call.connection_id).await?;
        if let Some(connection) = known {
            self.sessions.leave_place(&connection).await?;
        }
        Ok(Reply::new(()))
    }
}
