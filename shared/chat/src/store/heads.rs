//! The head of a draft: the data of a reply beside its text. The worker of the reply writes it, and
//! each function that ends the reply. Other functions add commands to it, see
//! [`Joined`](super::Joined).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use assistant::domain::{Cost, Usage};
use jiff::Timestamp;
use platform::database::{Expression, Item, StoreError, Write, item, n, read, value};
use serde::{Deserialize, Serialize};

use super::Drafts;
use super::drafts::{KEPT_SECONDS, key, open};

/// Seconds that a worker has for telling the subscribers how a reply has ended. After that
/// `expire-replies` tells them.
const TOLD_WITHIN_SECONDS: i64 = 30;

/// Data of a reply beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The reply.
    pub message_id: String,
    /// Whose it is.
    pub user_id: String,
    /// Conversation that it belongs to.
    pub conversation_id: String,
    /// Connections that receive it, by their ids.
    #[serde(rename = "listeners")]
    pub subscribers: BTreeMap<String, Subscriber>,
    /// Number of commands for the reply. It begins with 1, the command to write the reply: a worker
    /// that has read no command has applied none.
    #[serde(rename = "wishes")]
    pub revision: u64,
    /// Deadline of the worker, seconds since 1970. After it `expire-replies` takes over: the worker
    /// no longer writes the reply, or has not told the subscribers of its end in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep_at: Option<i64>,
    /// Tokens and cost up to now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<Spent>,
    /// When it was asked to stop, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_at: Option<i64>,
    /// Until when it waits for a confirmation, seconds since 1970. No worker writes it meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_until: Option<i64>,
    /// Whether `expire-replies` has started its worker once more since the last confirmation.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restarted: bool,
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

/// A connection that receives a reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscriber {
    /// Number of frames that it has.
    pub after: u64,
    /// Revision of the head by which it joined: a connection that joins again is another
    /// subscriber.
    pub joined: u64,
}

/// The subscribers to be told that a reply has ended, at the time when its end is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubscribersAtEnd {
    /// Whether there are any.
    pub any: bool,
    /// Subscribers that have not been sent all of it, by their connections' ids.
    pub missed: BTreeSet<String>,
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
    /// Whether the reply can no longer be resumed, although not all of it may have been deleted
    /// yet.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now.as_second())
    }

    /// All subscribers, where each is told the same.
    pub fn subscribers_at_end(&self) -> SubscribersAtEnd {
        SubscribersAtEnd { any: !self.subscribers.is_empty(), missed: BTreeSet::new() }
    }
}

impl Drafts {
    /// A reply that has been asked for.
    pub fn begin(&self, head: &Head) -> Result<Write, StoreError> {
        let stored = Stored { head, sequence: 0, open: open(&head.message_id) };
        Ok(Write::put(
            &self.table,
            item(stored)?,
            "attribute_not_exists(message_id)",
            &Expression::default(),
        ))
    }

    /// The head of a reply as it is now.
    pub async fn head(&self, message_id: &str) -> Result<Option<Head>, StoreError> {
        self.database.get(&self.table, key(message_id, 0), true).await
    }

    /// Stores how a reply goes and the worker's next deadline, in seconds since 1970. Removes the
    /// subscribers in `gone`. Gives the head as it is then; `None` where the reply has ended.
    pub async fn checkpoint(
        &self,
        message_id: &str,
        spent: &Spent,
        sweep_at: i64,
        gone: &[String],
    ) -> Result<Option<Head>, StoreError> {
        let mut expression =
            Expression::default().value("spent", value(spent)?).value("sweep", n(sweep_at));
        let mut update = "SET spent = :spent, sweep_at = :sweep".to_owned();
        for (number, connection_id) in gone.iter().enumerate() {
            let _ = write!(
                update,
                "{} listeners.#gone{number}",
                if number == 0 { " REMOVE" } else { "," }
            );
            expression = expression.name(&format!("gone{number}"), connection_id);
        }
        let condition = "attribute_exists(message_id) AND attribute_not_exists(ended_at)";
        self.database
            .update_if(&self.table, key(message_id, 0), &update, condition, &expression)
            .await
    }

    /// Ends a reply. It stays open while subscribers have to be told. The condition fails where the
    /// reply had ended, or where other functions have written commands since `revision`.
    pub fn end(
        &self,
        message_id: &str,
        revision: u64,
        subscribers: &SubscribersAtEnd,
        overdue: Option<i64>,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .value("now", n(now.as_millisecond()))
            .value("revision", n(revision))
            .value("expires", n(now.as_second() + KEPT_SECONDS));
        let (update, expression) = if subscribers.any {
            let expression = expression
                .value("sweep", n(now.as_second() + TOLD_WITHIN_SECONDS))
                .value("missed", value(&subscribers.missed)?);
            (
                "SET ended_at = :now, expires_at = :expires, sweep_at = :sweep, missed = :missed \
                 REMOVE waits_until",
                expression,
            )
        } else {
            (
                "SET ended_at = :now, expires_at = :expires REMOVE #open, sweep_at, waits_until",
                expression.name("open", "open"),
            )
        };
        let mut condition = "wishes = :revision AND attribute_not_exists(ended_at)".to_owned();
        let expression = match overdue {
            Some(overdue) => {
                condition.push_str(" AND sweep_at = :overdue");
                expression.value("overdue", n(overdue))
            }
            None => expression,
        };
        Ok(Write::update(&self.table, key(message_id, 0), update, condition.as_str(), &expression))
    }

    /// The head that a failed condition found.
    pub fn read(&self, item: Item) -> Result<Head, StoreError> {
        read(item)
    }
}
