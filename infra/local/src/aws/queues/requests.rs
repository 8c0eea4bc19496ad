//! Requests to SQS: their members, and the bounds of these.
//!
//! <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_Operations.html>

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::members;
use super::refusal::Refusal;

/// Largest sum of the bodies in a batch, in bytes.
const BATCH_LIMIT: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct SendMessage {
    #[serde(default)]
    message_body: String,
    delay_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct DeleteMessage {
    #[serde(default)]
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ChangeMessageVisibility {
    #[serde(default)]
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ReceiveMessage {
    /// The former name of `MessageSystemAttributeNames`.
    #[serde(default)]
    attribute_names: BTreeSet<String>,
    #[serde(default)]
    message_system_attribute_names: BTreeSet<String>,
    /// Messages have no such attributes here, because `SendMessage` takes none.
    #[serde(default, rename = "MessageAttributeNames")]
    _message_attribute_names: Vec<String>,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetQueueAttributes {
    #[serde(default)]
    pub(super) attribute_names: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct GetQueueUrl {
    #[serde(default)]
    pub(super) queue_name: String,
    #[serde(rename = "QueueOwnerAWSAccountId")]
    pub(super) account: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct ListQueues {
    #[serde(default)]
    pub(super) queue_name_prefix: String,
    max_results: Option<i64>,
    /// The name of the last queue of the page before.
    #[serde(default)]
    pub(super) next_token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PurgeQueue {}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Batch {
    #[serde(default)]
    entries: Vec<Map<String, Value>>,
}

/// Reads a request or an entry. An unknown member is refused, so that none is lost.
pub(super) fn read<T: DeserializeOwned>(members: Map<String, Value>) -> Result<T, Refusal> {
    members::read(Value::Object(members)).map_err(|error| {
        Refusal::unsupported(format!("the local SQS does not take this request: {error}"))
    })
}

/// An entry of a batch: its id and its members.
pub(super) type Entry = (String, Map<String, Value>);

/// The entries of a batch.
pub(super) fn entries(request: Map<String, Value>) -> Result<Vec<Entry>, Refusal> {
    let Batch { entries } = read(request)?;
    match entries.len() {
        0 => return Err(Refusal::empty_batch()),
        1..=10 => {}
        more => return Err(Refusal::long_batch(more)),
    }
    let bodies = entries.iter().filter_map(|entry| entry.get("MessageBody")?.as_str());
    let bytes: usize = bodies.map(str::len).sum();
    if bytes > BATCH_LIMIT {
        return Err(Refusal::large_batch(bytes));
    }
    let mut ids = BTreeSet::new();
    let with_id = |mut entry: Map<String, Value>| {
        let Some(Value::String(id)) = entry.remove("Id") else {
            return Err(Refusal::missing("Id"));
        };
        let is_allowed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_".contains(&letter);
        if id.is_empty() || id.len() > 80 || !id.bytes().all(is_allowed) {
            return Err(Refusal::entry_id());
        }
        if !ids.insert(id.clone()) {
            return Err(Refusal::repeated_entry(&id));
        }
        Ok((id, entry))
    };
    entries.into_iter().map(with_id).collect()
}

impl SendMessage {
    /// The body and the delay.
    pub(super) fn check(self) -> Result<(String, Option<Duration>), Refusal> {
        let body = given("MessageBody", self.message_body)?;
        let is_allowed =
            |letter: char| matches!(letter, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
        if !body.chars().all(is_allowed) {
            return Err(Refusal::contents());
        }
        Ok((body, seconds("DelaySeconds", self.delay_seconds, 900)?))
    }
}

impl DeleteMessage {
    /// The receipt handle.
    pub(super) fn check(self) -> Result<String, Refusal> {
        given("ReceiptHandle", self.receipt_handle)
    }
}

impl ChangeMessageVisibility {
    /// The receipt handle and the timeout.
    pub(super) fn check(self) -> Result<(String, Duration), Refusal> {
        let handle = given("ReceiptHandle", self.receipt_handle)?;
        let timeout = seconds("VisibilityTimeout", self.visibility_timeout, 43_200)?;
        Ok((handle, timeout.ok_or_else(|| Refusal::missing("VisibilityTimeout"))?))
    }
}

/// A checked [`ReceiveMessage`].
pub(super) struct Receive {
    pub(super) limit: usize,
    pub(super) timeout: Option<Duration>,
    pub(super) wait: Option<Duration>,
    /// Names of the system attributes to tell.
    pub(super) attributes: BTreeSet<String>,
}

impl ReceiveMessage {
    pub(super) fn check(mut self) -> Result<Receive, Refusal> {
        let limit = bounded("MaxNumberOfMessages", self.max_number_of_messages, 1, 10)?;
        let mut attributes = self.attribute_names;
        attributes.append(&mut self.message_system_attribute_names);
        Ok(Receive {
            limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1),
            timeout: seconds("VisibilityTimeout", self.visibility_timeout, 43_200)?,
            wait: seconds("WaitTimeSeconds", self.wait_time_seconds, 20)?,
            attributes,
        })
    }
}

impl ListQueues {
    pub(super) fn limit(&self) -> Result<Option<usize>, Refusal> {
        let limit = bounded("MaxResults", self.max_results, 1, 1_000)?;
        Ok(limit.and_then(|limit| usize::try_from(limit).ok()))
    }
}

/// Takes a text that must not be empty.
pub(super) fn given(parameter: &str, text: String) -> Result<String, Refusal> {
    if text.is_empty() { Err(Refusal::missing(parameter)) } else { Ok(text) }
}

fn seconds(parameter: &str, value: Option<i64>, most: u64) -> Result<Option<Duration>, Refusal> {
    Ok(bounded(parameter, value, 0, most)?.map(Duration::from_secs))
}

fn bounded(
    parameter: &str,
    value: Option<i64>,
    least: u64,
    most: u64,
) -> Result<Option<u64>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    match u64::try_from(value) {
        Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
        _ => Err(Refusal::parameter(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: Must be between {least} \
             and {most}, if provided."
        ))),
    }
}
