//! The meaning of a failed attempt: the fault, and whether and when to try again.

use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use platform::aws::describe;
use platform::ids;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::error::{Fault, ProviderError};

/// The wait before the first retry. It doubles with each retry. This wait, the longest one and the
/// jitter are those of the provider's own SDK.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait. If the provider asks for a longer one, there is no retry, because an earlier
/// one would go against its wish.
const LONGEST_WAIT: Duration = Duration::from_secs(8);

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
const FORMAT: &[&str] =
    &["output_config.format", "output_config: extra", "output_format", "structured output"];

/// Phrases, in lower case, in the message for a request with a strict schema that the provider
/// refuses. The model takes none, or their grammar is too large.
const SCHEMAS: &[&str] = &["tools.", "schema", "grammar", "strict"];

/// An attempt that has failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The error that is returned if this was the last attempt.
    pub error: ProviderError,
    /// Whether the provider had counted its input. Then another attempt would be paid for once
    /// more.
    pub is_paid: bool,
    /// The part of the request without which the provider may take it.
    pub refused: Option<Part>,
    retry: Retry,
}

/// A part of a request that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The model's earlier thoughts.
    Thoughts,
    /// How much the model is to think.
    Effort,
    /// The schema of the answer.
    Format,
    /// The schema of the answer, or the strictness of tools. The message does not say which: it
    /// speaks of strict tools also where there are none.
    Schemas,
}

#[derive(Debug)]
enum Retry {
    /// A retry would fail too.
    Never,
    /// A retry after the pause that the provider asks for, or else after our own.
    After(Option<Duration>),
}

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

impl Failure {
    /// A failure that a retry does not fix.
    pub fn lasting(fault: Fault, detail: impl Into<String>) -> Self {
        Self::new(ProviderError::new(fault, detail), Retry::Never)
    }

    /// A failure that may be over soon.
    pub fn passing(fault: Fault, detail: impl Into<String>) -> Self {
        Self::new(ProviderError::new(fault, detail), Retry::After(None))
    }

    fn new(error: ProviderError, retry: Retry) -> Self {
        Self { error, is_paid: false, refused: None, retry }
    }

    /// A connection that failed or broke.
    pub fn of_transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        let fault = if error.is_timeout() { Fault::TimedOut } else { Fault::Unreachable };
        Self::passing(fault, describe(&error))
    }

    /// An answer with another status than 200.
    pub fn of_status(status: StatusCode, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Self {
        let body = serde_json::from_slice::<ErrorBody>(body).ok();
        let said = body.as_ref().and_then(|body| body.error.fault());
        let fault = said.unwrap_or_else(|| fault_of_status(status));
        let is_passing = match header(headers, "x-should-retry") {
            Some("true") => true,
            Some("false") => false,
            _ => matches!(status.as_u16(), 408 | 409 | 429 | 500..),
        };
        let wanted = wanted(headers, now);
        let retry = if is_passing { Retry::After(wanted) } else { Retry::Never };
        let id = header(headers, "request-id").unwrap_or("-");
        let refused = body.as_ref().and_then(|body| body.error.refused());
        let what = body.map(|body| body.to_string()).unwrap_or_default();
        let detail = format!("{} {what} (request {id})", status.as_u16());
        let error = ProviderError { retry_after: wanted, ..ProviderError::new(fault, detail) };
        Self { refused, ..Self::new(error, retry) }
    }

    /// An `error` event in the stream.
    pub fn of_event(data: &str) -> Self {
        let Ok(body) = serde_json::from_str::<ErrorBody>(data) else {
            return Self::passing(Fault::Failing, "an error event whose data cannot be read");
        };
        let fault = body.error.fault().unwrap_or(Fault::Failing);
        let is_passing = fault.is_outage() || fault == Fault::RateLimited;
        let detail = format!(
            "an error event: {body} (request {})",
            body.request_id.as_deref().unwrap_or("-")
        );
        let failure =
            if is_passing { Self::passing(fault, detail) } else { Self::lasting(fault, detail) };
        Self { refused: body.error.refused(), ..failure }
    }

    /// The pause before the next attempt, after so many retries; `None` if another attempt is not
    /// worth it.
    pub fn pause(&self, retries: u32) -> Option<Duration> {
        match self.retry {
            Retry::After(Some(wanted)) => (wanted <= LONGEST_WAIT).then_some(wanted),
            Retry::After(None) => Some(backoff(retries, u16::from_le_bytes(ids::random()))),
            Retry::Never => None,
        }
    }

    /// Whether another model may succeed where this one cannot just now.
    pub fn is_of_the_model(&self) -> bool {
        matches!(self.error.fault, Fault::Overloaded | Fault::UnknownModel | Fault::CircuitOpen)
    }
}

/// A request that could not be made.
impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        Self::new(error, Retry::Never)
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.error.details.as_ref().and_then(|details| details.error_code.as_deref());
        write!(
            f,
            "{}{}{}",
            self.error.r#type,
            if code.is_some() { "/" } else { "" },
            code.unwrap_or_default()
        )
    }
}

impl ErrorObject {
    /// The fault. A request that is too long, or whose content is refused, has the same type as
    /// every other wrong one. Only the message tells them apart.
    fn fault(&self) -> Option<Fault> {
        Some(match fault_of_type(&self.r#type)? {
            Fault::RequestRefused if self.says(TOO_LONG) => Fault::ContextTooLong,
            Fault::RequestRefused if self.says(FILTERED) => Fault::ContentRefused,
            fault => fault,
        })
    }

    /// The part of the request that is refused, if the message names one that can be left out.
    fn refused(&self) -> Option<Part> {
        match self.fault()? {
            // Such a message may name any property of the schema.
            Fault::RequestRefused if self.says(FORMAT) => Some(Part::Format),
            Fault::RequestRefused if self.says(THOUGHTS) => Some(Part::Thoughts),
            Fault::RequestRefused if self.says(EFFORT) => Some(Part::Effort),
            Fault::RequestRefused if self.says(SCHEMAS) => Some(Part::Schemas),
            _ => None,
        }
    }

    fn says(&self, phrases: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        phrases.iter().any(|phrase| message.contains(phrase))
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

fn fault_of_status(status: StatusCode) -> Fault {
    match status.as_u16() {
        401..=403 => Fault::KeyRefused,
        404 => Fault::UnknownModel,
        413 => Fault::ContextTooLong,
        408 | 504 => Fault::TimedOut,
        429 => Fault::RateLimited,
        529 => Fault::Overloaded,
        409 | 500.. => Fault::Failing,
        400..=499 => Fault::RequestRefused,
        // This is a redirect above all: the key goes where the configuration says and nowhere else.
        _ => Fault::Broken,
    }
}

/// The pause that the provider asks for: `retry-after-ms`, or `retry-after` in seconds or as a
/// date.
fn wanted(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let number = |name, unit: f64| {
        let seconds = header(headers, name)?.parse::<f64>().ok()? / unit;
        (seconds > 0.0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    };
    let date = || {
        let at = rfc2822::parse(header(headers, "retry-after")?).ok()?;
        at.timestamp().duration_since(now).try_into().ok()
    };
    let wanted =
        number("retry-after-ms", 1_000.0).or_else(|| number("retry-after", 1.0)).or_else(date)?;
    (wanted > Duration::ZERO).then_some(wanted)
}

/// 0.5 s, 1 s, 2 s, …, 8 s, each up to a quarter shorter.
fn backoff(retries: u32, random: u16) -> Duration {
    let wait = FIRST_WAIT.saturating_mul(1 << retries.min(8)).min(LONGEST_WAIT);
    wait.mul_f64(1.0 - 0.25 * f64::from(random) / f64::from(u16::MAX))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(status: u16, headers: &[(&'static str, &str)], body: &str) -> Failure {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        let now = "2026-11-21T12:00:00Z".parse().unwrap();
        Failure::of_status(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes(), now)
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
            for failure in [failure(400, &[], &body), Failure::of_event(&body)] {
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
            ("invalid_request_error", "output_config: Extra inputs are not permitted", format),
            ("invalid_request_error", "This model does not support structured outputs.", format),
            ("invalid_request_error", "messages: at least one message is required", None),
            ("invalid_request_error", "prompt is too long: 9 tools. > 8", None),
            ("overloaded_error", "the grammar is too large", None),
            ("a_new_error", "the grammar is too large", None),
            ("invalid_request_error", "", None),
        ] {
            let error = json!({"type": kind, "message": message});
            let body = json!({"type": "error", "error": error}).to_string();
            for failure in [failure(400, &[], &body), Failure::of_event(&body)] {
                assert_eq!(failure.refused, expected, "{message}");
            }
        }
        assert_eq!(failure(400, &[], "<html>grammar</html>").refused, None);
    }

    #[test]
    fn the_provider_says_whether_and_when_to_try_again() {
        let wait = |headers: &[_]| failure(429, headers, "").pause(0).map(|wait| wait.as_millis());
        for (headers, expected) in [
            (&[("retry-after", "2")][..], Some(2_000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after-ms", "70"), ("retry-after", "2")], Some(70)),
            (&[("retry-after-ms", "soon"), ("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "Sat, 21 Nov 2026 12:00:03 GMT")], Some(3_000)),
            // Longer than the longest wait: no retry, and no earlier one either.
            (&[("retry-after", "9")], None),
            (&[("retry-after", "1e30")], None),
            (&[("retry-after", "Sat, 21 Nov 2026 13:00:00 GMT")], None),
            (&[("x-should-retry", "false"), ("retry-after", "2")], None),
        ] {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
        // No usable time: our own pause.
        for headers in [
            &[][..],
            &[("retry-after", "0")],
            &[("retry-after", "-3")],
            &[("retry-after", "Sat, 21 Nov 2026 11:00:00 GMT")],
        ] {
            assert!(wait(headers).is_some_and(|wait| (375..=500).contains(&wait)), "{headers:?}");
        }
        assert!(failure(400, &[("x-should-retry", "true")], "").pause(0).is_some());
    }

    #[test]
    fn pauses_grow_to_a_bound_and_are_jittered() {
        for (retries, random, expected) in [
            (0, 0, 500),
            (1, 0, 1_000),
            (2, 0, 2_000),
            (4, 0, 8_000),
            (30, 0, 8_000),
            (0, u16::MAX, 375),
            (4, u16::MAX, 6_000),
        ] {
            assert_eq!(backoff(retries, random).as_millis(), expected, "{retries} {random}");
        }
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
            let failure = Failure::of_event(data);
            assert_eq!(
                (failure.error.fault, failure.pause(0).is_some()),
                (fault, is_passing),
                "{data}"
            );
        }
    }
}
