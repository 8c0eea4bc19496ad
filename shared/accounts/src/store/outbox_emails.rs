//! The table of queued mails: mail that has been asked for and not been sent.
//!
//! Key: `id`. The transaction that makes a mail due leaves its queued mail, and the one worker that
//! sends the mail takes the queued mail. The worker deletes it when SES has the mail. If a queued
//! mail was taken and is still there, its mail was not sent, as far as is known.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use platform::context::Context;
use platform::database::{Database, Expression, StoreError, Write, item, key};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

use crate::domain::EmailKind;

/// The table of queued mails.
#[derive(Debug, Clone)]
pub struct OutboxEmails {
    database: Database,
    table: String,
}

/// One mail to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEmail {
    /// UUIDv7.
    pub id: String,
    /// The mail, and its recipient.
    #[serde(rename = "letter")]
    pub kind: EmailKind,
    /// The context in which it was asked for: its events say so.
    pub context: Context,
    /// Seconds since 1970 when it was asked for.
    pub asked_at: i64,
    /// Seconds since 1970 from when on the mail would only confuse. Also its time to live.
    pub expires_at: i64,
    /// Whether a worker has taken it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken: bool,
}

impl OutboxEmails {
    /// Uses the table that `ERRANDS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("ERRANDS_TABLE")?.to_owned(),
        })
    }

    /// A new queued mail.
    pub fn leave(&self, queued: &OutboxEmail) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(queued)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// The queued mail with this id, if it is there and has not expired.
    pub async fn find(&self, id: &str, now: Timestamp) -> Result<Option<OutboxEmail>, StoreError> {
        let queued: Option<OutboxEmail> =
            self.database.get(&self.table, key("id", id), true).await?;
        Ok(queued.filter(|queued| now.as_second() < queued.expires_at))
    }

    /// Takes a queued mail, if no worker has.
    pub fn take(&self, id: &str) -> Write {
        let expression = Expression::default().value("taken", AttributeValue::Bool(true));
        Write::update(
            &self.table,
            key("id", id),
            "SET taken = :taken",
            "attribute_exists(id) AND attribute_not_exists(taken)",
            &expression,
        )
    }

    /// Deletes a queued mail that no worker has taken, because no mail comes of it.
    pub fn drop(&self, id: &str) -> Write {
        let condition = "attribute_exists(id) AND attribute_not_exists(taken)";
        Write::delete_if(&self.table, key("id", id), condition, &Expression::default())
    }

    /// Deletes a queued mail whose mail SES has.
    pub async fn done(&self, id: &str) -> Result<(), StoreError> {
        self.database.delete::<OutboxEmail>(&self.table, key("id", id)).await.map(drop)
    }
}
