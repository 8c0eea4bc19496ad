//! Errors of calls.

use std::fmt;

use reqwest::StatusCode;
use serde::Deserialize;

/// The error of a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// There is no answer, or it broke off.
    #[error("{url} does not answer: {reason}")]
    Unreachable {
        /// URL of the API.
        url: String,
        /// The error, with its causes.
        reason: String,
    },
    /// The API refuses the call.
    #[error("{0}")]
    Refused(Problem),
    /// The answer is not one of the API.
    #[error("this is no answer of Tally's API, so check the URL: {0}")]
    Foreign(String),
}

/// A problem (RFC 9457).
#[derive(Debug, Deserialize)]
pub(crate) struct Problem {
    /// HTTP status.
    pub status: u16,
    /// Stable code for programs.
    pub code: String,
    detail: String,
    #[serde(default)]
    errors: Vec<FieldFault>,
    request_id: Option<String>,
}

/// A field or parameter that the API refuses.
#[derive(Debug, Deserialize)]
struct FieldFault {
    pointer: Option<String>,
    parameter: Option<String>,
    detail: String,
}

impl CallError {
    /// The error of an answer that is no success.
    pub(crate) fn of(status: StatusCode, body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(problem) => Self::Refused(problem),
            Err(_) => Self::Foreign(format!("status {}", status.as_u16())),
        }
    }

    /// The code of the problem.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(problem) => Some(&problem.code),
            Self::Unreachable { .. } | Self::Foreign(_) => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.status, self.code, self.detail)?;
        for FieldFault { pointer, parameter, detail } in &self.errors {
            let place = pointer.as_deref().or(parameter.as_deref()).unwrap_or("the request");
            write!(f, "\n{place}: {detail}")?;
        }
        match &self.request_id {
            Some(id) => write!(f, "\nrequest {id}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_error_names_the_fields_at_fault() {
        let refused = json!({
            "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
            "detail": "Some fields are not valid.", "instance": "/prompts/x/versions",
            "code": "validation_failed", "request_id": "1-2",
            "errors": [
                {"pointer": "/system", "detail": "names `x`"},
                {"parameter": "limit", "detail": "must be 1 to 100"},
            ],
        });
        let conflict =
            json!({"status": 409, "code": "version_conflict", "detail": "It is version 3."});
        for (status, body, code, text) in [
            (
                422,
                refused.to_string(),
                Some("validation_failed"),
                "422 validation_failed: Some fields are not valid.\n/system: names `x`\nlimit: \
                 must be 1 to 100\nrequest 1-2",
            ),
            (
                409,
                conflict.to_string(),
                Some("version_conflict"),
                "409 version_conflict: It is version 3.",
            ),
            (
                502,
                "<html>".to_owned(),
                None,
                "this is no answer of Tally's API, so check the URL: status 502",
            ),
        ] {
            let error = CallError::of(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((error.code(), error.to_string().as_str()), (code, text));
        }
    }
}
