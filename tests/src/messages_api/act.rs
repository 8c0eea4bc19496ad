//! The answer to what a model does in the words of no API.

use assistant::domain::StopReason;
use serde_json::json;

use super::events::{event, reply_of};
use super::{Answer, Step};
use crate::model_server::{Act, Break, Refusal, Use};

/// Frames of a reply before its text.
const HEAD: usize = 3;

/// The answer of this API.
pub fn act(act: &Act) -> Answer {
    match act {
        Act::Says(..) | Act::Uses(..) => Answer::stream(written(act)),
        Act::Breaks(_, _, how) => {
            let error = (*how == Break::Error).then(overloaded);
            Answer::stream(written(act).into_iter().chain(error)).then(*how)
        }
        Act::Refuses(refusal) => refused(*refusal),
        Act::Silence => Answer::silence(),
        Act::Reset => Answer::reset(),
    }
}

/// The frames that the model writes. There are none where it does not answer.
pub(crate) fn written(act: &Act) -> Vec<String> {
    match act {
        Act::Says(parts, reason) => said(parts, *reason),
        Act::Uses(text, uses) => used(text, uses),
        Act::Breaks(parts, after, _) => {
            let whole = said(parts, StopReason::EndTurn);
            whole.into_iter().take(HEAD + after).collect()
        }
        Act::Refuses(_) | Act::Silence | Act::Reset => Vec::new(),
    }
}

fn said(parts: &[String], reason: StopReason) -> Vec<String> {
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    reply_of(&parts, reason.as_str())
}

fn used(text: &str, uses: &[Use]) -> Vec<String> {
    let step = if text.is_empty() { Step::new() } else { Step::new().says(text) };
    let step = uses.iter().fold(step, |step, each| step.uses(&each.id, &each.name, &each.input));
    step.writes(uses.len() + 1).frames()
}

fn overloaded() -> String {
    let error = json!({"type": "overloaded_error", "message": "Overloaded"});
    event(&json!({"type": "error", "error": error}))
}

fn refused(refusal: Refusal) -> Answer {
    let invalid = |why| Answer::error_saying(400, "invalid_request_error", why);
    match refusal {
        Refusal::Overloaded => Answer::error(529, "overloaded_error").header("retry-after-ms", "1"),
        Refusal::RateLimited(pause) => {
            let pause = pause.as_millis().to_string();
            Answer::error(429, "rate_limit_error").header("retry-after-ms", &pause)
        }
        Refusal::Failing => Answer::error(500, "api_error").header("retry-after-ms", "1"),
        Refusal::Key => Answer::error(401, "authentication_error"),
        Refusal::UnknownModel => Answer::error(404, "not_found_error"),
        Refusal::TooLong => Answer::error(413, "request_too_large"),
        Refusal::Filtered => invalid("Output blocked by content filtering policy"),
        Refusal::Wrong => invalid("messages: at least one message is required"),
    }
}
