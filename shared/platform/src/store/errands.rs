//! The table of errands: mail that has been asked for and not been sent.
//!
//! Key: `id`. An errand is left by the transaction that makes the mail due, and taken by the one worker that sends it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Database;
use super::database::{Expression, StoreError, Write, item, key};
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::mail::Letter;

/// The errands' table.
#[derive(Debug, Clone)]
pub struct Errands {
    database: Database,
    table: String,
}

/// One mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// UUIDv7.
    pub id: String,
    /// Which, and to whom.
    pub letter: Letter,
    /// Where it was asked for: its events say so.
    pub context: Context,
    /// Seconds since 1970 when it was asked for.
    pub asked_at: i64,
    /// Seconds since 1970 when nobody waits for it any more; also its time to live.
    pub expires_at: i64,
}

impl Errands {
    /// Uses the table that `ERRANDS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("ERRANDS_TABLE")?.to_owned() })
    }

    /// A new errand.
    pub fn leave(&self, errand: &Errand) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(errand)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// An errand that still has to be run.
    pub async fn find(&self, id: &str, now: Timestamp) -> Result<Option<Errand>, StoreError> {
        let errand: Option<Errand> = self.database.get(&self.table, key("id", id), true).await?;
        Ok(errand.filter(|errand| now.as_second() < errand.expires_at))
    }

    /// Takes an errand, if nobody has.
    pub fn take(&self, id: &str) -> Write {
        Write::delete_if(&self.table, key("id", id), "attribute_exists(id)", &Expression::default())
    }
}
