//! The table of open WebSocket connections.
//!
//! Key: `connection_id`. Which connections a session has is in the session's item.

use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::database::{Database, Expression, Item, StoreError, Write, item, key, n, read};
use crate::domain::Peer;
use crate::identity::Identity;
use crate::platform::Platform;

/// Seconds that an item is kept: API Gateway ends a connection after two hours.
const KEPT_SECONDS: i64 = 2 * 3_600 + 600;

/// The connections' table.
#[derive(Debug, Clone)]
pub struct Connections {
    database: Database,
    table: String,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connection {
    /// API Gateway's id.
    pub connection_id: String,
    /// Whose it is, in which session.
    #[serde(flatten)]
    pub identity: Identity,
    /// Seconds since 1970 when the token that it came with expires.
    pub token_exp: i64,
    /// Milliseconds since 1970.
    pub connected_at: i64,
    /// Client's address.
    pub address: String,
    /// Client's `User-Agent`.
    pub user_agent: String,
    /// Time to live, seconds since 1970.
    pub expires_at: i64,
}

impl Connection {
    /// The connection as a sender has to know it, once a message has come over it.
    pub fn peer(&self) -> Peer<'_> {
        Peer::open(&self.connection_id)
    }

    /// Expiry of everything that belongs to a connection that began at this time, seconds since
    /// 1970.
    pub fn expiry(connected_at: i64) -> i64 {
        connected_at.div_euclid(1000) + KEPT_SECONDS
    }
}

impl Connections {
    /// Uses the table that `CONNECTIONS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("CONNECTIONS_TABLE")?.to_owned(),
        })
    }

    /// The connection, as it is now.
    pub async fn get(&self, connection_id: &str) -> Result<Option<Connection>, StoreError> {
        self.database.get(&self.table, key("connection_id", connection_id), true).await
    }

    /// The connections with these ids, at most a hundred, as they are now. Those that are not there
    /// are left out.
    pub async fn get_all(&self, ids: &[String]) -> Result<Vec<Connection>, StoreError> {
        let keys = ids.iter().map(|id| key("connection_id", id)).collect();
        self.database.get_all(&self.table, keys).await
    }

    /// A new connection.
    pub fn open(&self, connection: &Connection) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(connection)?,
            "attribute_not_exists(connection_id)",
            &Expression::default(),
        ))
    }

    /// Gives a connection the expiry of a new token, which must be no earlier than the one it has.
    /// See [`Connections::read`].
    pub fn renew(&self, connection_id: &str, token_exp: i64) -> Write {
        let expression = Expression::default().value("exp", n(token_exp));
        // The comparison fails as well where there is no item.
        Write::update(
            &self.table,
            key("connection_id", connection_id),
            "SET token_exp = :exp",
            "token_exp <= :exp",
            &expression,
        )
    }

    /// The connection that the failed condition of [`Connections::renew`] found.
    pub fn read(&self, item: Item) -> Result<Connection, StoreError> {
        read(item)
    }

    /// Forgets a connection, and gives what was known of it.
    pub async fn forget(&self, connection_id: &str) -> Result<Option<Connection>, StoreError> {
        self.database.delete(&self.table, key("connection_id", connection_id)).await
    }
}
