//! The thoughts that have to come back, and those that must not.

use serde_json::Value;

use super::blocks;
use super::call::signature;
use super::dialect::Dialect;
use super::errors::Wrong;
use super::rules::{self, ensure, list};

/// Refuses a message of the assistant with a member that the server does not know.
pub(super) fn check_members(message: &Value, dialect: Dialect, place: &str) -> Result<(), Wrong> {
    let usual = ["role", "content", "tool_calls", "refusal"];
    let members: Vec<_> =
        usual.into_iter().chain(dialect.reasoning()).chain(dialect.blocks()).collect();
    rules::check_members(message, &members, place)
}

/// Whether the thoughts of a request are as a server with this dialect wants them.
pub(super) fn check(body: &Value, dialect: Dialect) -> Result<(), Wrong> {
    let messages = list(&body["messages"]);
    let last = messages.iter().rposition(|message| message["role"] == "user").unwrap_or(0);
    let assistants = || {
        let all = messages.iter().enumerate();
        all.filter(|(_, message)| message["role"] == "assistant")
    };
    match dialect {
        Dialect::Gemini | Dialect::GeminiInPieces => assistants()
            .filter(|(index, _)| *index > last)
            .try_for_each(|(index, message)| check_signatures(list(&message["tool_calls"]), index)),
        Dialect::Deepseek => {
            let mut steps = assistants().filter(|(index, message)| {
                *index > last && !list(&message["tool_calls"]).is_empty()
            });
            let missing = steps.find(|(_, message)| !message["reasoning_content"].is_string());
            missing.map_or(Ok(()), |(index, _)| {
                Err(of_deepseek(format!(
                    "Missing `reasoning_content` field in the assistant message at message index \
                     {index}. For more information, please refer to \
                     https://api-docs.deepseek.com/guides/thinking_mode#tool-calls"
                )))
            })
        }
        Dialect::DeepseekR1 => {
            let is_free = assistants().all(|(_, message)| message["reasoning_content"].is_null());
            ensure(is_free, || {
                of_deepseek(
                    "The reasoning_content is an intermediate result for display purposes only and \
                     will not be included in the context for inference. Please remove the \
                     reasoning_content from your message to reduce network traffic.",
                )
            })
        }
        Dialect::DeepseekV4 => {
            let is_whole = body["tools"].is_null()
                || assistants().all(|(_, message)| message["reasoning_content"].is_string());
            ensure(is_whole, || {
                of_deepseek(
                    "The `reasoning_content` in the thinking mode must be passed back to the API.",
                )
            })
        }
        _ => {
            let thinks = body["reasoning_effort"].is_string();
            let mut steps = assistants().filter(|(index, _)| *index > last);
            steps.try_for_each(|(_, message)| blocks::check(message, dialect, thinks))
        }
    }
}

fn of_deepseek(message: impl Into<String>) -> Wrong {
    Wrong::new(message).code("invalid_request_error")
}

/// Of the calls of a step in the current turn, the first one has its signature, and no other has
/// one.
///
/// <https://ai.google.dev/gemini-api/docs/thought-signatures>
fn check_signatures(calls: &[Value], index: usize) -> Result<(), Wrong> {
    for (number, call) in calls.iter().enumerate() {
        let sent = call.pointer("/extra_content/google/thought_signature");
        let expected = (number == 0).then(|| signature(call["id"].as_str().unwrap_or_default()));
        match (sent, expected) {
            (None, None) => {}
            (None, Some(_)) => {
                let name = call["function"]["name"].as_str().unwrap_or_default();
                return Err(Wrong::new(format!(
                    "Function call is missing a thought_signature in functionCall parts. This is \
                     required for tools to work correctly, and missing thought_signature may lead \
                     to degraded model performance. Additional data, function call \
                     `default_api:{name}` , position {index}. Please refer to \
                     https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
                )));
            }
            (Some(sent), expected) => {
                ensure(sent.as_str() == expected.as_deref(), || {
                    Wrong::new("Corrupted thought signature.")
                })?;
            }
        }
    }
    Ok(())
}
