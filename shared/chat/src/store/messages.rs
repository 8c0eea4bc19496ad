//! The table of messages.
//!
//! Key: `conversation_id`, `id` (UUIDv7, so in order of time). Conditional writes move a reply from
//! `pending` over `streaming` to one of the ends. So one worker writes it once, even if other
//! workers are told to.

use std::collections::BTreeSet;

use assistant::domain::{Cost, MessageRole, StopReason, Usage};
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use platform::context::Context;
use platform::database::{
    Database, Expression, StoreError, Write, item, key2, read, s, unavailable, value,
};
use platform::identity::Principal;
use platform::problem::Code;
use platform::{ConfigError, Platform};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tally_access::sources::Sources;
use tally_prompts::domain::{Pinned, Values};
use utoipa::ToSchema;

use super::budgets::Hold;
use crate::domain::{Agent, ChatContext, Confirm, MessageStatus, ToolCall, of_text, stored_calls};

/// The messages' table.
#[derive(Debug, Clone)]
pub struct Messages {
    pub(super) database: Database,
    pub(super) table: String,
}

/// One message. A user's text is at most 40 KB of UTF-8, and its values are at most 100 KB. An
/// assistant's text is at most 350 KB, or 300 KB beside 60 KB of calls of tools. The sources are at
/// most 40 KB. So an item stays below DynamoDB's 400 KB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Conversation that it belongs to.
    pub conversation_id: String,
    /// UUIDv7.
    pub id: String,
    /// Owner of the conversation.
    pub user_id: String,
    /// Author of the message.
    pub role: MessageRole,
    /// The text. That of a reply comes with its end, and is in its draft until then.
    pub text: String,
    /// State of the message.
    pub status: MessageStatus,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Id of the message that the reply answers: the last one that the model is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    /// Why the reply ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<StopReason>,
    /// Tokens that the reply took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// Cost of the reply, in US dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<Cost>,
    /// Why the reply failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Code>,
    /// The reservation for the reply, if it can cost anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Who asked for the reply, and from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The cells that a user's message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<ChatContext>,
    /// The columns that the message came from. For a user's message these are the columns that its
    /// context sends, or may send. A reply has those that its model was sent, and the sources of
    /// the messages that its model was shown.
    #[serde(default, skip_serializing_if = "Sources::is_empty")]
    pub sources: Sources,
    /// The version of the prompt of the reply.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prompt: Pinned,
    /// The values that a user's message gives to the variables of the prompt.
    #[serde(default, skip_serializing_if = "Values::is_empty", with = "stored_values")]
    pub variables: Values,
    /// The agent that writes the reply, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<MessageAgent>,
    /// What this agent may do in the reply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<AgentTerms>,
    /// Steps that a worker has begun.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub steps: u8,
    /// The calls of tools, as their user sees them, when the reply last began to wait or ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "stored_calls")]
    pub tool_calls: Vec<ToolCall>,
    /// How often its user has decided about calls. Each decision requires the number that it has
    /// read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub decisions: u8,
    /// Random text of the worker that writes the reply. It is not stored with an end or a wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

/// The agent of a reply, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageAgent {
    /// Its name.
    #[schema(example = "tasks")]
    pub name: String,
    /// The version of its definition with which the reply began.
    #[schema(example = 1)]
    pub version: u64,
}

/// What an agent may do in a reply, as it was when the reply was asked for. An administrator may
/// change the agent meanwhile: the reply goes on as it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentTerms {
    /// Names of the tools.
    pub tools: Vec<String>,
    /// The model that is asked instead of the first one of the settings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Calls of the model, at most.
    pub max_steps: u8,
    /// Cost of the reply, at most.
    pub max_cost_usd: Cost,
    /// The calls that wait for a confirmation.
    pub confirm: Confirm,
}

/// The part of a request that the worker needs to write the reply. The worker's own payload has
/// only ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Who asked.
    pub caller: Principal,
    /// From where.
    pub context: Context,
}

/// Failures of a reply that would come again with the same message, or in the same conversation.
const LASTING: [Code; 3] = [Code::ContextTooLong, Code::ContentRefused, Code::ProviderRejected];

impl From<&Agent> for MessageAgent {
    fn from(agent: &Agent) -> Self {
        Self { name: agent.name.clone(), version: agent.version }
    }
}

impl From<&Agent> for AgentTerms {
    fn from(agent: &Agent) -> Self {
        Self {
            tools: agent.tools.clone(),
            model: agent.model.clone(),
            max_steps: agent.max_steps,
            max_cost_usd: agent.max_cost_usd,
            confirm: agent.confirm,
        }
    }
}

impl Message {
    /// The day on which it was made, UTC.
    pub fn day(&self) -> Date {
        let at = Timestamp::from_millisecond(self.created_at).unwrap_or_default();
        at.to_zoned_datetime(TimeZone::UTC).date()
    }

    /// Whether this is a reply that the model, or its provider, refused to write.
    fn is_refused(&self) -> bool {
        self.stop_reason == Some(StopReason::Refusal)
            || self.failure.is_some_and(|failure| LASTING.contains(&failure))
    }
}

impl Messages {
    /// Uses the table that `MESSAGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("MESSAGES_TABLE")?.to_owned(),
        })
    }

    /// The message as it is now.
    pub async fn get(
        &self,
        conversation_id: &str,
        id: &str,
    ) -> Result<Option<Message>, StoreError> {
        self.database.get(&self.table, key(conversation_id, id), true).await
    }

    /// The last messages of a conversation up to a message, oldest first. They are at most `limit`
    /// that are whole and have a text, or were stopped by their user. A refused reply is left out
    /// with the message that it answers, because the model would refuse it again.
    pub async fn said_until(
        &self,
        conversation_id: &str,
        id: &str,
        limit: u16,
    ) -> Result<Vec<Message>, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .name("text", "text")
            .value("conversation", s(conversation_id))
            .value("id", s(id))
            .value("completed", status(MessageStatus::Completed))
            .value("cancelled", status(MessageStatus::Cancelled))
            .value("nothing", s(""))
            .value("refusal", s(StopReason::Refusal.as_str()));
        let expression = LASTING.iter().enumerate().fold(expression, |all, (number, code)| {
            all.value(&format!("lasting{number}"), s(code.as_str()))
        });
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("conversation_id = :conversation AND id <= :id")
            .filter_expression(
                "#status = :cancelled OR (#status = :completed AND #text <> :nothing) OR \
                 stop_reason = :refusal \
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
        Ok(Write::put(
            &self.table,
            item(message)?,
            "attribute_not_exists(id)",
            &Expression::default(),
        ))
    }

    /// Acquires a reply that no worker writes yet; `None` where one does, or did. `token` is the
    /// worker's own random text, with which it can repeat a request whose answer was lost. It is
    /// stored as `claim`.
    pub async fn acquire(
        &self,
        conversation_id: &str,
        id: &str,
        token: &str,
    ) -> Result<Option<Message>, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .value("pending", status(MessageStatus::Pending))
            .value("streaming", status(MessageStatus::Streaming))
            .value("token", s(token));
        let update = "SET #status = :streaming, claim = :token";
        let condition = "#status = :pending OR claim = :token";
        self.database
            .update_if(&self.table, key(conversation_id, id), update, condition, &expression)
            .await
    }

    /// Stores the sources of a reply before there is any text of it. Returns false if no worker
    /// writes the reply.
    pub async fn note_sources(
        &self,
        conversation_id: &str,
        id: &str,
        sources: &Sources,
    ) -> Result<bool, StoreError> {
        let expression = Expression::default()
            .name("status", "status")
            .value("streaming", status(MessageStatus::Streaming))
            .value("sources", value(sources)?);
        let update = "SET sources = :sources";
        let place = key(conversation_id, id);
        let condition = "#status = :streaming";
        let noted: Option<IgnoredAny> =
            self.database.update_if(&self.table, place, update, condition, &expression).await?;
        Ok(noted.is_some())
    }

    /// The reply with its end. The condition fails where its status is no longer `from`, or where
    /// another worker writes it than the one whose claim it has.
    pub fn end(&self, message: &Message, from: MessageStatus) -> Result<Write, StoreError> {
        let expression = Expression::default().name("status", "status").value("from", status(from));
        let mut stored = item(message)?;
        let (condition, expression) = match stored.remove("claim") {
            Some(claim) => ("#status = :from AND claim = :claim", expression.value("claim", claim)),
            None => ("#status = :from", expression),
        };
        Ok(Write::put(&self.table, stored, condition, &expression))
    }
}

pub(super) fn key(conversation_id: &str, id: &str) -> platform::database::Item {
    key2(("conversation_id", conversation_id), ("id", id))
}

pub(super) fn status(status: MessageStatus) -> AttributeValue {
    s(status.as_str())
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u8) -> bool {
    *number == 0
}

fn is_default(prompt: &Pinned) -> bool {
    *prompt == Pinned::default()
}

/// Values as JSON text, for `#[serde(with)]`, because a table takes neither every number nor every
/// depth of JSON.
mod stored_values {
    use serde::ser::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Values, of_text};

    pub fn serialize<S: Serializer>(values: &Values, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&serde_json::to_string(values).map_err(S::Error::custom)?)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
        Ok(of_text(&String::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::turn;
    use serde_json::json;

    #[test]
    fn values_and_versions_are_read_as_they_were_stored() {
        let mut deep = json!(1e300);
        for _ in 0..100 {
            deep = json!([deep]);
        }
        let values = json!({"deep": deep, "": null, "small": 1e-300});
        let values: Values = values.as_object().unwrap().clone().into();
        let at = Timestamp::UNIX_EPOCH;
        let mut message = turn::message("c".into(), "u", MessageRole::User, "Hi", at);
        let plain = item(&message).unwrap();
        assert_eq!((plain.get("variables"), plain.get("prompt")), (None, None));
        assert_eq!(read::<Message>(plain).unwrap(), message);

        message.variables = values;
        message.prompt = Pinned { version: 3, ..Pinned::default() };
        let stored = item(&message).unwrap();
        assert!(stored["variables"].is_s(), "{:?}", stored["variables"]);
        assert_eq!(read::<Message>(stored).unwrap(), message);

        // Before prompts had versions, a reply kept a name.
        let mut old = json!(message);
        old["prompt"] = json!("agent.tasks");
        old.as_object_mut().unwrap().remove("variables");
        let old: Message = serde_json::from_value(old).unwrap();
        let expected = Pinned { name: "agent.tasks".parse().unwrap(), version: 0 };
        assert_eq!((old.prompt, old.variables.is_empty()), (expected, true));
    }
}
