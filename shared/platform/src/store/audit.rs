//! The table of audit events.
//!
//! Key: `shard` (a number from 0 to 7, so that writes spread), `id` (UUIDv7, in order of time).
//! Index `by_actor`: `actor_id`, `id`. The shard follows from the id, so an event is found by its
//! id.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Retention;
use crate::audit::Event;
use crate::config::ConfigError;
use crate::database::{Database, Expression, Item, StoreError, Write, item, n, s};
use crate::platform::Platform;

/// Shards of the table: each takes 1,000 writes a second.
pub const SHARDS: u8 = 8;

/// The audit log's table.
#[derive(Debug, Clone)]
pub struct AuditLog {
    pub(super) database: Database,
    pub(super) table: String,
    retention: Retention,
}

/// An event as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Stored {
    shard: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_id: Option<String>,
    expires_at: i64,
    #[serde(flatten)]
    event: Event,
}

/// An item of the table, which an intruder may have written.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Event(Box<Stored>),
    Other { id: String },
}

impl AuditLog {
    /// Uses the table that `AUDIT_TABLE` names, and `AUDIT_RETENTION_DAYS`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("AUDIT_TABLE")?.to_owned(),
            retention: Retention::new(&platform.config)?,
        })
    }

    /// The event as part of a plan's transaction. Events are only ever added.
    pub fn append(&self, event: Event) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(self.stored(event))?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// How long events are kept.
    pub fn retention(&self) -> Retention {
        self.retention
    }

    /// The event with this id, if it is kept: DynamoDB deletes late.
    pub async fn get(&self, id: &str, now: Timestamp) -> Result<Option<Event>, StoreError> {
        let found: Option<Stored> = self.database.get(&self.table, key_of(id), true).await?;
        Ok(found.filter(|found| now.as_second() < found.expires_at).map(|found| found.event))
    }

    /// The items with these ids, at most a hundred, as far as they are there. `None` stands for an
    /// item that is no event.
    pub async fn get_all(
        &self,
        ids: &[&str],
    ) -> Result<HashMap<String, Option<Event>>, StoreError> {
        let keys = ids.iter().map(|id| key_of(id)).collect();
        let found: Vec<Written> = self.database.get_all(&self.table, keys).await?;
        let by_id = |found: Written| match found {
            Written::Event(stored) => (stored.event.id.clone(), stored.event().ok()),
            Written::Other { id } => (id, None),
        };
        Ok(found.into_iter().map(by_id).collect())
    }

    /// The event in an image of a record of the table's stream.
    pub fn event_of(image: Value) -> Result<Event, StoreError> {
        let malformed =
            |error: serde_json::Error| StoreError::Malformed(serde_dynamo::Error::custom(error));
        let item: serde_dynamo::Item = serde_json::from_value(image).map_err(malformed)?;
        serde_dynamo::from_item::<_, Stored>(item)?.event()
    }

    /// Stores the event by itself.
    pub async fn record(&self, event: Event) -> Result<(), StoreError> {
        self.database.put(&self.table, item(self.stored(event))?).await
    }

    /// The item of an event.
    fn stored(&self, event: Event) -> Stored {
        let expires_at =
            event.time.parse::<Timestamp>().map_or(0, |time| self.retention.expires_at(time));
        Stored {
            shard: shard_of(&event.id),
            actor_id: event.actor.as_ref().map(|actor| actor.user_id.clone()),
            expires_at,
            event,
        }
    }
}

impl Stored {
    /// The event, if the item stands where the event's id says. A copy elsewhere is no event: a
    /// search would find it, and a read by the id would not.
    pub(super) fn event(self) -> Result<Event, StoreError> {
        let Self { shard, event, .. } = self;
        let is_id = Uuid::try_parse(&event.id).is_ok_and(|id| id.to_string() == event.id);
        if is_id && shard == shard_of(&event.id) {
            return Ok(event);
        }
        Err(StoreError::Malformed(serde_dynamo::Error::custom("the key is not that of an event")))
    }
}

fn key_of(id: &str) -> Item {
    [("shard".to_owned(), n(shard_of(id))), ("id".to_owned(), s(id))].into()
}

/// The shard of an id: its last hexadecimal digit, which is random.
fn shard_of(id: &str) -> u8 {
    id.bytes()
        .last()
        .and_then(|digit| char::from(digit).to_digit(16))
        .map_or(0, |digit| u8::try_from(digit).unwrap_or(0) % SHARDS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_stands_where_its_id_says() {
        const ID: &str = "019a0000-0000-7000-8000-00000000000a";
        for (id, shard, expected) in [
            (ID, "2", true),
            (ID, "3", false),
            (&ID.to_uppercase(), "2", false),
            (&ID.replace('-', ""), "2", false),
            ("019a", "2", false),
        ] {
            let image = json!({
                "shard": {"N": shard}, "id": {"S": id}, "expires_at": {"N": "1"}, "v": {"N": "1"},
                "time": {"S": "2026-01-31T09:30:00.000Z"}, "action": {"S": "a.b"},
                "outcome": {"S": "success"}, "ip": {"S": ""}, "user_agent": {"S": ""},
                "request_id": {"S": "r"}, "latency_ms": {"N": "3"}, "detail": {"M": {}},
            });
            assert_eq!(AuditLog::event_of(image.clone()).is_ok(), expected, "{id} {shard}");
            let item: serde_dynamo::Item = serde_json::from_value(image).unwrap();
            let written: Written = serde_dynamo::from_item(item).unwrap();
            assert!(matches!(written, Written::Event(_)), "{id}");
        }
        for item in [
            json!({"shard": {"N": "2"}, "id": {"S": ID}}),
            json!({"id": {"S": ID}, "v": {"B": "AAAA"}, "detail": {"SS": ["a"]}}),
        ] {
            assert!(AuditLog::event_of(item.clone()).is_err(), "{item}");
            let item: serde_dynamo::Item = serde_json::from_value(item).unwrap();
            let written: Written = serde_dynamo::from_item(item).unwrap();
            assert!(matches!(written, Written::Other { id } if id == ID));
        }
    }
}
