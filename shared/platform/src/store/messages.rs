//! The table of messages.
//!
//! Key: `conversation_id`, `id` (UUIDv7, so in order of time). A reply moves from `pending` over `streaming` to one of
//! the ends by conditional writes: it is written once, by one worker, whoever else is told to.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::{Deserialize, Serialize};

use super::budgets::Hold;
use super::database::{Database, Expression, StoreError, Write, item, key2, read, s, unavailable};
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::domain::{Cost, MessageRole, MessageStatus, StopReason, Usage};
use crate::identity::Principal;
use crate::problem::Code;

/// The messages' table.
#[derive(Debug, Clone)]
pub struct Messages {
    database: Database,
    table: String,
}

/// One message. Its text is at most 40 KB of UTF-8 for a user, and what a model may write for an assistant: an item
/// stays far below DynamoDB's 400 KB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Conversation that it belongs to.
    pub conversation_id: String,
    /// UUIDv7.
    pub id: String,
    /// Owner of the conversation.
    pub user_id: String,
    /// Who wrote it.
    pub role: MessageRole,
    /// The text; that of a reply comes with its end, and is in its draft until then.
    pub text: String,
    /// How far it has come.
    pub status: MessageStatus,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Id of the message that the reply answers: the last one that the model is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// Why the reply ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// What the reply took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the reply cost, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// Why the reply failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Code>,
    /// What is reserved for the reply, if it can cost anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Who asked for the reply, and from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// What the worker that writes a reply needs of the request that asked for it; its own payload has only ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who asked.
    pub caller: Principal,
    /// From where.
    pub context: Context,
}

/// Failures of a reply that its message, or the conversation, would bring about again.
const LASTING: [Code; 3] = [Code::ContextTooLong, Code::ContentRefused, Code::ProviderRejected];

impl Message {
    /// Whether this is a reply that the model, or its provider, refused to write.
    fn is_refused(&self) -> bool {
        self.stop_reason == Some(StopReason::Refusal) || self.failure.is_some_and(|failure| LASTING.contains(&failure))
    }
}

impl Messages {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub fn new(database: Database, config: &Config) -> Result<Self, ConfigError> {
        Ok(Self { database, table: config.require("MESSAGES_TABLE")?.to_owned() })
    }

    /// The message as it is now.
    pub async fn get(&self, conversation_id: &str, id: &str) -> Result<Option<Message>, StoreError> {
        self.database.get(&self.table, key(conversation_id, id), true).await
    }

    /// What was last said in a conversation up to a message, oldest first: at most `limit` messages that are whole and have a text, or
    /// were stopped by their user. A refused reply is left out with the message that it answers: the model would refuse it again.
    pub async fn said_until(&self, conversation_id: &str, id: &str, limit: u16) -> Result<Vec<Message>, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .name("text", "text")
            .value("conversation", s(conversation_id))
            .value("id", s(id))
            .value("completed", status(MessageStatus::Completed))
            .value("cancelled", status(MessageStatus::Cancelled))
            .value("nothing", s(""))
            .value("refusal", s(StopReason::Refusal.as_str()));
        let expression =
            LASTING.iter().enumerate().fold(expression, |all, (number, code)| all.value(&format!("lasting{number}"), s(code.as_str())));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("conversation_id = :conversation AND id <= :id")
            .filter_expression(
                "#status = :cancelled OR (#status = :completed AND #text <> :nothing) OR stop_reason = :refusal \
                 OR failure IN (:lasting0, :lasting1, :lasting2)",
            )
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let (mut said, mut left_out): (Vec<Message>, _) = (Vec::new(), BTreeSet::new());
        while said.len() < usize::from(limit)
            && let Some(found) = pages.next().await
        {
            let message: Message = read(found.map_err(unavailable)?)?;
            if message.is_refused() {
                left_out.extend(message.answers);
            } else if !left_out.contains(&message.id) {
                said.push(message);
            }
        }
        said.reverse();
        Ok(said)
    }

    /// A new message.
    pub fn add(&self, message: &Message) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(message)?, "attribute_not_exists(id)", &Expression::default()))
    }

    /// Takes a reply that nobody writes yet; `None` where somebody does, or did. `claim` is the taker's own random text:
    /// a claim whose answer got lost on the way can be made again.
    pub async fn claim(&self, conversation_id: &str, id: &str, claim: &str) -> Result<Option<Message>, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .value("pending", status(MessageStatus::Pending))
            .value("streaming", status(MessageStatus::Streaming))
            .value("claim", s(claim));
        let (update, condition) = ("SET #status = :streaming, claim = :claim", "#status = :pending OR claim = :claim");
        self.database.update_if(&self.table, key(conversation_id, id), update, condition, &expression).await
    }

    /// The reply with its end; the condition fails where it is no longer as far as `from`.
    pub fn end(&self, message: &Message, from: MessageStatus) -> Result<Write, StoreError> {
        let expression = Expression::default().name("status", "status").value("from", status(from));
        Ok(Write::put(&self.table, item(message)?, "#status = :from", &expression))
    }
}

fn key(conversation_id: &str, id: &str) -> super::Item {
    key2(("conversation_id", conversation_id), ("id", id))
}

fn status(status: MessageStatus) -> AttributeValue {
    s(status.as_str())
}
