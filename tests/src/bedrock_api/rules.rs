//! The API's rules for the body of a request: those of the Messages API, but for what the URL, the
//! operation and Bedrock itself decide.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-anthropic-claude-messages.html>

use serde_json::{Map, Value};

use crate::messages_api::rules::{MEMBERS, check_input, check_max_tokens};

/// The member that only Bedrock takes, and its value.
const VERSION: (&str, &str) = ("anthropic_version", "bedrock-2023-05-31");

/// The members that Bedrock does not take: the URL names the model, the operation streams, and only
/// blocks can be marked for the cache.
const NOT_TAKEN: [&str; 3] = ["model", "stream", "cache_control"];

/// Whether the API takes a body. If not, the error is its message.
pub(super) fn check(body: &Value) -> Result<(), String> {
    let mut members = body.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    if let Some(member) = members.find(|member| !is_taken(member)) {
        return Err(malformed(&format!("#: extraneous key [{member}] is not permitted")));
    }
    for member in [VERSION.0, "max_tokens", "messages"] {
        if body[member].is_null() {
            return Err(malformed(&format!("#: required key [{member}] not found")));
        }
    }
    if body[VERSION.0] != VERSION.1 {
        let version = &body[VERSION.0];
        return Err(malformed(&format!("#/{}: {version} is not a valid enum value", VERSION.0)));
    }
    check_max_tokens(body)?;
    check_input(body)
}

fn is_taken(member: &str) -> bool {
    member == VERSION.0 || (MEMBERS.contains(&member) && !NOT_TAKEN.contains(&member))
}

fn malformed(why: &str) -> String {
    format!("Malformed input request: {why}, please reformat your input and try again.")
}
