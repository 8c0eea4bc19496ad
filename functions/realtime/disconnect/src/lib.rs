//! `$disconnect`: forgets a connection that has ended and its subscriptions, whose workers stop when they find them gone.
//! API Gateway calls it when it can; what it misses expires.

use platform::config::ConfigError;
use platform::plan::Reply;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, ActionRoute};
use platform::socket::{Call, Lifecycle};
use platform::store::{Connections, Subscriptions};

/// The end of a connection.
pub struct Disconnect {
    connections: Connections,
    subscriptions: Subscriptions,
}

impl Lifecycle for Disconnect {
    const ROUTE: ActionRoute = routes::DISCONNECT;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let (database, config) = (platform.database()?, &platform.config);
        Ok(Self { connections: Connections::new(database.clone(), config)?, subscriptions: Subscriptions::new(database, config)? })
    }

    async fn handle(&self, call: &Call) -> Result<Reply<()>, Problem> {
        self.connections.forget(&call.connection_id).await?;
        self.subscriptions.end_all(&call.connection_id).await?;
        Ok(Reply::new(()))
    }
}
