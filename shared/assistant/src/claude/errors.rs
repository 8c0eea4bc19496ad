//! Errors of the Messages API: what its types and messages mean.

use serde::Deserialize;

use crate::error::Fault;
use crate::remote::{Failure, Part, Said};

/// Phrases, in lower case, in the message for a request that is longer than the model's context
/// window.
const TOO_LONG: &[&str] = &["prompt is too long", "exceed context limit", "context window"];

/// Phrases, in lower case, in the message for a request whose content the provider refuses.
const FILTERED: &[&str] = &["content filtering policy", "usage policy"];

/// Phrases, in lower case, in the message for a request whose thoughts the provider refuses. It
/// binds a thought to all that stood before it.
const THOUGHTS: &[&str] = &["thinking` block", ".signature"];

/// Phrases, in lower case, in the message for a request whose effort the provider refuses. The
/// model takes none, or not this one.
const EFFORT: &[&str] = &["effort"];

/// Phrases, in lower case, in the message for a request whose form of the answer the provider
/// refuses. The model takes none, or not this one.
const FORMAT: &[&str] = &["output_config.format", "output_format", "structured output"];

/// Phrases, in lower case, in the message for a request whose configuration of the output the
/// provider refuses as a whole.
const CONFIG: &[&str] = &["output_config: extra", "[output_config]"];

/// Phrases, in lower case, in the message for a request without tools. Claude at Bedrock may know
/// no such wish: <https://github.com/boto/botocore/issues/3458>
const TOOL_CHOICE: &[&str] = &["tool_choice"];

/// Phrases, in lower case, in the message for a request with a strict schema that the provider
/// refuses. The model takes none, or their grammar is too large.
const SCHEMAS: &[&str] = &["tools.", "schema", "grammar", "strict"];

/// The body of an error, in an answer or in the stream. Its `message` may quote the request. The
/// code uses it to tell refusals apart, and never logs it.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorObject,
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorObject {
    r#type: String,
    #[serde(default)]
    message: String,
    details: Option<ErrorDetails>,
}

#[derive(Deserialize)]
struct ErrorDetails {
    error_code: Option<String>,
}

/// What the body of an error says.
pub(crate) fn said(body: &[u8]) -> Said {
    serde_json::from_slice::<ErrorBody>(body).map(|body| body.error.said()).unwrap_or_default()
}

/// The failure that an `error` event stands for.
pub(super) fn of_event(data: &str) -> Failure {
    let Ok(body) = serde_json::from_str::<ErrorBody>(data) else {
        return Failure::passing(Fault::Failing, "an error event whose data cannot be read");
    };
    Failure::of_event(&body.error.said(), body.request_id.as_deref())
}

/// The fault of a request that is refused with this message, and the part that can be left out. A
/// request that is too long, or whose content is refused, has the same type as every other wrong
/// one. Only the message tells them apart.
pub(crate) fn refusal(message: &str) -> (Fault, Option<Part>) {
    let message = message.to_ascii_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    if says(TOO_LONG) {
        return (Fault::ContextTooLong, None);
    }
    if says(FILTERED) {
        return (Fault::ContentRefused, None);
    }
    let parts = [
        // Such a message may name any property of the schema.
        (CONFIG, Part::Config),
        (FORMAT, Part::Format),
        (THOUGHTS, Part::Thoughts),
        (EFFORT, Part::Effort),
        (TOOL_CHOICE, Part::ToolChoice),
        (SCHEMAS, Part::Schemas),
    ];
    let part = parts.into_iter().find(|(phrases, _)| says(phrases)).map(|(_, part)| part);
    (Fault::RequestRefused, part)
}

impl ErrorObject {
    fn said(&self) -> Said {
        let (fault, refused) = match fault_of_type(&self.r#type) {
            Some(Fault::RequestRefused) => {
                let (fault, part) = refusal(&self.message);
                (Some(fault), part)
            }
            fault => (fault, None),
        };
        let code = self.details.as_ref().and_then(|details| details.error_code.as_deref());
        let code = code.map(|code| format!("/{code}")).unwrap_or_default();
        Said { fault, refused, retry_after: None, word: format!("{}{code}", self.r#type) }
    }
}

fn fault_of_type(kind: &str) -> Option<Fault> {
    Some(match kind {
        "overloaded_error" => Fault::Overloaded,
        "rate_limit_error" => Fault::RateLimited,
        "timeout_error" => Fault::TimedOut,
        "api_error" | "conflict_error" => Fault::Failing,
        "authentication_error" | "permission_error" | "billing_error" => Fault::KeyRefused,
        "not_found_error" => Fault::UnknownModel,
        "request_too_large" => Fault::ContextTooLong,
        "invalid_request_error" => Fault::RequestRefused,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::StatusCode;
    use serde_json::json;

    fn failure(status: u16, headers: &[(&'static str, &str)], body: &str) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        let status = StatusCode::from_u16(status).unwrap();
        Failure::of_status(status, &headers, said(body.as_bytes()), now)
    }

    #[test]
    fn an_answer_is_told_by_its_type_and_else_by_its_status() {
        let typed = |kind: &str| {
            format!(
                r#"{{"type":"error","error":{{"type":"{kind}","message":"secret words"}},"request_id":"req_1"}}"#
            )
        };
        for (status, body, fault, is_passing) in [
            (400, typed("invalid_request_error"), Fault::RequestRefused, false),
            (401, typed("authentication_error"), Fault::KeyRefused, false),
            (402, typed("billing_error"), Fault::KeyRefused, false),
            (403, typed("permission_error"), Fault::KeyRefused, false),
            (404, typed("not_found_error"), Fault::UnknownModel, false),
            (413, typed("request_too_large"), Fault::ContextTooLong, false),
            (413, "<html>Cloudflare</html>".into(), Fault::ContextTooLong, false),
            (429, typed("rate_limit_error"), Fault::RateLimited, true),
            (500, typed("api_error"), Fault::Failing, true),
            (504, typed("timeout_error"), Fault::TimedOut, true),
            (529, typed("overloaded_error"), Fault::Overloaded, true),
            (500, typed("overloaded_error"), Fault::Overloaded, true),
            (418, typed("a_new_error"), Fault::RequestRefused, false),
            (502, "<html>Bad gateway</html>".into(), Fault::Failing, true),
            (408, String::new(), Fault::TimedOut, true),
            (409, String::new(), Fault::Failing, true),
            (529, String::new(), Fault::Overloaded, true),
            (307, String::new(), Fault::Broken, false),
            (204, String::new(), Fault::Broken, false),
        ] {
            let failure = failure(status, &[("request-id", "req_1")], &body);
            assert_eq!(
                (failure.error.fault, failure.pause(0).is_some()),
                (fault, is_passing),
                "{status} {body}"
            );
            let said = failure.error.to_string();
            assert!(
                said.contains("req_1")
                    && said.contains(&status.to_string())
                    && !said.contains("secret"),
                "{said}"
            );
        }
    }

    #[test]
    fn a_refusal_is_told_by_its_message() {
        for (message, fault) in [
            ("prompt is too long: 208310 tokens > 200000 maximum", Fault::ContextTooLong),
            (
                "input length and `max_tokens` exceed context limit: 199211 + 20000 > 200000, \
                 decrease input length or `max_tokens`",
                Fault::ContextTooLong,
            ),
            ("Output blocked by content filtering policy", Fault::ContentRefused),
            ("messages: at least one message is required", Fault::RequestRefused),
            ("", Fault::RequestRefused),
        ] {
            let body = json!({
                "type": "error",
                "error": {"details": null, "type": "invalid_request_error", "message": message},
            })
            .to_string();
            for failure in [failure(400, &[], &body), of_event(&body)] {
                assert_eq!((failure.error.fault, failure.pause(0)), (fault, None), "{message}");
                assert!(
                    message.is_empty() || !failure.error.to_string().contains(message),
                    "{}",
                    failure.error
                );
            }
        }
    }

    #[test]
    fn a_part_that_can_be_left_out_is_told_by_the_message() {
        let thoughts = Some(Part::Thoughts);
        let effort = Some(Part::Effort);
        let schemas = Some(Part::Schemas);
        let format = Some(Part::Format);
        let config = Some(Part::Config);
        for (kind, message, expected) in [
            (
                "invalid_request_error",
                "messages.1.content.0: Invalid `signature` in `thinking` block. The block is bound \
                 to a different conversation.",
                thoughts,
            ),
            (
                "invalid_request_error",
                "messages.3.content.9: `thinking` or `redacted_thinking` blocks in the latest \
                 assistant message cannot be modified.",
                thoughts,
            ),
            (
                "invalid_request_error",
                "messages.647.content.0.thinking.signature: Field required",
                thoughts,
            ),
            ("invalid_request_error", "This model does not support the effort parameter.", effort),
            (
                "invalid_request_error",
                "output_config.effort: Input should be 'low', 'medium' or 'high'",
                effort,
            ),
            (
                "invalid_request_error",
                "The compiled grammar is too large. Simplify your tool schemas or reduce the \
                 number of strict tools.",
                schemas,
            ),
            (
                "invalid_request_error",
                "Schemas contains too many optional parameters (87) (limit: 24).",
                schemas,
            ),
            (
                "invalid_request_error",
                "tools.0.custom: For 'array' type, property 'maxItems' is not supported",
                schemas,
            ),
            (
                "invalid_request_error",
                "output_config.format.schema: For 'object' type, 'additionalProperties' must be \
                 explicitly set to false",
                format,
            ),
            (
                "invalid_request_error",
                "output_config.format.schema: Invalid schema: effort and x.signature have no type",
                format,
            ),
            ("invalid_request_error", "output_config: Extra inputs are not permitted", config),
            (
                "invalid_request_error",
                "tool_choice: Input tag 'none' found using 'type' does not match any of the \
                 expected tags: 'auto', 'any', 'tool'",
                Some(Part::ToolChoice),
            ),
            ("invalid_request_error", "This model does not support structured outputs.", format),
            ("invalid_request_error", "messages: at least one message is required", None),
            ("invalid_request_error", "prompt is too long: 9 tools. > 8", None),
            ("overloaded_error", "the grammar is too large", None),
            ("a_new_error", "the grammar is too large", None),
            ("invalid_request_error", "", None),
        ] {
            let error = json!({"type": kind, "message": message});
            let body = json!({"type": "error", "error": error}).to_string();
            for failure in [failure(400, &[], &body), of_event(&body)] {
                assert_eq!(failure.refused, expected, "{message}");
            }
        }
        assert_eq!(failure(400, &[], "<html>grammar</html>").refused, None);
    }

    #[test]
    fn an_error_in_the_stream_is_told_by_its_type() {
        for (data, fault, is_passing) in [
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#,
                Fault::Overloaded,
                true,
            ),
            (r#"{"type":"error","error":{"type":"rate_limit_error"}}"#, Fault::RateLimited, true),
            (
                r#"{"type":"error","error":{"type":"invalid_request_error"}}"#,
                Fault::RequestRefused,
                false,
            ),
            (
                r#"{"type":"error","error":{"type":"a_new_error","details":{"error_code":"x"}}}"#,
                Fault::Failing,
                true,
            ),
            ("oops", Fault::Failing, true),
        ] {
            let failure = of_event(data);
            assert_eq!(
                (failure.error.fault, failure.pause(0).is_some()),
                (fault, is_passing),
                "{data}"
            );
        }
    }
}
