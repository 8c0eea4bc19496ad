//! The table of conversations.
//!
//! Key: `user_id`, `id` (UUIDv7). A conversation is only ever looked for under its owner, so
//! another user's is not found.
//!
//! The local index `by_last_message` has them in the order of `updated_at`. It is local because a
//! local index can be read consistently. So a conversation is in the list as soon as it has begun,
//! and out of it as soon as it has been deleted. A global index could promise that only by reading
//! every item again. In both kinds of index each message costs two writes: one for the entry that
//! goes and one for the entry that comes. A local index has two more costs. It limits one user's
//! conversations to 10 GB: at well under 1 KB for both copies of one, that is ten million. And it
//! cannot be added to a table that exists.

use jiff::Timestamp;
use platform::database::{Expression, StoreError, Write, item, key2, n, s};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use tally_access::sources::Sources;

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
    /// For people: its first words, or the title that its owner gave it.
    pub title: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last message that was sent.
    pub updated_at: i64,
    /// The sources of the message whose first words the title is.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
}

impl Conversations {
    /// Uses the table that `CONVERSATIONS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: platform.config.require("CONVERSATIONS_TABLE")?.to_owned() })
    }

    /// A new conversation.
    pub fn create(&self, conversation: &Conversation) -> Result<Write, StoreError> {
        Ok(Write::put(
            &self.table,
            item(conversation)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// Another title for a conversation, which has no sources. The condition fails where this user
    /// has none with this id.
    pub fn rename(&self, user_id: &str, id: &str, title: &str) -> Write {
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            "SET title = :title REMOVE sources",
            "attribute_exists(id)",
            &Expression::default().value("title", s(title)),
        )
    }

    /// Deletes a conversation. The condition fails where this user has none with this id. Its
    /// messages are for [`super::PurgeJobs`].
    pub fn delete(&self, user_id: &str, id: &str) -> Write {
        Write::delete_if(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            "attribute_exists(id)",
            &Expression::default(),
        )
    }

    /// Notes that a conversation goes on. The condition fails where this user has none with this
    /// id.
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
