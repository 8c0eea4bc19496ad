//! The API's rules for the messages of a request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::dialect::Dialect;
use super::errors::Wrong;
use super::rules::{check_members, check_name, empty, ensure, list, too_long};
use super::thoughts;

/// Characters of the id of a call at most.
///
/// <https://github.com/openclaw/openclaw/pull/875>
const LONGEST_ID: usize = 64;

/// The text before the data of a document.
pub(super) const PDF: &str = "data:application/pdf;base64,";

/// Whether a server with this dialect takes the messages of a body.
pub(super) fn check(body: &Value, dialect: Dialect) -> Result<(), Wrong> {
    let messages = list(&body["messages"]);
    ensure(!messages.is_empty(), || empty("messages"))?;
    // Templates of open models want that order.
    let first = messages.iter().find(|message| message["role"] != "system");
    ensure(first.is_some_and(|first| first["role"] == "user"), || {
        Wrong::new("Conversation roles must begin with a user.").at("messages")
    })?;
    // The ids of calls that have no result yet.
    let mut open = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages[{index}]");
        let role = message["role"].as_str().unwrap_or_default();
        if role == "tool" {
            check_result(message, index, &mut open)?;
            continue;
        }
        ensure(open.is_empty(), || unanswered(index, &open))?;
        match role {
            "system" if index == 0 => {
                check_members(message, &["role", "content"], &place)?;
                check_said(&message["content"], &format!("{place}.content"))?;
            }
            "user" => check_user(message, &place)?,
            "assistant" => {
                thoughts::check_members(message, dialect, &place)?;
                open = check_assistant(message, dialect, &place)?;
            }
            _ => {
                let why = format!("Invalid value: '{role}' is no role, or does not stand here.");
                return Err(Wrong::new(why).at(format!("{place}.role")).code("invalid_value"));
            }
        }
    }
    ensure(open.is_empty(), || unanswered(messages.len(), &open))?;
    let repeats = messages
        .windows(2)
        .any(|pair| pair[0]["role"] == pair[1]["role"] && pair[0]["role"] != "tool");
    ensure(!repeats || !dialect.is_vllm(), || {
        Wrong::new(
            "After the optional system message, conversation roles must alternate \
             user/assistant/user/assistant/...",
        )
    })?;
    thoughts::check(body, dialect)
}

/// Refuses a text that is blank, as some models do.
fn check_said(text: &Value, place: &str) -> Result<(), Wrong> {
    let is_said = text.as_str().is_some_and(|text| !text.trim().is_empty());
    ensure(is_said, || {
        let why = format!("Invalid value for '{place}': expected a text that is not blank.");
        Wrong::new(why).at(place).code("invalid_value")
    })
}

fn check_user(message: &Value, place: &str) -> Result<(), Wrong> {
    check_members(message, &["role", "content"], place)?;
    let content = &message["content"];
    let place = format!("{place}.content");
    let Some(parts) = content.as_array() else { return check_said(content, &place) };
    ensure(!parts.is_empty(), || empty(&place))?;
    for (number, part) in parts.iter().enumerate() {
        let place = format!("{place}[{number}]");
        match part["type"].as_str().unwrap_or_default() {
            "text" => {
                check_members(part, &["type", "text"], &place)?;
                check_said(&part["text"], &format!("{place}.text"))?;
            }
            "file" => {
                check_members(part, &["type", "file"], &place)?;
                check_file(&part["file"], &format!("{place}.file"))?;
            }
            other => {
                let why =
                    format!("Invalid value: '{other}'. Supported values are: 'text', 'file'.");
                return Err(Wrong::new(why).at(format!("{place}.type")).code("invalid_value"));
            }
        }
    }
    Ok(())
}

/// A PDF.
///
/// <https://platform.openai.com/docs/guides/pdf-files>
fn check_file(file: &Value, place: &str) -> Result<(), Wrong> {
    check_members(file, &["filename", "file_data"], place)?;
    check_said(&file["filename"], &format!("{place}.filename"))?;
    let data = file["file_data"].as_str().and_then(|data| data.strip_prefix(PDF));
    let data = data.and_then(|data| STANDARD.decode(data).ok());
    ensure(data.is_some_and(|data| data.starts_with(b"%PDF-")), || {
        let why = format!("Invalid file data: '{place}.file_data'. Expected a PDF in base64.");
        Wrong::new(why).at(format!("{place}.file_data")).code("invalid_value")
    })
}

/// Returns the ids of the calls.
fn check_assistant<'a>(
    message: &'a Value,
    dialect: Dialect,
    place: &str,
) -> Result<Vec<&'a str>, Wrong> {
    let calls = &message["tool_calls"];
    let content = &message["content"];
    if calls.is_null() || !content.is_null() {
        check_said(content, &format!("{place}.content"))?;
    }
    ensure(calls.is_null() || !list(calls).is_empty(), || empty(&format!("{place}.tool_calls")))?;
    let mut ids = Vec::new();
    for (number, call) in list(calls).iter().enumerate() {
        let id = check_call(call, dialect, &format!("{place}.tool_calls[{number}]"))?;
        ensure(!ids.contains(&id), || Wrong::new(format!("Duplicate tool call id: {id}")))?;
        ids.push(id);
    }
    Ok(ids)
}

/// Returns the id of the call.
fn check_call<'a>(call: &'a Value, dialect: Dialect, place: &str) -> Result<&'a str, Wrong> {
    let signed: &[&str] = &["id", "type", "function", "extra_content"];
    let members = if dialect.is_gemini() { signed } else { &signed[..3] };
    check_members(call, members, place)?;
    let id = call["id"].as_str().unwrap_or_default();
    ensure(!id.is_empty(), || {
        let why = format!("Missing required parameter: '{place}.id'.");
        Wrong::new(why).at(format!("{place}.id")).code("missing_required_parameter")
    })?;
    let length = id.chars().count();
    ensure(length <= LONGEST_ID, || too_long(&format!("{place}.id"), LONGEST_ID, length))?;
    ensure(call["type"] == "function", || {
        Wrong::new(format!("Invalid value: {}.", call["type"])).at(format!("{place}.type"))
    })?;
    let function = &call["function"];
    check_members(function, &["name", "arguments"], &format!("{place}.function"))?;
    check_name(&function["name"], &format!("{place}.function.name"))?;
    let place = format!("{place}.function.arguments");
    let Some(arguments) = function["arguments"].as_str() else {
        let why = format!("Invalid type for '{place}': expected a string.");
        return Err(Wrong::new(why).at(place).code("invalid_type"));
    };
    // vLLM refuses other arguments than an object, and with them the whole conversation.
    // <https://github.com/MiaAI-Lab/DeepSeek-v4-Flash-DSpark-2x-DGX-Spark/issues/55>
    let is_object = serde_json::from_str(arguments).is_ok_and(|value: Value| value.is_object());
    ensure(is_object, || Wrong::new("Can only get item pairs from a mapping.").at(place))?;
    Ok(id)
}

/// A result stands right after the calls, and names one of them.
fn check_result(message: &Value, index: usize, open: &mut Vec<&str>) -> Result<(), Wrong> {
    check_members(message, &["role", "tool_call_id", "content"], &format!("messages[{index}]"))?;
    ensure(!open.is_empty(), || {
        let why = "Invalid parameter: messages with role 'tool' must be a response to a preceeding \
                   message with 'tool_calls'.";
        Wrong::new(why).at(format!("messages.[{index}].role"))
    })?;
    let id = message["tool_call_id"].as_str().unwrap_or_default();
    let place = open.iter().position(|asked| *asked == id);
    let place = place.ok_or_else(|| {
        let why = "Invalid parameter: 'tool_call_id' of '";
        let rest = "' not found in 'tool_calls' of previous message.";
        Wrong::new(format!("{why}{id}{rest}")).at(format!("messages.[{index}].tool_call_id"))
    })?;
    open.remove(place);
    ensure(message["content"].is_string(), || {
        Wrong::new("Invalid value for 'content': expected a string, got null.")
            .at(format!("messages.[{index}].content"))
    })
}

fn unanswered(index: usize, ids: &[&str]) -> Wrong {
    let why = format!(
        "An assistant message with 'tool_calls' must be followed by tool messages responding to \
         each 'tool_call_id'. The following tool_call_ids did not have response messages: {}",
        ids.join(", ")
    );
    Wrong::new(why).at(format!("messages.[{index}].role"))
}
