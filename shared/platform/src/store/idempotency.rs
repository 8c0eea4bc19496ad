//! The table of requests that are remembered by their `Idempotency-Key`.
//!
//! Key: `claim`, an HMAC of whose request it was, its method and route and the key. The transaction
//! that creates the resource writes the record. So there is no resource without its record and no
//! record without its resource.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::database::{Database, Expression, StoreError, Write, item, key, n, s};
use crate::platform::Platform;

/// The records' table.
#[derive(Debug, Clone)]
pub struct Remembered {
    database: Database,
    table: String,
}

/// Result of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// HMAC of caller, route and `Idempotency-Key`.
    #[serde(rename = "claim")]
    pub fingerprint: String,
    /// HMAC of the body.
    pub body: String,
    /// HTTP status.
    pub status: u16,
    /// Id of the resource that it created.
    pub resource: String,
    /// Seconds since 1970 when it is forgotten; also its time to live.
    pub expires_at: i64,
}

impl Remembered {
    /// Uses the table that `IDEMPOTENCY_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("IDEMPOTENCY_TABLE")?.to_owned(),
        })
    }

    /// The result of an earlier request with this fingerprint.
    pub async fn get(
        &self,
        fingerprint: &str,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        let record: Option<Record> =
            self.database.get(&self.table, key("claim", fingerprint), true).await?;
        Ok(record.filter(|record| now.as_second() < record.expires_at))
    }

    /// Remembers a request. The condition fails where another with this fingerprint is remembered,
    /// unless that one created `replaces`.
    pub fn remember(
        &self,
        record: &Record,
        replaces: Option<&str>,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expression =
            Expression::default().name("resource", "resource").value("now", n(now.as_second()));
        // Each created resource has an id, so the empty text replaces none.
        let expression = expression.value("replaced", s(replaces.unwrap_or_default()));
        let condition =
            "attribute_not_exists(claim) OR expires_at <= :now OR #resource = :replaced";
        Ok(Write::put(&self.table, item(record)?, condition, &expression))
    }
}
