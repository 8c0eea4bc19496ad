//! The table of replies while they are written, and for a day after: so that one can be stopped, and heard by whoever joins.
//! A head expires only once its reply has ended: until then it is what whoever ends it goes by.
//!
//! Key: `message_id`, `sequence`. Sequence 0 is the head: whose reply it is, who listens, whether it is to stop, and how it
//! goes. The others are its text in frames, as they were sent; each item holds those since the one before, and its sequence is
//! that of its first frame. Index `unfinished`: `open`, `sweep_at`, which has the heads of replies that have not ended.
//!
//! Whatever others want of a reply, they write to its head, which the worker updates as it goes: what it finds there it does.
//! Each wish raises the head's `wishes`, and the end is written only over a head whose wishes the worker has seen. So nobody
//! joins a reply without hearing its end, and none that was to stop is complete.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Database, Expression, Item, StoreError, Write, item, n, read, s, unavailable, value};
use crate::config::{Config, ConfigError};
use crate::domain::{Cost, Usage};

/// Seconds for which a reply can be resumed after it has ended.
const KEPT_SECONDS: i64 = 86_400;

/// Seconds for which its frames are kept: they are stored before it ends, and are not to go first.
const FRAMES_KEPT_SECONDS: i64 = 2 * KEPT_SECONDS;

/// Connections that can hear one reply; the one that joined first gives way to another.
const MOST_LISTENERS: usize = 10;

/// Items that go at once: what one `BatchWriteItem` takes.
const DELETED_AT_ONCE: usize = 25;

/// The table of drafts.
#[derive(Debug, Clone)]
pub struct Drafts {
    database: Database,
    table: String,
}

/// What is known of a reply beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The reply.
    pub message_id: String,
    /// Whose it is.
    pub user_id: String,
    /// Conversation that it belongs to.
    pub conversation_id: String,
    /// Connections that hear it, by their ids.
    pub listeners: BTreeMap<String, Listener>,
    /// Counts what others have wanted of it. It begins with 1, that it be written: so a worker that has read none has none done.
    pub wishes: u64,
    /// When nobody writes it any more, seconds since 1970, while it has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_at: Option<i64>,
    /// What it has taken up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// When it was to stop, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<i64>,
    /// When it ended, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Time to live, seconds since 1970, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// What a reply has taken, so that it is known even where nobody stores its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Model that was asked.
    pub model: String,
    /// Tokens.
    pub usage: Usage,
    /// What they cost, in US dollars.
    pub cost_usd: Cost,
}

/// A connection that hears a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Frames that it has.
    pub after: u64,
    /// The wish by which it joined: one that joins again is another listener.
    pub joined: u64,
}

/// Frames of a reply, one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// The reply.
    pub message_id: String,
    /// Number of the first one; the first of all is 1.
    pub sequence: u64,
    /// Their texts.
    pub frames: Vec<String>,
}

/// What became of a wish to hear a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The worker will send what is missing, and what comes.
    Live,
    /// It has ended: there is nobody to send it but whoever asked.
    Ended(Box<Head>),
    /// There is no such reply of this user's, or not any more.
    Unknown,
}

/// The head as it is stored.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    head: &'a Head,
    sequence: u64,
    open: &'a str,
}

impl Head {
    /// Which listener gives way to this connection, if there are as many as can be.
    fn first_to_leave(&self, connection_id: &str) -> Option<&str> {
        let full = self.listeners.len() >= MOST_LISTENERS && !self.listeners.contains_key(connection_id);
        self.listeners.iter().min_by_key(|(_, listener)| listener.joined).filter(|_| full).map(|(id, _)| id.as_str())
    }
}

impl Drafts {
    /// Uses the table that `DRAFTS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("DRAFTS_TABLE")?.to_owned() })
    }

    /// A reply that has been asked for.
    pub fn begin(&self, head: &Head) -> Result<Write, StoreError> {
        let stored = Stored { head, sequence: 0, open: OPEN };
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(message_id)", &Expression::default()))
    }

    /// Notes how a reply goes, and until when somebody writes it, in seconds since 1970; its head as it is then. `None`
    /// where it has ended.
    pub async fn touch(&self, message_id: &str, spent: &Spent, sweep_at: i64) -> Result<Option<Head>, StoreError> {
        let expression = Expression::default().value("spent", value(spent)?).value("sweep", n(sweep_at));
        let condition = "attribute_exists(message_id) AND attribute_not_exists(ended_at)";
        self.database.update_if(&self.table, key(message_id, 0), "SET spent = :spent, sweep_at = :sweep", condition, &expression).await
    }

    /// Stores frames.
    pub async fn save(&self, frames: &Frames, now: Timestamp) -> Result<(), StoreError> {
        self.database.put(&self.table, Self::item(frames, now)?).await
    }

    /// Frames that are stored together with the end; some of them may have been stored by a write whose answer was lost.
    pub fn last(&self, frames: &Frames, now: Timestamp) -> Result<Write, StoreError> {
        let expression = Expression::default().name("frames", "frames").value("count", n(frames.frames.len()));
        let condition = "attribute_not_exists(message_id) OR size(#frames) <= :count";
        Ok(Write::put(&self.table, Self::item(frames, now)?, condition, &expression))
    }

    fn item(frames: &Frames, now: Timestamp) -> Result<Item, StoreError> {
        let mut stored = item(frames)?;
        stored.insert("expires_at".to_owned(), n(now.as_second() + FRAMES_KEPT_SECONDS));
        Ok(stored)
    }

    /// A reply has ended. The condition fails where it had ended, or where others have wanted more than `wishes`.
    pub fn end(&self, message_id: &str, wishes: u64, now: Timestamp) -> Write {
        let expression = Expression::default()
            .name("open", "open")
            .value("now", n(now.as_millisecond()))
            .value("wishes", n(wishes))
            .value("expires", n(now.as_second() + KEPT_SECONDS));
        Write::update(
            &self.table,
            key(message_id, 0),
            "SET ended_at = :now, expires_at = :expires REMOVE #open, sweep_at",
            "wishes = :wishes AND attribute_not_exists(ended_at)",
            &expression,
        )
    }

    /// Lets a connection of this user's hear a reply, from the frame after `after` on.
    pub async fn join(&self, message_id: &str, user_id: &str, connection_id: &str, after: u64) -> Result<Joined, StoreError> {
        // One that finds another wish in between tries again with that counted.
        loop {
            let Some(head) = self.head(message_id).await?.filter(|head| head.user_id == user_id) else { return Ok(Joined::Unknown) };
            if head.ended_at.is_some() {
                return Ok(Joined::Ended(Box::new(head)));
            }
            let listener = Listener { after, joined: head.wishes + 1 };
            let mut expression = Expression::default()
                .name("listeners", "listeners")
                .name("connection", connection_id)
                .value("listener", value(&listener)?)
                .value("wishes", n(head.wishes))
                .value("next", n(head.wishes + 1));
            let mut update = "SET #listeners.#connection = :listener, wishes = :next".to_owned();
            if let Some(first) = head.first_to_leave(connection_id) {
                update.push_str(" REMOVE #listeners.#first");
                expression = expression.name("first", first);
            }
            let condition = "wishes = :wishes AND attribute_not_exists(ended_at)";
            let joined: Option<Head> = self.database.update_if(&self.table, key(message_id, 0), &update, condition, &expression).await?;
            if joined.is_some() {
                return Ok(Joined::Live);
            }
        }
    }

    /// A reply is to stop. The condition fails where it has ended, where it was to stop already, and where it is not this user's.
    pub fn cancel(&self, message_id: &str, user_id: &str, now: Timestamp) -> Write {
        let expression = Expression::default().value("now", n(now.as_millisecond())).value("user", s(user_id)).value("one", n(1));
        Write::update(
            &self.table,
            key(message_id, 0),
            "SET cancelled_at = :now ADD wishes :one",
            "user_id = :user AND attribute_not_exists(cancelled_at) AND attribute_not_exists(ended_at)",
            &expression,
        )
    }

    /// What a failed condition on a head found.
    pub fn read(&self, item: Item) -> Result<Head, StoreError> {
        read(item)
    }

    /// The head of a reply as it is now.
    pub async fn head(&self, message_id: &str) -> Result<Option<Head>, StoreError> {
        self.database.get(&self.table, key(message_id, 0), true).await
    }

    /// Ids of replies that should have ended before `now`, at most `limit`, the oldest first. The newest may be missing.
    pub async fn overdue(&self, now: Timestamp, limit: u8) -> Result<Vec<String>, StoreError> {
        let expression = Expression::default().name("open", "open").value("open", s(OPEN)).value("now", n(now.as_second()));
        let request = self.database.client().query().table_name(&self.table).index_name("unfinished");
        let found = request
            .key_condition_expression("#open = :open AND sweep_at < :now")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .limit(i32::from(limit))
            .send()
            .await
            .map_err(unavailable)?;
        let id = |item: Item| item.get("message_id").and_then(|id| id.as_s().ok().cloned());
        Ok(found.items.unwrap_or_default().into_iter().filter_map(id).collect())
    }

    /// Lets go of a reply whose message is not there any more: nothing is left to be ended.
    pub async fn drop(&self, message_id: &str) -> Result<(), StoreError> {
        let expression = Expression::default().name("open", "open");
        let condition = "attribute_exists(message_id)";
        let dropped: Option<serde::de::IgnoredAny> =
            self.database.update_if(&self.table, key(message_id, 0), "REMOVE #open, sweep_at", condition, &expression).await?;
        tracing::debug!(message_id, found = dropped.is_some(), "dropped");
        Ok(())
    }

    /// Deletes a reply's draft.
    pub async fn delete(&self, message_id: &str) -> Result<(), StoreError> {
        let expression = Expression::default().name("sequence", "sequence").value("message", s(message_id));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("message_id = :message")
            .projection_expression("message_id, #sequence")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut keys = Vec::new();
        while let Some(found) = pages.next().await {
            keys.push(found.map_err(unavailable)?);
        }
        for keys in keys.chunks(DELETED_AT_ONCE) {
            self.database.delete_all(&self.table, keys.to_vec()).await?;
        }
        Ok(())
    }

    /// The frames of a reply that are stored, in order.
    pub async fn frames(&self, message_id: &str) -> Result<Vec<Frames>, StoreError> {
        let expression = Expression::default().name("sequence", "sequence").value("message", s(message_id)).value("head", n(0));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("message_id = :message AND #sequence > :head")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut frames = Vec::new();
        while let Some(found) = pages.next().await {
            frames.push(read(found.map_err(unavailable)?)?);
        }
        Ok(frames)
    }
}

/// What the index of replies that have not ended calls them.
const OPEN: &str = "open";

fn key(message_id: &str, sequence: u64) -> Item {
    [("message_id".to_owned(), s(message_id)), ("sequence".to_owned(), n(sequence))].into()
}
