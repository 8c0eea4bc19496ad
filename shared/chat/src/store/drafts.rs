//! The table of drafts: replies while a worker writes them, and for a day after. So a user can stop a reply, and a connection
//! that joins can hear it.
//!
//! Key: `message_id`, `sequence`. Sequence 0 is the head: whose reply it is, which connections subscribe to it (`listeners`),
//! whether it is to stop, and how it goes. The other items are its text, see [`Frames`](super::Frames). Index `unfinished`:
//! `open`, `sweep_at`. It has the heads of replies that have not ended, or whose subscribers have not all been told of the
//! end. The worker `chat-sweep` reads it, see [`Overdue`](super::Overdue).
//!
//! Other functions write their requests (wishes) to the head of the reply. The worker reads the head as it goes and does what
//! it finds there. Each wish raises the head's `wishes`. The end is written only over a head whose wishes the worker has
//! seen. So every connection that joins a reply hears its end, and no reply that was to stop is complete. A head expires only
//! once its reply has ended, because the function that ends the reply needs it until then.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use assistant::domain::{Cost, Usage};
use jiff::Timestamp;
use platform::backoff;
use platform::config::{Config, ConfigError};
use platform::database::{Database, Expression, Item, StoreError, Write, item, n, read, s, unavailable, value};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// Seconds for which a reply can be resumed after it has ended.
pub(super) const KEPT_SECONDS: i64 = 86_400;

/// Seconds that a worker has for telling the subscribers how a reply has ended. After that `chat-sweep` tells them.
const TOLD_WITHIN_SECONDS: i64 = 30;

/// Connections that can hear one reply; the one that joined first gives way to another.
const MOST_LISTENERS: usize = 10;

/// Attempts at joining a reply while others write wishes to it.
const JOIN_ATTEMPTS: u32 = 8;

/// Items deleted in one call: what one `BatchWriteItem` takes.
const DELETED_AT_ONCE: usize = 25;

/// The table of drafts.
#[derive(Debug, Clone)]
pub struct Drafts {
    pub(super) database: Database,
    pub(super) table: String,
}

/// Data of a reply beside its text.
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
    /// Number of wishes for the reply. It begins with 1, the wish that the reply be written: a worker that has read none has
    /// done none.
    pub wishes: u64,
    /// Deadline of the worker, seconds since 1970. After it `chat-sweep` takes over: the worker no longer writes the reply,
    /// or has not told the subscribers of its end in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_at: Option<i64>,
    /// Tokens and cost up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// When it was asked to stop, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<i64>,
    /// When it ended, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<i64>,
    /// Subscribers that had not been sent all of it when it ended, by their ids.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub missed: BTreeSet<String>,
    /// Time to live, seconds since 1970, once it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
}

/// Tokens and cost of a reply. They are known even if the worker does not store the end.
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
    /// Number of frames that it has.
    pub after: u64,
    /// Number of the wish by which it joined: a connection that joins again is another subscriber.
    pub joined: u64,
}

/// The subscribers to be told that a reply has ended, at the time when its end is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearers {
    /// Whether there are any.
    pub any: bool,
    /// Subscribers that have not been sent all of it, by their connections' ids.
    pub missed: BTreeSet<String>,
}

/// Result of a wish to hear a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The worker sends the frames that are missing, and those to come.
    Live,
    /// The reply has ended: the function that asked has to send it.
    Ended,
}

/// The head as it is stored.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(flatten)]
    head: &'a Head,
    sequence: u64,
    open: String,
}

impl Head {
    /// Whether the reply can no longer be resumed, although not all of it may have been deleted yet.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now.as_second())
    }

    /// All subscribers, where each is told the same.
    pub fn hearers(&self) -> Hearers {
        Hearers { any: !self.listeners.is_empty(), missed: BTreeSet::new() }
    }

    /// Which subscriber gives way to this connection, if the reply has as many as it may.
    fn first_to_leave(&self, connection_id: &str) -> Option<&str> {
        let full = self.listeners.len() >= MOST_LISTENERS && !self.listeners.contains_key(connection_id);
        self.listeners.iter().min_by_key(|(_, listener)| listener.joined).filter(|_| full).map(|(id, _)| id.as_str())
    }
}

impl Drafts {
    /// Number of shards.
    pub const SHARDS: u8 = 8;

    /// Uses the table that `DRAFTS_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("DRAFTS_TABLE")?.to_owned() })
    }

    /// A reply that has been asked for.
    pub fn begin(&self, head: &Head) -> Result<Write, StoreError> {
        let stored = Stored { head, sequence: 0, open: open(&head.message_id) };
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(message_id)", &Expression::default()))
    }

    /// The head of a reply as it is now.
    pub async fn head(&self, message_id: &str) -> Result<Option<Head>, StoreError> {
        self.database.get(&self.table, key(message_id, 0), true).await
    }

    /// Notes how a reply goes and the worker's next deadline, in seconds since 1970. Removes the subscribers in `gone`. Gives
    /// the head as it is then; `None` where the reply has ended.
    pub async fn touch(&self, message_id: &str, spent: &Spent, sweep_at: i64, gone: &[String]) -> Result<Option<Head>, StoreError> {
        let mut expression = Expression::default().value("spent", value(spent)?).value("sweep", n(sweep_at));
        let mut update = "SET spent = :spent, sweep_at = :sweep".to_owned();
        for (number, connection_id) in gone.iter().enumerate() {
            let _ = write!(update, "{} listeners.#gone{number}", if number == 0 { " REMOVE" } else { "," });
            expression = expression.name(&format!("gone{number}"), connection_id);
        }
        let condition = "attribute_exists(message_id) AND attribute_not_exists(ended_at)";
        self.database.update_if(&self.table, key(message_id, 0), &update, condition, &expression).await
    }

    /// Ends a reply. It stays open while subscribers have to be told. The condition fails where the reply had ended, or where
    /// others have written more than `wishes` wishes.
    pub fn end(&self, message_id: &str, wishes: u64, hearers: &Hearers, overdue: Option<i64>, now: Timestamp) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .value("now", n(now.as_millisecond()))
            .value("wishes", n(wishes))
            .value("expires", n(now.as_second() + KEPT_SECONDS));
        let (update, expression) = if hearers.any {
            let expression = expression.value("sweep", n(now.as_second() + TOLD_WITHIN_SECONDS)).value("missed", value(&hearers.missed)?);
            ("SET ended_at = :now, expires_at = :expires, sweep_at = :sweep, missed = :missed", expression)
        } else {
            ("SET ended_at = :now, expires_at = :expires REMOVE #open, sweep_at", expression.name("open", "open"))
        };
        let mut condition = "wishes = :wishes AND attribute_not_exists(ended_at)".to_owned();
        let expression = match overdue {
            Some(overdue) => {
                condition.push_str(" AND sweep_at = :overdue");
                expression.value("overdue", n(overdue))
            }
            None => expression,
        };
        Ok(Write::update(&self.table, key(message_id, 0), update, condition.as_str(), &expression))
    }

    /// Lets a connection hear a reply whose head has just been read, from the frame after `after` on.
    pub async fn join(&self, mut head: Head, connection_id: &str, after: u64) -> Result<Joined, StoreError> {
        let mut asked = None;
        for attempt in 1..=JOIN_ATTEMPTS {
            // The write was done and only its answer was lost: the worker sends the reply, or has sent it.
            if asked.is_some() && head.listeners.get(connection_id) == asked.as_ref() {
                return Ok(Joined::Live);
            }
            if head.ended_at.is_some() {
                return Ok(Joined::Ended);
            }
            let listener = Listener { after, joined: head.wishes + 1 };
            let mut expression = Expression::default()
                .name("connection", connection_id)
                .value("listener", value(&listener)?)
                .value("wishes", n(head.wishes))
                .value("next", n(head.wishes + 1));
            let mut update = "SET listeners.#connection = :listener, wishes = :next".to_owned();
            if let Some(first) = head.first_to_leave(connection_id) {
                update.push_str(" REMOVE listeners.#first");
                expression = expression.name("first", first);
            }
            let condition = "wishes = :wishes AND attribute_not_exists(ended_at)";
            let id = key(&head.message_id, 0);
            let joined: Option<Head> = self.database.update_if(&self.table, id, &update, condition, &expression).await?;
            if joined.is_some() {
                return Ok(Joined::Live);
            }
            asked = Some(listener);
            // The reply has ended, or others have written a wish: try again with the head as it is then.
            backoff::pause(attempt).await;
            head = self.head(&head.message_id).await?.ok_or_else(|| StoreError::Unavailable("a draft has gone".to_owned()))?;
        }
        Err(StoreError::Unavailable("others want something of a reply all the time".to_owned()))
    }

    /// Asks a reply to stop. The condition fails where it has ended, where it was to stop already, and where it is not this
    /// user's.
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

    /// Asks a reply to stop because its conversation is gone. Nothing happens where it has ended, or was to stop already.
    pub async fn stop(&self, message_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let expression = Expression::default().value("now", n(now.as_millisecond())).value("one", n(1));
        let condition = "attribute_exists(message_id) AND attribute_not_exists(cancelled_at) AND attribute_not_exists(ended_at)";
        let (id, update) = (key(message_id, 0), "SET cancelled_at = :now ADD wishes :one");
        let _: Option<IgnoredAny> = self.database.update_if(&self.table, id, update, condition, &expression).await?;
        Ok(())
    }

    /// The head that a failed condition found.
    pub fn read(&self, item: Item) -> Result<Head, StoreError> {
        read(item)
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
}

pub(super) fn key(message_id: &str, sequence: u64) -> Item {
    [("message_id".to_owned(), s(message_id)), ("sequence".to_owned(), n(sequence))].into()
}

/// Name of a reply's shard in the index. The last digit of an id is as good as random.
fn open(message_id: &str) -> String {
    shard_name(message_id.bytes().next_back().unwrap_or_default() % Drafts::SHARDS)
}

pub(super) fn shard_name(shard: u8) -> String {
    format!("open#{shard}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Drafts, open, shard_name};

    #[test]
    fn every_reply_is_in_one_of_the_shards_and_every_shard_has_some() {
        let used: BTreeSet<_> =
            "0123456789abcdef".chars().map(|digit| open(&format!("019a0000-0000-7000-8000-00000000000{digit}"))).collect();
        assert_eq!(used, (0..Drafts::SHARDS).map(shard_name).collect());
    }
}
