//! The table of what is out of order: written by whoever finds it out, read by `GET /ready`.
//!
//! Key: `part`, of which there is one, the assistant. There is nothing of anyone's in it: strangers have it read as often as they
//! like. What is written last holds: it is somebody's latest experience.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Database;
use super::database::{StoreError, item, key, unavailable};
use crate::config::{Config, ConfigError};

/// The outages' table.
#[derive(Debug, Clone)]
pub struct Outages {
    database: Database,
    table: String,
}

/// A time in which a part is not asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outage {
    /// Whether nothing takes its place.
    pub is_total: bool,
    /// Milliseconds since 1970 when it is asked again.
    pub until: i64,
}

/// An outage as it is stored.
#[derive(Serialize)]
struct Stored<'a> {
    part: &'a str,
    #[serde(flatten)]
    outage: Outage,
    /// Time to live, seconds since 1970.
    expires_at: i64,
}

const ASSISTANT: &str = "assistant";

impl Outages {
    /// Uses the table that `OUTAGES_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("OUTAGES_TABLE")?.to_owned() })
    }

    /// The assistant's outage, if there is one.
    pub async fn current(&self, now: Timestamp) -> Result<Option<Outage>, StoreError> {
        let outage: Option<Outage> = self.database.get(&self.table, key("part", ASSISTANT), true).await?;
        Ok(outage.filter(|outage| now.as_millisecond() < outage.until))
    }

    /// The assistant is out of order.
    pub async fn begin(&self, outage: Outage) -> Result<(), StoreError> {
        let stored = Stored { part: ASSISTANT, outage, expires_at: outage.until / 1_000 + 1 };
        self.database.put(&self.table, item(stored)?).await
    }

    /// The assistant is in order again.
    pub async fn end(&self) -> Result<(), StoreError> {
        let delete = self.database.client().delete_item().table_name(&self.table).set_key(Some(key("part", ASSISTANT)));
        delete.send().await.map_err(unavailable)?;
        Ok(())
    }
}
