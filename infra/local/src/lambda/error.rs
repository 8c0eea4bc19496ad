//! Why an invocation has no result.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

/// Why an invocation has no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum InvokeError {
    /// No function has this logical id.
    #[error("there is no function `{0}`")]
    Unknown(String),
    /// The payload is larger than Lambda accepts.
    #[error("the payload is larger than 6 MB")]
    TooLarge,
    /// The function's binary could not be started.
    #[error("the function could not be started: {0}")]
    NotStarted(String),
    /// The function ran longer than its `Timeout`, and the stack killed it.
    #[error("the function timed out after {0:?}")]
    TimedOut(Duration),
    /// The process ended before it had answered.
    #[error(
        "the function's process ended ({status}) before it had answered; {}",
        last_words.as_deref().unwrap_or("its log says why")
    )]
    Crashed {
        /// Exit status, as `exit status: 1` or `signal: 9 (SIGKILL)`.
        status: String,
        /// The last line that the process wrote to stderr.
        last_words: Option<String>,
    },
    /// The function answered with an error.
    #[error("the function failed: {error_type}: {message}")]
    Unhandled {
        /// Type of the error.
        error_type: String,
        /// Text of the error.
        message: String,
        /// The JSON that Lambda's callers get.
        payload: Bytes,
    },
    /// The asynchronous invocation had waited for too long.
    #[error("the event had waited for longer than its maximum age")]
    Expired,
    /// The stack is ending.
    #[error("the local stack is ending")]
    ShuttingDown,
}

impl InvokeError {
    pub(super) fn crashed(status: &str) -> Self {
        Self::Crashed { status: status.to_owned(), last_words: None }
    }

    /// The error object that a caller on AWS gets as the payload. `None` if no function failed.
    pub(crate) fn payload(&self) -> Option<Bytes> {
        let kind = match self {
            Self::Unhandled { payload, .. } => return Some(payload.clone()),
            Self::TimedOut(_) => "Sandbox.Timedout",
            Self::Crashed { .. } | Self::NotStarted(_) => "Runtime.ExitError",
            Self::Unknown(_) | Self::TooLarge | Self::Expired | Self::ShuttingDown => return None,
        };
        let object = json!({ "errorType": kind, "errorMessage": self.to_string() });
        Some(object.to_string().into())
    }
}
