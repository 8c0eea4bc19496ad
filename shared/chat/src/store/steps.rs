//! The table of steps: the calls of a model that a reply with tools takes, and the calls of tools
//! that they ask for. So a reply can go on after a confirmation, in another worker.
//!
//! Key: `message_id`, `sk`. A step has the sort key `01`, and its calls have `01#<id of the call>`.
//! Blocks and arguments are JSON as text, because a table takes neither every number nor every
//! depth of JSON. The items expire two days after they were made.

use assistant::Content;
use jiff::Timestamp;
use platform::clock::rfc3339_ms;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, s, unavailable,
};
use platform::{ConfigError, Platform};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::drafts::KEPT_SECONDS;
use crate::domain::{CallStatus, ToolCall, of_text};

/// Seconds for which steps are kept. A reply waits for an hour at most, so it has ended long
/// before.
const STEPS_KEPT_SECONDS: i64 = 2 * KEPT_SECONDS;

/// The table of steps.
#[derive(Debug, Clone)]
pub struct Steps {
    database: Database,
    table: String,
}

/// One step: what a model wrote in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The reply.
    pub message_id: String,
    /// Number of the step; the first is 1.
    pub number: u8,
    /// The parts of the model's message, as they go back to it.
    pub blocks: Vec<Content>,
}

/// A call of a tool within a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallRecord {
    /// The reply.
    pub message_id: String,
    /// Number of the step that asks for it.
    pub step: u8,
    /// Its place among the calls of the step; the first is 0.
    pub position: u8,
    /// Id of the call within the reply.
    pub call_id: String,
    /// Name of the tool.
    pub tool: String,
    /// Name of the tool for people.
    pub title: String,
    /// The arguments, whole.
    pub arguments: Value,
    /// What the call will do, in the server's words.
    pub preview: String,
    /// Its state.
    pub status: CallStatus,
    /// The result as the model reads it.
    pub result: Option<String>,
    /// What came of it, in one sentence for the user.
    pub summary: Option<String>,
}

/// The steps of a reply, each with its calls, in order.
pub type StepsTaken = Vec<(Step, Vec<CallRecord>)>;

/// An item of the table.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Call(StoredCall),
    Step(StoredStep),
}

#[derive(Serialize, Deserialize)]
struct StoredStep {
    message_id: String,
    sk: String,
    number: u8,
    blocks: String,
    expires_at: i64,
}

#[derive(Serialize, Deserialize)]
struct StoredCall {
    message_id: String,
    sk: String,
    step: u8,
    position: u8,
    call_id: String,
    tool: String,
    title: String,
    arguments: String,
    preview: String,
    status: CallStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
    expires_at: i64,
}

impl Steps {
    /// Uses the table that `STEPS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("STEPS_TABLE")?.to_owned(),
        })
    }

    /// A new step and its calls. The condition of a write fails where the step or call is there
    /// already.
    pub fn add(
        &self,
        step: &Step,
        calls: &[CallRecord],
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let expires_at = now.as_second() + STEPS_KEPT_SECONDS;
        let stored = StoredStep {
            message_id: step.message_id.clone(),
            sk: sk(step.number),
            number: step.number,
            blocks: text_of(&step.blocks)?,
            expires_at,
        };
        let calls = calls.iter().map(|call| item(call.stored(expires_at)));
        let items = std::iter::once(item(stored)).chain(calls);
        let put = |item: Result<Item, StoreError>| {
            let condition = "attribute_not_exists(message_id)";
            Ok::<_, StoreError>(Write::put(&self.table, item?, condition, &Expression::default()))
        };
        items.map(put).collect()
    }

    /// The steps of a reply with their calls, in order, as they are now.
    pub async fn of(&self, message_id: &str) -> Result<StepsTaken, StoreError> {
        let found: Vec<Stored> =
            self.database.collection(&self.table, ("message_id", message_id), None).await?;
        let mut taken = StepsTaken::new();
        for stored in found {
            // The key of a step is the beginning of its calls' keys, so it comes before them.
            match stored {
                Stored::Step(step) => taken.push((step.into(), Vec::new())),
                Stored::Call(call) => {
                    if let Some((_, calls)) = taken.last_mut() {
                        calls.push(call.into());
                    }
                }
            }
        }
        for (_, calls) in &mut taken {
            calls.sort_unstable_by_key(|call| call.position);
        }
        Ok(taken)
    }

    /// Ends the wait of a call. The condition fails where it does not wait for a confirmation.
    pub fn decide(&self, call: &CallRecord, status: CallStatus) -> Write {
        let expression = names()
            .value("status", s(status.as_str()))
            .value("waits", s(CallStatus::AwaitingConfirmation.as_str()));
        let (update, expression) = match status.told() {
            Some(summary) => (
                "SET #status = :status, #summary = :summary",
                expression.name("summary", "summary").value("summary", s(summary)),
            ),
            None => ("SET #status = :status", expression),
        };
        Write::update(&self.table, call.key(), update, "#status = :waits", &expression)
    }

    /// Stores how a call ended: its result for the model, and a sentence for the user. The
    /// condition fails where the call is neither running nor approved.
    pub fn finish(
        &self,
        call: &CallRecord,
        status: CallStatus,
        result: &str,
        summary: &str,
    ) -> Write {
        let expression = names()
            .name("result", "result")
            .name("summary", "summary")
            .value("status", s(status.as_str()))
            .value("result", s(result))
            .value("summary", s(summary))
            .value("running", s(CallStatus::Running.as_str()))
            .value("approved", s(CallStatus::Approved.as_str()));
        Write::update(
            &self.table,
            call.key(),
            "SET #status = :status, #result = :result, #summary = :summary",
            "#status IN (:running, :approved)",
            &expression,
        )
    }

    /// Stores the result of a call that was made. Its status is stored with its effect, before the
    /// result is known.
    pub async fn keep_result(&self, call: &CallRecord) -> Result<(), StoreError> {
        let expression = names()
            .name("result", "result")
            .name("summary", "summary")
            .value("completed", s(CallStatus::Completed.as_str()))
            .value("result", s(call.result.as_deref().unwrap_or_default()))
            .value("summary", s(call.summary.as_deref().unwrap_or_default()));
        let update = "SET #result = :result, #summary = :summary";
        let condition = "#status = :completed";
        let _: Option<IgnoredAny> = self
            .database
            .update_if(&self.table, call.key(), update, condition, &expression)
            .await?;
        Ok(())
    }

    /// Deletes the steps of a reply.
    pub async fn delete(&self, message_id: &str) -> Result<(), StoreError> {
        self.database.delete_collection(&self.table, ("message_id", message_id), "sk").await
    }
}

impl CallRecord {
    /// The call as its user sees it. `waits_until` is the time up to which the reply waits, in
    /// seconds since 1970.
    pub fn shown(&self, waits_until: Option<i64>) -> ToolCall {
        let waits = self.status == CallStatus::AwaitingConfirmation;
        let call = ToolCall {
            call_id: self.call_id.clone(),
            tool: self.tool.clone(),
            title: self.title.clone(),
            arguments: self.arguments.clone(),
            preview: self.preview.clone(),
            status: self.status,
            expires_at: waits_until.filter(|_| waits).map(|until| rfc3339_ms(until * 1_000)),
            summary: self.summary.clone(),
        };
        call.cut()
    }

    /// The same call once a user, or the end of the time, has decided about it.
    #[must_use]
    pub fn decided(self, status: CallStatus) -> Self {
        Self { status, summary: status.told().map(str::to_owned).or(self.summary), ..self }
    }

    fn key(&self) -> Item {
        key2(("message_id", &self.message_id), ("sk", &self.sk()))
    }

    fn sk(&self) -> String {
        format!("{}#{}", sk(self.step), self.call_id)
    }

    fn stored(&self, expires_at: i64) -> StoredCall {
        StoredCall {
            message_id: self.message_id.clone(),
            sk: self.sk(),
            step: self.step,
            position: self.position,
            call_id: self.call_id.clone(),
            tool: self.tool.clone(),
            title: self.title.clone(),
            arguments: self.arguments.to_string(),
            preview: self.preview.clone(),
            status: self.status,
            result: self.result.clone(),
            summary: self.summary.clone(),
            expires_at,
        }
    }
}

#[cfg(test)]
impl CallRecord {
    /// A call in the first step of a reply.
    pub(crate) fn sample(call_id: &str, status: CallStatus) -> Self {
        Self {
            message_id: "m".into(),
            step: 1,
            position: 0,
            call_id: call_id.into(),
            tool: "add_task".into(),
            title: "Add a task".into(),
            arguments: serde_json::json!({}),
            preview: String::new(),
            status,
            result: None,
            summary: None,
        }
    }
}

/// The calls of a message's steps, as its item has them: see [`ToolCall::fitting`]. `waits_until`
/// is the time up to which the reply waits, in seconds since 1970.
pub fn shown_calls(steps: &[(Step, Vec<CallRecord>)], waits_until: Option<i64>) -> Vec<ToolCall> {
    let calls = steps.iter().flat_map(|(_, calls)| calls);
    ToolCall::fitting(calls.map(|call| call.shown(waits_until)).collect())
}

/// Sort key of a step.
fn sk(number: u8) -> String {
    format!("{number:02}")
}

fn names() -> Expression {
    Expression::default().name("status", "status")
}

fn text_of(blocks: &[Content]) -> Result<String, StoreError> {
    serde_json::to_string(blocks).map_err(unavailable)
}

impl From<StoredStep> for Step {
    fn from(step: StoredStep) -> Self {
        let blocks = of_text(&step.blocks);
        Self { message_id: step.message_id, number: step.number, blocks }
    }
}

impl From<StoredCall> for CallRecord {
    fn from(call: StoredCall) -> Self {
        Self {
            message_id: call.message_id,
            step: call.step,
            position: call.position,
            call_id: call.call_id,
            tool: call.tool,
            title: call.title,
            arguments: of_text(&call.arguments),
            preview: call.preview,
            status: call.status,
            // They are empty between the effect of a call and the storing of its result.
            result: call.result.filter(|result| !result.is_empty()),
            summary: call.summary.filter(|summary| !summary.is_empty()),
        }
    }
}
