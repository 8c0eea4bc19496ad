//! The table of conversations.
//!
//! Key: `user_id`, `id` (UUIDv7). A conversation is only ever looked for under its owner, so someone else's is not there.
//!
//! The local index `by_last_message` has them in the order of `updated_at`. A local one, because it can be read consistently:
//! a conversation is listed as soon as it has begun, and no longer as soon as it has been deleted, which a global one could
//! promise only by reading every item again. Both cost a write for the entry that goes and one for the entry that comes, each
//! time that something is said. What a local one costs besides is a limit of 10 GB for one user's conversations: at well under
//! 1 KB for both copies of one, that is ten million; and it can't be added to a table that exists.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Expression, StoreError, Write, item, key2, n, s};
use crate::config::{Config, ConfigError};

/// The conversations' table.
#[derive(Debug, Clone)]
pub struct Conversations {
    table: String,
}

/// A conversation without its messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Whose it is.
    pub user_id: String,
    /// UUIDv7.
    pub id: String,
    /// For people: its first words, or what its owner calls it.
    pub title: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last message that was sent.
    pub updated_at: i64,
}

impl Conversations {
    /// Uses the table that `CONVERSATIONS_TABLE` names.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { table: config.require("CONVERSATIONS_TABLE")?.to_owned() })
    }

    /// A new conversation.
    pub fn create(&self, conversation: &Conversation) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(conversation)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// Another title; the condition fails where this user has none with this id.
    pub fn rename(&self, user_id: &str, id: &str, title: &str) -> Write {
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            "SET title = :title",
            "attribute_exists(id)",
            &Expression::default().value("title", s(title)),
        )
    }

    /// A conversation goes; the condition fails where this user has none with this id. Its messages are for [`super::Sweeps`].
    pub fn delete(&self, user_id: &str, id: &str) -> Write {
        Write::delete_if(&self.table, key2(("user_id", user_id), ("id", id)), "attribute_exists(id)", &Expression::default())
    }

    /// A conversation goes on; the condition fails where this user has none with this id.
    pub fn go_on(&self, user_id: &str, id: &str, now: Timestamp) -> Write {
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            "SET updated_at = :now",
            "attribute_exists(id)",
            &Expression::default().value("now", n(now.as_millisecond())),
        )
    }
}
