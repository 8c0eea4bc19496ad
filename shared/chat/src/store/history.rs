//! Reading back a user's conversations, and the messages in them.
//!
//! A conversation is only ever looked for under its owner, and its messages only together with it.
//! So another user's is not found. Neither is a deleted one, however much of it still waits to be
//! purged.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use platform::database::{Database, Expression, Item, StoreError, key2, n, query, read, s};
use platform::{ConfigError, Platform};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Conversation, Message};

/// The conversations' table and that of their messages, for reading.
#[derive(Debug, Clone)]
pub struct History {
    pub(super) database: Database,
    pub(super) conversations: String,
    pub(super) messages: String,
}

/// A place in the list of a user's conversations: that of the last one that has been read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    updated_at: i64,
    id: String,
}

/// Which end of a conversation comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The newest message.
    Newest,
    /// The oldest message.
    Oldest,
}

impl History {
    /// Uses the tables that `CONVERSATIONS_TABLE` and `MESSAGES_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let table = |name: &str| platform.config.require(name).map(str::to_owned);
        Ok(Self {
            database: platform.database()?,
            conversations: table("CONVERSATIONS_TABLE")?,
            messages: table("MESSAGES_TABLE")?,
        })
    }

    /// A user's conversation as it is now.
    pub async fn conversation(
        &self,
        user_id: &str,
        id: &str,
    ) -> Result<Option<Conversation>, StoreError> {
        self.database.get(&self.conversations, key2(("user_id", user_id), ("id", id)), true).await
    }

    /// A message of a user's conversation as it is now.
    pub async fn message(
        &self,
        user_id: &str,
        conversation_id: &str,
        id: &str,
    ) -> Result<Option<Message>, StoreError> {
        // The conversation first, so that another user's message is not read.
        if self.conversation(user_id, conversation_id).await?.is_none() {
            return Ok(None);
        }
        self.database.get(&self.messages, message_key(conversation_id, id), true).await
    }

    /// At most `limit` of a user's conversations after a place, the one with the newest message
    /// first; whether there are more.
    pub async fn list(
        &self,
        user_id: &str,
        after: Option<&Place>,
        limit: usize,
    ) -> Result<(Vec<Conversation>, bool), StoreError> {
        let start = after.map(|place| {
            let mut key = key2(("user_id", user_id), ("id", &place.id));
            key.insert("updated_at".to_owned(), n(place.updated_at));
            key
        });
        let expression = Expression::default().value("user", s(user_id));
        let request = self
            .database
            .client()
            .query()
            .table_name(&self.conversations)
            .index_name("by_last_message");
        let page = query(
            request
                .key_condition_expression("user_id = :user")
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .scan_index_forward(false)
                .consistent_read(true)
                // One more than the limit tells whether this is the last page.
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
        )
        .await?;
        cut(page, limit)
    }

    /// At most `limit` messages of a conversation, from one end or beyond the message with the id
    /// `beyond`; whether there are more. The caller has found the conversation under its owner. One
    /// call reads at most 1 MB, so a page of very long messages is shorter than its limit.
    pub async fn messages(
        &self,
        conversation_id: &str,
        first: First,
        beyond: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<Message>, bool), StoreError> {
        let expression = Expression::default().value("conversation", s(conversation_id));
        let page = query(
            self.database
                .client()
                .query()
                .table_name(&self.messages)
                .key_condition_expression("conversation_id = :conversation")
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(beyond.map(|id| message_key(conversation_id, id)))
                .scan_index_forward(first == First::Oldest)
                .consistent_read(true)
                .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX)),
        )
        .await?;
        cut(page, limit)
    }
}

/// The first items of a page, and whether there are more. One call reads at most 1 MB.
fn cut<T: DeserializeOwned>(page: QueryOutput, limit: usize) -> Result<(Vec<T>, bool), StoreError> {
    let is_cut = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
    let found = page.items.unwrap_or_default().into_iter().map(read);
    let mut found = found.collect::<Result<Vec<_>, _>>()?;
    let more = is_cut || found.len() > limit;
    found.truncate(limit);
    Ok((found, more))
}

impl Conversation {
    /// Its place in its owner's list.
    pub fn place(&self) -> Place {
        Place { updated_at: self.updated_at, id: self.id.clone() }
    }
}

pub(super) fn message_key(conversation_id: &str, id: &str) -> Item {
    key2(("conversation_id", conversation_id), ("id", id))
}
