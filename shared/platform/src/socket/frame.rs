//! Messages from the server: one JSON object per frame, with a `type`, and the `id` of the message
//! it answers.

use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::{FieldError, Problem};

/// A message to a client, serialised as a JSON object.
pub trait ServerMessage: Serialize + Send + Sync + 'static {
    /// Its `type`: `charts.data`.
    const TYPE: &'static str;
}

/// For actions whose answer is another message later.
impl ServerMessage for () {
    const TYPE: &'static str = "none";
}

/// Why the server refused a message. The connection stays open, unless its session has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ErrorMessage {
    /// Stable code for programs, as in problems of the HTTP API.
    #[schema(example = "unknown_action")]
    pub code: &'static str,
    /// One sentence for people.
    #[schema(example = "No action has this name.")]
    pub detail: String,
    /// For `validation_failed`: the fault of each member.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Correlation id in the server's logs and the audit log.
    pub request_id: String,
}

impl ErrorMessage {
    /// The message that tells of a problem.
    pub fn new(problem: Problem, request_id: &str) -> Self {
        Self {
            code: problem.code.as_str(),
            detail: problem.detail,
            errors: problem.errors,
            request_id: request_id.to_owned(),
        }
    }
}

impl ServerMessage for ErrorMessage {
    const TYPE: &'static str = "error";
}

/// The frame of a message.
pub(super) fn frame<M: ServerMessage>(
    id: Option<&str>,
    message: &M,
) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(Serialize)]
    struct Frame<'a, M> {
        #[serde(rename = "type")]
        kind: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        message: &'a M,
    }
    serde_json::to_vec(&Frame { kind: M::TYPE, id, message })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_a_type_and_echoes_the_id_it_was_given() {
        #[derive(Serialize)]
        struct Pong {}
        impl ServerMessage for Pong {
            const TYPE: &'static str = "pong";
        }
        let text = |id| String::from_utf8(frame(id, &Pong {}).unwrap()).unwrap();
        assert_eq!(text(None), r#"{"type":"pong"}"#);
        assert_eq!(text(Some("a\"1")), r#"{"type":"pong","id":"a\"1"}"#);

        let error = ErrorMessage::new(Problem::unknown_action(), "r-1");
        let text = String::from_utf8(frame(Some("7"), &error).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"{"type":"error","id":"7","code":"unknown_action","detail":"No action has this name.","request_id":"r-1"}"#
        );
    }
}
