//! The working state of conversations: one item beside each, in the table of conversations.
//!
//! Key: `user_id`, `id` (the id of the conversation and `#state`). The item has no `updated_at`, so
//! the index `by_last_message` does not have it. A state whose values were deleted stays, so that
//! its version goes on. It goes with its conversation.

use jiff::Timestamp;
use platform::database::{Database, Expression, Item, StoreError, Write, item, key2, n, read};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use tally_access::sources::Sources;

use super::Conversation;
use crate::domain::{ConversationStatus, IdleAfter, StateValues};

/// The conversations' table, as far as states go.
#[derive(Debug, Clone)]
pub struct States {
    database: Database,
    table: String,
}

/// The working state of a conversation. The default is that of one that never had any.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The values.
    pub values: StateValues,
    /// Number of the changes.
    pub version: u64,
    /// Milliseconds since 1970 of the last change.
    pub set_at: i64,
    /// The columns that values came from: those of the replies in which the model set them.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
}

/// The item.
#[derive(Serialize)]
struct Stored<'a> {
    user_id: &'a str,
    id: String,
    #[serde(flatten)]
    state: &'a State,
}

impl States {
    /// Uses the table that `CONVERSATIONS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("CONVERSATIONS_TABLE")?.to_owned(),
        })
    }

    /// The state of a conversation as it is stored, also where the conversation is idle.
    pub async fn get(&self, conversation: &Conversation) -> Result<State, StoreError> {
        let place = key2(("user_id", &conversation.user_id), ("id", &sort_key(&conversation.id)));
        Ok(self.database.get(&self.table, place, true).await?.unwrap_or_default())
    }

    /// The same of an item that has failed a condition.
    pub fn read(&self, found: Option<Item>) -> Result<State, StoreError> {
        Ok(found.map(read).transpose()?.unwrap_or_default())
    }

    /// The state from now on. The condition fails where the conversation has one of another version
    /// than `before`. That the conversation exists is another condition:
    /// [`super::Conversations::must_exist`].
    pub fn put(
        &self,
        conversation: &Conversation,
        state: &State,
        before: u64,
    ) -> Result<Write, StoreError> {
        let id = sort_key(&conversation.id);
        let stored = item(Stored { user_id: &conversation.user_id, id, state })?;
        let (condition, expression) = if before == 0 {
            ("attribute_not_exists(id)", Expression::default())
        } else {
            let expression = Expression::default().name("version", "version");
            ("#version = :before", expression.value("before", n(before)))
        };
        Ok(Write::put(&self.table, stored, condition, &expression))
    }

    /// The end of the state of a conversation that the same transaction deletes.
    pub fn delete(&self, user_id: &str, conversation_id: &str) -> Write {
        let id = sort_key(conversation_id);
        Write::delete(&self.table, key2(("user_id", user_id), ("id", &id)))
    }
}

impl State {
    /// The state as it counts now. The values have gone if the conversation is idle, or was idle
    /// since they were set.
    #[must_use]
    pub fn at(self, conversation: &Conversation, idle: IdleAfter, now: Timestamp) -> Self {
        let is_idle = conversation.status(idle, now) == ConversationStatus::Idle;
        let was_idle = conversation.idle_at.is_some_and(|at| self.set_at <= at);
        if is_idle || was_idle {
            Self { values: StateValues::default(), sources: Sources::default(), ..self }
        } else {
            self
        }
    }
}

fn sort_key(conversation_id: &str) -> String {
    format!("{conversation_id}#state")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MINUTE: i64 = 60_000;

    #[test]
    fn values_go_when_their_conversation_falls_idle_and_do_not_come_back() {
        let idle = [("CONVERSATION_IDLE_SECONDS", "600")].into_iter().collect();
        let idle = IdleAfter::from_config(&idle).unwrap();
        let values: StateValues = serde_json::from_value(json!({"a": "1"})).unwrap();
        for (last_message, idle_at, set_at, now, expected) in [
            (0, None, 1, 9, true),
            (0, None, 1, 10, false),
            // A message came in time.
            (5, None, 1, 14, true),
            (5, None, 1, 15, false),
            // A message came after the conversation had fallen idle.
            (20, Some(10), 1, 21, false),
            (20, Some(10), 10, 21, false),
            (20, Some(10), 20, 21, true),
            (20, Some(10), 20, 30, false),
        ] {
            let conversation = Conversation {
                user_id: "u".into(),
                id: "c".into(),
                title: String::new(),
                created_at: 0,
                updated_at: last_message * MINUTE,
                agent: None,
                idle_at: idle_at.map(|minutes: i64| minutes * MINUTE),
                sources: Sources::default(),
            };
            let state = State {
                values: values.clone(),
                version: 7,
                set_at: set_at * MINUTE,
                ..State::default()
            };
            let now = Timestamp::from_millisecond(now * MINUTE).unwrap();
            let found = state.at(&conversation, idle, now);
            assert_eq!((found.values == values, found.version), (expected, 7), "{conversation:?}");
        }
    }
}
