//! The table of sweeps: conversations that have been deleted, and whose messages are still there, or some of them.
//!
//! Key: `dataset` (always `conversations`) and `id`, that of the conversation. A sweep is left by the transaction that deletes
//! the conversation, from when on nobody reaches its messages and none is added. They go in batches, and the sweep goes last:
//! one that is cut short, or that two workers do at once, is simply done again.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::database::{Database, Expression, Item, StoreError, Write, item, key2, read, s, unavailable};
use super::history::message_key;
use crate::config::{Config, ConfigError};
use crate::domain::MessageStatus;

/// The one item collection. Sweeps are done soon after they are left, so there are few.
const DATASET: &str = "conversations";

/// Messages that go at once: what one `BatchWriteItem` takes.
const BATCH: i32 = 25;

/// Milliseconds after which nobody writes a reply any more, whatever its status says: a day, where no worker lives for longer
/// than a quarter of an hour.
const WRITTEN_FOR_MS: i64 = 86_400_000;

/// The table of sweeps, and the messages' that they empty.
#[derive(Debug, Clone)]
pub struct Sweeps {
    database: Database,
    table: String,
    messages: String,
}

/// A deleted conversation whose messages are to go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    dataset: String,
    /// Id of the conversation.
    pub id: String,
    /// Milliseconds since 1970.
    pub deleted_at: i64,
}

/// What came of one batch.
#[derive(Debug)]
pub struct Swept {
    /// The last message that was looked at; `None` behind the last one of all.
    pub last: Option<String>,
    /// How many of them are replies that are being written. They are left: their worker ends them, with their cost and their
    /// event, as if nothing had happened.
    pub unfinished: usize,
}

/// What of a message tells whether it can go.
#[derive(Deserialize)]
struct Outline {
    id: String,
    status: MessageStatus,
    created_at: i64,
}

impl Sweeps {
    /// Uses the tables that `SWEEPS_TABLE` and `MESSAGES_TABLE` name.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        let table = |name: &str| config.require(name).map(str::to_owned);
        Ok(Self { database, table: table("SWEEPS_TABLE")?, messages: table("MESSAGES_TABLE")? })
    }

    /// The sweep of a conversation that is deleted in the same transaction.
    pub fn leave(&self, conversation_id: &str, now: Timestamp) -> Result<Write, StoreError> {
        let sweep = Sweep { dataset: DATASET.to_owned(), id: conversation_id.to_owned(), deleted_at: now.as_millisecond() };
        Ok(Write::put(&self.table, item(sweep)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// The sweep of a conversation, if it has not been done.
    pub async fn find(&self, conversation_id: &str) -> Result<Option<Sweep>, StoreError> {
        self.database.get(&self.table, sweep_key(conversation_id), true).await
    }

    /// Some of the sweeps that have not been done, after that of the conversation `after`; none where there are no more.
    pub async fn outstanding(&self, after: Option<&str>) -> Result<Vec<Sweep>, StoreError> {
        let expression = Expression::default().name("dataset", "dataset").value("dataset", s(DATASET));
        let request = self.database.client().query().table_name(&self.table).key_condition_expression("#dataset = :dataset");
        let page = request
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .set_exclusive_start_key(after.map(sweep_key))
            .limit(BATCH)
            .send()
            .await
            .map_err(unavailable)?;
        page.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Deletes the next messages of a conversation, in the order in which they were said, after the one with the id `after`.
    /// The caller has found the sweep.
    pub async fn batch(&self, conversation_id: &str, after: Option<&str>, now: Timestamp) -> Result<Swept, StoreError> {
        let expression = Expression::default().name("status", "status").value("conversation", s(conversation_id));
        let request = self.database.client().query().table_name(&self.messages);
        let page = request
            .key_condition_expression("conversation_id = :conversation")
            .projection_expression("id, #status, created_at")
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .set_exclusive_start_key(after.map(|id| message_key(conversation_id, id)))
            .consistent_read(true)
            .limit(BATCH)
            .send()
            .await
            .map_err(unavailable)?;
        let looked_at = page.items.unwrap_or_default().into_iter().map(read).collect::<Result<Vec<Outline>, _>>()?;
        // No condition is needed: one that has ended does not begin again.
        let gone: Vec<_> = looked_at.iter().filter(|message| !message.is_being_written(now)).collect();
        let keys = gone.iter().map(|message| message_key(conversation_id, &message.id)).collect();
        self.database.delete_all(&self.messages, keys).await?;
        let cut = page.last_evaluated_key.is_some_and(|key: HashMap<_, _>| !key.is_empty());
        let last = looked_at.last().filter(|_| cut).map(|message| message.id.clone());
        Ok(Swept { last, unfinished: looked_at.len() - gone.len() })
    }

    /// A sweep is done. It may have been by another already.
    pub async fn done(&self, conversation_id: &str) -> Result<(), StoreError> {
        self.database.delete_all(&self.table, vec![sweep_key(conversation_id)]).await
    }
}

impl Outline {
    fn is_being_written(&self, now: Timestamp) -> bool {
        matches!(self.status, MessageStatus::Pending | MessageStatus::Streaming) && now.as_millisecond() < self.created_at + WRITTEN_FOR_MS
    }
}

fn sweep_key(conversation_id: &str) -> Item {
    key2(("dataset", DATASET), ("id", conversation_id))
}
