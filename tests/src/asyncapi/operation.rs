//! The operations of the document: what a client sends, and the messages that answer it.

use platform::Problem;
use platform::routes::ActionRoute;
use platform::socket::{ErrorMessage, ServerMessage};
use serde_json::{Value, json};

/// The description of one action, from its types.
pub struct Operation {
    pub route: ActionRoute,
    /// Types of the messages that answer it, in the order in which they arrive.
    pub answers: Vec<&'static str>,
    /// Codes of errors that not every action has.
    pub codes: Vec<&'static str>,
    pub note: &'static str,
}

/// The errors that can answer any message.
pub fn common_errors() -> [Problem; 6] {
    [
        Problem::malformed_json("The message must be a JSON object."),
        Problem::validation_failed(Vec::new()),
        Problem::invalid_token(),
        Problem::rate_limited(1),
        Problem::internal(),
        Problem::unavailable(),
    ]
}

impl Operation {
    /// The operation of the document.
    pub fn described(&self) -> Value {
        let ActionRoute { action, summary, limits, .. } = &self.route;
        let list = |names: Vec<&str>| {
            names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
        };
        let limits = list(limits.iter().map(|policy| policy.name).chain(["ws_messages"]).collect());
        let codes = list(
            common_errors()
                .iter()
                .map(|problem| problem.code.as_str())
                .chain(self.codes.iter().copied())
                .collect(),
        );
        let description = format!("{}\n\nLimits: {limits}. Codes of errors: {codes}.", self.note);
        json!({
            "action": "receive",
            "channel": {"$ref": "#/channels/live"},
            "title": action,
            "summary": summary,
            "description": description.trim_start(),
            "messages": of_channel(&[action]),
            "reply": {
                "channel": {"$ref": "#/channels/live"},
                "messages": of_channel(&[&self.answers[..], &[ErrorMessage::TYPE]].concat()),
            },
        })
    }
}

/// The stream that a connection begins with, if its URL asks for one.
pub fn connected() -> Value {
    let messages =
        [tally_data::charts::Subscribed::TYPE, chart_stream::Data::TYPE, chart_stream::Ended::TYPE];
    json!({
        "action": "send",
        "channel": {"$ref": "#/channels/live"},
        "title": "charts.stream",
        "summary": "Streams frames of the chart that the URL of the connection names",
        "messages": of_channel(&messages),
    })
}

/// The messages about files and jobs, which no action asks for: the names of their operations, and
/// the operations.
pub fn updates() -> [(&'static str, Value); 2] {
    let operation = |title: &'static str, summary: &str, messages: &[&str]| {
        let operation = json!({
            "action": "send",
            "channel": {"$ref": "#/channels/live"},
            "title": title,
            "summary": summary,
            "messages": of_channel(messages),
        });
        (title, operation)
    };
    [
        operation(
            "files.updates",
            "Tells every connection of a user when the preparation of a file has ended",
            &[tally_files::FileUpdated::TYPE],
        ),
        operation(
            "jobs.updates",
            "Tells every connection of a user how far a job has come, and when it has ended",
            &[tally_jobs::JobProgress::TYPE, tally_jobs::JobEnded::TYPE],
        ),
    ]
}

fn of_channel(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"$ref": format!("#/channels/live/messages/{name}")})).collect()
}
