//! A call of a tool, as the user of a reply sees it.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// Bytes of a call's arguments that are shown, as JSON.
const ARGUMENTS_BYTES: usize = 4_096;

/// Bytes that are shown of arguments that have more.
const CUT_BYTES: usize = 4_000;

/// Bytes of the sentence that says what a call will do, at most. No tool has a longer one, because a
/// user decides by it.
const PREVIEW_BYTES: usize = 2_000;

/// Bytes of the sentence that says what came of a call, at most.
const SUMMARY_BYTES: usize = 1_000;

/// Bytes of a name that the model gave.
const NAME_BYTES: usize = 64;

/// Bytes of all calls of a message together. The item of the message has room for its text, its
/// sources and these.
const MESSAGE_BYTES: usize = 60_000;

/// Bytes of a call beside its texts, at most: the names of its attributes, its status and a time.
const FRAME_BYTES: usize = 160;

/// What a user and a model are told of a call that its reply did not come to.
pub const NOT_MADE: &str = "The reply ended before the call did.";

/// A call of a tool that a model has asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ToolCall {
    /// Id of the call within its reply.
    #[schema(example = "call_1")]
    pub call_id: String,
    /// Name of the tool.
    #[schema(example = "add_task")]
    pub tool: String,
    /// Name of the tool for people.
    #[schema(example = "Add a task")]
    pub title: String,
    /// The arguments. Of more than 4 KB, `truncated` has the first 4,000 bytes as text. The calls
    /// of a message share 60 KB, so `truncated` may have less, or be empty.
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub arguments: Value,
    /// What the call will do, in the server's words.
    #[schema(example = "Add the task \"Call the bank\".")]
    pub preview: String,
    /// State of the call.
    pub status: CallStatus,
    /// Until when you can confirm the call, RFC 3339 in UTC. Absent if it waits for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:45:00.000Z")]
    pub expires_at: Option<String>,
    /// What came of the call, in one sentence. Absent if it has not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Done.")]
    pub summary: Option<String>,
}

/// State of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStatus {
    /// It is made now, or is about to be.
    Running,
    /// It waits for its user to confirm it.
    AwaitingConfirmation,
    /// Its user has confirmed it, and it was not made yet. It is shown as [`Self::Running`].
    Approved,
    /// It was made.
    Completed,
    /// It was tried, or could not be.
    Failed,
    /// Its user has rejected it.
    Rejected,
    /// Its user has not decided in time.
    Expired,
}

/// A call as the tables have it. The arguments are text, because a table takes neither every number
/// nor every depth of JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StoredCall {
    call_id: String,
    tool: String,
    title: String,
    arguments: String,
    preview: String,
    status: CallStatus,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    summary: Option<String>,
}

impl ToolCall {
    /// The same with texts that are short enough to show.
    #[must_use]
    pub fn cut(self) -> Self {
        Self {
            tool: first(&self.tool, NAME_BYTES),
            title: first(&self.title, NAME_BYTES),
            arguments: shown(self.arguments),
            preview: first(&self.preview, PREVIEW_BYTES),
            summary: self.summary.map(|summary| first(&summary, SUMMARY_BYTES)),
            status: self.status.shown(),
            ..self
        }
    }

    /// Bytes of a stored call without its arguments and sentences.
    fn frame_bytes(&self) -> usize {
        let waits = self.expires_at.as_ref().map_or(0, String::len);
        FRAME_BYTES + self.call_id.len() + self.tool.len() + self.title.len() + waits
    }

    /// The calls of a message, cut so that all of them fit into it together. Those that wait for
    /// their user have room first. Of the others, the arguments of the last ones go first.
    pub fn fitting(calls: Vec<Self>) -> Vec<Self> {
        let mut calls: Vec<_> = calls.into_iter().map(Self::cut).collect();
        let frames = calls.iter().map(Self::frame_bytes).sum();
        let mut room = MESSAGE_BYTES.saturating_sub(frames);
        let waits = |call: &&mut Self| call.status == CallStatus::AwaitingConfirmation;
        let (mut waiting, mut others): (Vec<_>, Vec<_>) = calls.iter_mut().partition(waits);
        fit(&mut waiting, &mut room);
        fit(&mut others, &mut room);
        calls
    }
}

impl CallStatus {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::AwaitingConfirmation => "awaiting_confirmation",
            Self::Approved => "approved",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
        }
    }

    /// The state that a user is told.
    #[must_use]
    pub fn shown(self) -> Self {
        if self == Self::Approved { Self::Running } else { self }
    }

    /// What a user is told of a call that is not made, because of a decision or the time.
    pub fn told(self) -> Option<&'static str> {
        match self {
            Self::Rejected => Some("The call was rejected."),
            Self::Expired => Some("The time for a confirmation is over."),
            _ => None,
        }
    }

    /// Whether nothing more happens to the call.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Rejected | Self::Expired)
    }
}

/// Cuts calls to so many bytes together, and takes those that they need.
fn fit(calls: &mut [&mut ToolCall], room: &mut usize) {
    let mut take = |text: &mut String| {
        text.truncate(text.floor_char_boundary(*room));
        *room -= text.len();
    };
    for call in &mut *calls {
        take(&mut call.preview);
        call.summary.iter_mut().for_each(&mut take);
    }
    for call in calls {
        let bytes = call.arguments.to_string().len();
        if bytes > *room {
            call.arguments = truncated("");
        }
        *room = room.saturating_sub(bytes);
    }
}

/// Arguments that are short enough to show.
fn shown(arguments: Value) -> Value {
    let text = arguments.to_string();
    if arguments.is_object() && text.len() <= ARGUMENTS_BYTES {
        return arguments;
    }
    truncated(&text)
}

fn truncated(text: &str) -> Value {
    json!({"truncated": first(text, CUT_BYTES)})
}

/// The first bytes of a text, in whole characters.
fn first(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_owned()
}

impl From<ToolCall> for StoredCall {
    fn from(call: ToolCall) -> Self {
        Self {
            call_id: call.call_id,
            tool: call.tool,
            title: call.title,
            arguments: call.arguments.to_string(),
            preview: call.preview,
            status: call.status,
            expires_at: call.expires_at,
            summary: call.summary,
        }
    }
}

impl From<StoredCall> for ToolCall {
    fn from(call: StoredCall) -> Self {
        Self {
            call_id: call.call_id,
            tool: call.tool,
            title: call.title,
            arguments: of_text(&call.arguments),
            preview: call.preview,
            status: call.status,
            expires_at: call.expires_at,
            summary: call.summary,
        }
    }
}

/// JSON that a table has as text. A table has only text that was JSON.
pub(crate) fn of_text<T: DeserializeOwned + Default>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to read stored JSON; it counts as empty");
        T::default()
    })
}

/// The calls of a message in the form of the tables, for `#[serde(with)]`.
pub(crate) mod stored_calls {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{StoredCall, ToolCall};

    pub fn serialize<S: Serializer>(calls: &[ToolCall], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(calls.iter().cloned().map(StoredCall::from))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<ToolCall>, D::Error> {
        let stored = Vec::<StoredCall>::deserialize(deserializer)?;
        Ok(stored.into_iter().map(ToolCall::from).collect())
    }
}

impl PartialSchema for CallStatus {
    fn schema() -> RefOr<Schema> {
        let shown = [
            Self::Running,
            Self::AwaitingConfirmation,
            Self::Completed,
            Self::Failed,
            Self::Rejected,
            Self::Expired,
        ];
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("State of a call of a tool."))
            .enum_values(Some(shown.map(Self::as_str)));
        RefOr::T(Schema::Object(schema.build()))
    }
}

impl ToSchema for CallStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(arguments: Value) -> ToolCall {
        ToolCall {
            call_id: "call_1".into(),
            tool: "add_task".into(),
            title: "Add a task".into(),
            arguments,
            preview: "Add the task \"x\".".into(),
            status: CallStatus::Approved,
            expires_at: None,
            summary: None,
        }
    }

    #[test]
    fn a_status_is_stored_and_sent_by_the_same_word() {
        use CallStatus::{
            Approved, AwaitingConfirmation, Completed, Expired, Failed, Rejected, Running,
        };
        for (status, shown, has_ended) in [
            (Running, Running, false),
            (AwaitingConfirmation, AwaitingConfirmation, false),
            (Approved, Running, false),
            (Completed, Completed, true),
            (Failed, Failed, true),
            (Rejected, Rejected, true),
            (Expired, Expired, true),
        ] {
            assert_eq!(json!(status), status.as_str());
            assert_eq!((status.shown(), status.has_ended()), (shown, has_ended));
        }
    }

    #[test]
    fn arguments_are_shown_whole_or_cut() {
        let of_bytes = |bytes: usize| json!({"a": "x".repeat(bytes - r#"{"a":""}"#.len())});
        for (arguments, cut) in [
            (json!({}), None),
            (json!({"title": "x", "n": 1e300}), None),
            (of_bytes(4_096), None),
            (of_bytes(4_097), Some(4_000)),
            (json!({"a": "€".repeat(2_000)}), Some(3_999)),
            (json!([1]), Some(3)),
            (json!(null), Some(4)),
        ] {
            let text = arguments.to_string();
            let shown = call(arguments.clone()).cut();
            assert_eq!(shown.status, CallStatus::Running);
            match cut {
                None => assert_eq!(shown.arguments, arguments),
                Some(bytes) => assert_eq!(shown.arguments, json!({"truncated": text[..bytes]})),
            }
        }
    }

    #[test]
    fn the_calls_of_a_message_fit_into_it_together() {
        let large = || json!({"a": "x".repeat(4_000)});
        for (number, whole) in [(1, 1), (10, 10), (20, 13), (128, 8)] {
            let all = ToolCall::fitting(vec![call(large()); number]);
            assert_eq!(all.len(), number);
            let shown = all.iter().filter(|call| call.arguments == large()).count();
            assert_eq!(shown, whole, "{number}");
            let stored: Vec<_> = all.into_iter().map(StoredCall::from).collect();
            let bytes = serde_json::to_string(&stored).unwrap().len();
            // JSON escapes quotation marks, which a table does not.
            assert!(bytes < MESSAGE_BYTES + 40 * number, "{number}: {bytes}");
        }
        let wordy = ToolCall {
            call_id: "c".repeat(64),
            tool: "t".repeat(200),
            title: "€".repeat(200),
            preview: "p".repeat(2_000),
            summary: Some("€".repeat(2_000)),
            ..call(large())
        };
        let all = ToolCall::fitting(vec![wordy.clone(); 128]);
        let bytes = |call: &ToolCall| {
            let sentences = call.preview.len() + call.summary.as_ref().map_or(0, String::len);
            call.frame_bytes() + sentences
        };
        let total: usize = all.iter().map(bytes).sum();
        assert!(total <= MESSAGE_BYTES, "{total}");
        assert_eq!((all[0].preview.len(), all[0].tool.len()), (2_000, 64));
        assert_eq!(
            (all[127].preview.as_str(), &all[127].arguments),
            ("", &json!({"truncated": ""}))
        );
        // A user decides about the last one, and so sees all of it.
        let mut calls = vec![wordy.clone(); 128];
        calls[127].status = CallStatus::AwaitingConfirmation;
        let all = ToolCall::fitting(calls);
        assert_eq!((&all[127].preview, &all[127].arguments), (&wordy.preview, &large()));
        assert!(all.iter().map(bytes).sum::<usize>() <= MESSAGE_BYTES);
    }

    #[test]
    fn a_stored_call_is_the_same_call() {
        for arguments in [json!({}), json!({"n": 1e300, "": [{}], "deep": {"a": null}}), json!([])]
        {
            let waits = ToolCall {
                status: CallStatus::AwaitingConfirmation,
                expires_at: Some("2026-01-31T09:45:00.000Z".into()),
                ..call(arguments)
            };
            for call in [waits.clone(), ToolCall { summary: Some("Done.".into()), ..waits }] {
                let stored = serde_json::to_value(StoredCall::from(call.clone())).unwrap();
                assert!(stored["arguments"].is_string());
                let read: StoredCall = serde_json::from_value(stored).unwrap();
                assert_eq!(ToolCall::from(read), call);
            }
        }
    }
}
