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
//!
//! The working state of a conversation is another item of this table ([`super::States`]). It is not
//! in the index.

use jiff::Timestamp;
use platform::database::{Expression, Item, StoreError, Write, item, key2, n, read, s, value};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use tally_access::sources::Sources;

use crate::domain::{ConversationStatus, IdleAfter};

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
    /// For people: its first words, or the title that its owner gave it. Empty if there is neither
    /// yet.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last message that was sent, or of its beginning.
    pub updated_at: i64,
    /// Name of the agent that answers in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Milliseconds since 1970 at which it fell idle, if a message came after that. A working state
    /// from before has gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idle_at: Option<i64>,
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

    /// Changes a conversation: another title, which has no sources, and another agent or none. A
    /// part that is left out stays. The condition fails where this user has none with this id.
    #[allow(clippy::option_option, reason = "an agent that is left out and none are two things")]
    pub fn change(
        &self,
        user_id: &str,
        id: &str,
        title: Option<&str>,
        agent: Option<Option<&str>>,
    ) -> Write {
        let mut expression = Expression::default();
        let (mut set, mut removed) = (Vec::new(), Vec::new());
        if let Some(title) = title {
            expression = expression.value("title", s(title));
            set.push("title = :title");
            removed.push("sources");
        }
        if let Some(agent) = agent {
            expression = expression.name("agent", "agent");
            match agent {
                Some(agent) => {
                    expression = expression.value("agent", s(agent));
                    set.push("#agent = :agent");
                }
                None => removed.push("#agent"),
            }
        }
        let clause = |verb: &str, parts: &[&str]| {
            if parts.is_empty() { String::new() } else { format!("{verb} {} ", parts.join(", ")) }
        };
        let update = clause("SET", &set) + &clause("REMOVE", &removed);
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            update.trim_end(),
            "attribute_exists(id)",
            &expression,
        )
    }

    /// Requires that this user has a conversation with this id when the other writes are committed.
    pub fn must_exist(&self, user_id: &str, id: &str) -> Write {
        let place = key2(("user_id", user_id), ("id", id));
        Write::check(&self.table, place, "attribute_exists(id)", &Expression::default())
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
    /// id. It also fails where the conversation is idle, or has no title yet. Then
    /// [`Conversations::wake`] takes the place of this write. With `agent` it has this agent from
    /// then on.
    pub fn go_on(
        &self,
        user_id: &str,
        id: &str,
        agent: Option<&str>,
        idle: IdleAfter,
        now: Timestamp,
    ) -> Write {
        let expression = Expression::default()
            .value("now", n(now.as_millisecond()))
            .value("idle", n(idle.latest_idle(now)));
        let (update, expression) = match agent {
            Some(agent) => (
                "SET updated_at = :now, #agent = :agent",
                expression.name("agent", "agent").value("agent", s(agent)),
            ),
            None => ("SET updated_at = :now", expression),
        };
        Write::update(
            &self.table,
            key2(("user_id", user_id), ("id", id)),
            update,
            "attribute_exists(title) AND updated_at > :idle",
            &expression,
        )
    }

    /// The same for the conversation in this item, which is idle or has no title. A title of its
    /// first words has these sources. The condition fails where the conversation has gone.
    pub fn wake(
        &self,
        found: Item,
        (title, sources): (&str, &Sources),
        agent: Option<&str>,
        idle: IdleAfter,
        now: Timestamp,
    ) -> Result<Write, StoreError> {
        let found: Conversation = read(found)?;
        let mut expression = Expression::default().value("now", n(now.as_millisecond()));
        let mut set = vec!["updated_at = :now"];
        if let Some(agent) = agent {
            expression = expression.name("agent", "agent").value("agent", s(agent));
            set.push("#agent = :agent");
        }
        if found.status(idle, now) == ConversationStatus::Idle {
            // Two messages at once write the same time, and no later one than that of the first. So
            // a state that is set between the two stays.
            expression = expression.value("idle_at", n(idle.idle_at(found.updated_at)));
            set.push("idle_at = :idle_at");
        }
        if found.title.is_empty() {
            expression = expression.value("title", s(title));
            set.push("title = :title");
            if !sources.is_empty() {
                expression = expression.value("sources", value(sources)?);
                set.push("sources = :sources");
            }
        }
        Ok(Write::update(
            &self.table,
            key2(("user_id", &found.user_id), ("id", &found.id)),
            &format!("SET {}", set.join(", ")),
            "attribute_exists(id)",
            &expression,
        ))
    }
}

impl Conversation {
    /// Whether it had a message lately.
    pub fn status(&self, idle: IdleAfter, now: Timestamp) -> ConversationStatus {
        idle.status(self.updated_at, now)
    }
}
