//! Answers of the Messages API beside replies.

use serde_json::{Value, json};

use super::Answer;
use super::events::reply;
use crate::model_server::parts_of;

impl Answer {
    /// A reply whose text is this JSON, in several frames.
    pub fn json(value: &Value) -> Self {
        let parts = parts_of(value);
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        Self::stream(reply(&parts))
    }

    /// The count of a request's tokens.
    pub fn count(input_tokens: u64) -> Self {
        let body = json!({"input_tokens": input_tokens});
        Self::body(200, "application/json", &body.to_string())
    }

    /// An error of this type.
    pub fn error(status: u16, kind: &str) -> Self {
        Self::error_saying(status, kind, &format!("This is a {kind}."))
    }

    /// An error of this type with this message.
    pub fn error_saying(status: u16, kind: &str, message: &str) -> Self {
        let error = json!({"type": kind, "message": message});
        Self::body(
            status,
            "application/json",
            &json!({"type": "error", "error": error, "request_id": "req_1"}).to_string(),
        )
    }
}
