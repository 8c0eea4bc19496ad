//! Refusals, in Entra's words where it is Entra.

use platform::clock::{Clock, rfc3339};
use platform::ids;
use serde_json::{Value, json};

use super::setup::Kind;

/// A refusal (RFC 6749, section 5.2).
pub(super) struct Refusal {
    /// The code of the RFC, like `invalid_grant`.
    pub error: &'static str,
    /// Entra's code, like `AADSTS54005`.
    pub code: String,
    text: String,
}

impl Refusal {
    /// A refusal with Entra's code and its text.
    pub fn new(error: &'static str, code: &str, text: &str) -> Self {
        Self { error, code: code.to_owned(), text: text.to_owned() }
    }

    /// The status of its answer.
    pub fn status(&self) -> u16 {
        if self.error == "invalid_client" { 401 } else { 400 }
    }

    /// The text for developers: Entra's begins with the code.
    pub fn description(&self, kind: Kind) -> String {
        match kind {
            Kind::Entra => {
                let now = Clock::System.now();
                format!(
                    "{}: {} Trace ID: {} Correlation ID: {} Timestamp: {}",
                    self.code,
                    self.text,
                    ids::new_id(now),
                    ids::new_id(now),
                    timestamp()
                )
            }
            Kind::Oidc => self.text.clone(),
        }
    }

    /// The body of its answer.
    pub fn body(&self, kind: Kind) -> Value {
        let mut body = json!({"error": self.error, "error_description": self.description(kind)});
        if kind == Kind::Entra {
            let now = Clock::System.now();
            let number: u32 = self.code.trim_start_matches("AADSTS").parse().unwrap_or_default();
            body["error_codes"] = json!([number]);
            body["timestamp"] = timestamp().into();
            body["trace_id"] = ids::new_id(now).into();
            body["correlation_id"] = ids::new_id(now).into();
            body["error_uri"] =
                format!("https://login.microsoftonline.com/error?code={number}").into();
        }
        body
    }
}

/// The time now, as in `2026-01-31 09:30:00Z`.
fn timestamp() -> String {
    rfc3339(Clock::System.now())[..19].replace('T', " ") + "Z"
}
