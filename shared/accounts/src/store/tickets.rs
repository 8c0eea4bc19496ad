//! The table of WebSocket tickets.
//!
//! Key: `ticket_hash`, SHA-256 of the ticket. The transaction that opens its connection deletes the
//! ticket, and so uses it up.

use jiff::Timestamp;
use platform::database::{Database, Expression, StoreError, Write, item, key, n};
use platform::identity::Identity;
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};

/// The tickets' table.
#[derive(Debug, Clone)]
pub struct Tickets {
    database: Database,
    table: String,
}

/// One ticket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// SHA-256 of the ticket that the client has.
    pub ticket_hash: String,
    /// The user whom it lets in, and the session.
    #[serde(flatten)]
    pub identity: Identity,
    /// Seconds since 1970 when the token expires with which the ticket was asked for.
    pub token_exp: i64,
    /// Seconds since 1970 when it expires; also its time to live.
    pub expires_at: i64,
}

platform::opaque!(Ticket);

impl Tickets {
    /// Uses the table that `TICKETS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("TICKETS_TABLE")?.to_owned(),
        })
    }

    /// A new ticket.
    pub fn issue(&self, ticket: &Ticket) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(ticket)?,
            "attribute_not_exists(ticket_hash)",
            &Expression::default(),
        ))
    }

    /// The record of a ticket. Only [`Tickets::spend`] tells whether it is still valid.
    pub async fn find(&self, ticket: &str) -> Result<Option<Ticket>, StoreError> {
        self.database.get(&self.table, key("ticket_hash", &ids::sha256(ticket)), true).await
    }

    /// Uses a ticket up, if it is there and has not expired.
    pub fn spend(&self, ticket: &Ticket, now: Timestamp) -> Write {
        let expression = Expression::default().value("now", n(now.as_second()));
        // The comparison fails as well where there is no item.
        Write::delete_if(
            &self.table,
            key("ticket_hash", &ticket.ticket_hash),
            "expires_at > :now",
            &expression,
        )
    }
}
