//! The API's rules for the body of a request, as far as this project could break them.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::documents;
use super::grammar::Grammar;

/// The members of a body that this project sends.
pub(crate) const MEMBERS: [&str; 9] = [
    "model",
    "max_tokens",
    "stream",
    "system",
    "messages",
    "tools",
    "tool_choice",
    "cache_control",
    "output_config",
];

/// The words for how much a model is to think.
const EFFORTS: [&str; 5] = ["low", "medium", "high", "xhigh", "max"];

/// Whether the API takes a body. If not, the error is its message.
pub(super) fn check(body: &Value) -> Result<(), String> {
    check_members(body, &MEMBERS)?;
    check_model(body)?;
    ensure(body["stream"] == true, || "stream: must be true".to_owned())?;
    check_max_tokens(body)?;
    check_input(body)
}

/// The same for a body whose tokens are counted. It asks for no answer.
pub(super) fn check_count(body: &Value) -> Result<(), String> {
    let members: Vec<_> =
        MEMBERS.into_iter().filter(|name| !["max_tokens", "stream"].contains(name)).collect();
    check_members(body, &members)?;
    check_model(body)?;
    check_input(body)
}

fn check_model(body: &Value) -> Result<(), String> {
    ensure(body["model"].is_string(), || "model: Field required".to_owned())
}

/// The bound of the answer.
pub(crate) fn check_max_tokens(body: &Value) -> Result<(), String> {
    ensure(body["max_tokens"].as_u64() > Some(0), || "max_tokens: must be at least 1".to_owned())
}

fn check_members(body: &Value, known: &[&str]) -> Result<(), String> {
    let mut members = body.as_object().into_iter().flat_map(Map::keys);
    let other = members.find(|member| !known.contains(&member.as_str()));
    other.map_or(Ok(()), |member| Err(format!("{member}: Extra inputs are not permitted")))
}

/// What the model reads.
pub(crate) fn check_input(body: &Value) -> Result<(), String> {
    ensure(
        body["system"].is_null() || is_said(&body["system"]) || are_texts(&body["system"]),
        || "system: text content blocks must be non-empty".to_owned(),
    )?;
    let mut grammar = Grammar::default();
    check_output_config(&body["output_config"], &mut grammar)?;
    check_tools(body, &mut grammar)?;
    grammar.check()?;
    check_messages(body)
}

fn check_output_config(config: &Value, grammar: &mut Grammar) -> Result<(), String> {
    check_members(config, &["effort", "format"]).map_err(|why| format!("output_config.{why}"))?;
    ensure(config.is_null() || config.is_object(), || {
        "output_config: Input should be an object".to_owned()
    })?;
    let effort = &config["effort"];
    let is_known = EFFORTS.iter().any(|word| effort == word);
    ensure(effort.is_null() || is_known, || {
        "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'".to_owned()
    })?;
    let format = &config["format"];
    if format.is_null() {
        return Ok(());
    }
    check_members(format, &["type", "schema"])
        .map_err(|why| format!("output_config.format.{why}"))?;
    ensure(format["type"] == "json_schema", || {
        "output_config.format.type: Input should be 'json_schema'".to_owned()
    })?;
    grammar.add(&format["schema"]).map_err(|why| format!("output_config.format.schema: {why}"))
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

fn is_said(text: &Value) -> bool {
    text.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn are_texts(blocks: &Value) -> bool {
    let is_text = |block: &Value| block["type"] == "text" && is_said(&block["text"]);
    blocks.as_array().is_some_and(|blocks| !blocks.is_empty() && blocks.iter().all(is_text))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether a text is a name or an id of a tool.
fn is_name(name: &Value) -> bool {
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    name.as_str()
        .is_some_and(|name| !name.is_empty() && name.len() <= 64 && name.chars().all(is_sign))
}

fn check_tools(body: &Value, grammar: &mut Grammar) -> Result<(), String> {
    let tools = list(&body["tools"]);
    let choice = &body["tool_choice"];
    ensure(choice.is_null() || !tools.is_empty(), || {
        "tool_choice: may only be specified while providing tools".to_owned()
    })?;
    let is_known = ["auto", "none"].iter().any(|kind| choice["type"] == *kind);
    ensure(choice.is_null() || is_known, || "tool_choice.type: unknown".to_owned())?;
    let mut names = BTreeSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let name = &tool["name"];
        ensure(is_name(name), || format!("tools.{index}.custom.name: wrong pattern"))?;
        ensure(names.insert(name.as_str()), || "tools: Tool names must be unique.".to_owned())?;
        ensure(tool["input_schema"]["type"] == "object", || {
            format!("tools.{index}.custom.input_schema.type: Input should be 'object'")
        })?;
        if tool["strict"] == true {
            grammar
                .add_tool(&tool["input_schema"])
                .map_err(|why| format!("tools.{index}.custom: {why}"))?;
        }
    }
    Ok(())
}

fn check_messages(body: &Value) -> Result<(), String> {
    let messages = list(&body["messages"]);
    ensure(messages.first().is_some_and(|first| first["role"] == "user"), || {
        "messages: first message must use the \"user\" role".to_owned()
    })?;
    let mut asked = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let place = format!("messages.{index}");
        let is_user = message["role"] == "user";
        ensure(is_user || message["role"] == "assistant", || format!("{place}.role: unknown"))?;
        let blocks = list(&message["content"]);
        ensure(is_said(&message["content"]) || !blocks.is_empty(), || {
            format!("{place}: all messages must have non-empty content")
        })?;
        for (number, block) in blocks.iter().enumerate() {
            check_block(block, is_user).map_err(|why| format!("{place}.content.{number}{why}"))?;
        }
        let has_tools = !list(&body["tools"]).is_empty();
        let uses_tools = blocks.iter().any(|block| block["type"].as_str().is_some_and(is_of_tool));
        ensure(has_tools || !uses_tools, || {
            "Requests which include `tool_use` or `tool_result` blocks must define tools".to_owned()
        })?;
        check_results(blocks, &asked).map_err(|why| format!("{place}{why}"))?;
        let uses = blocks.iter().filter(|block| block["type"] == "tool_use");
        asked = uses.map(|used| &used["id"]).collect();
    }
    ensure(asked.is_empty(), || unanswered(&asked))?;
    let last = messages.last().filter(|message| message["role"] == "assistant");
    let has_format = !body["output_config"]["format"].is_null();
    ensure(last.is_none() || !has_format, || {
        "messages: the final message may not be the assistant's with output_config.format"
            .to_owned()
    })?;
    let text = last.and_then(|message| list(&message["content"]).last()?["text"].as_str());
    ensure(text.is_none_or(|text| text.trim_end() == text), || {
        "messages: final assistant content cannot end with trailing whitespace".to_owned()
    })
}

fn is_of_tool(kind: &str) -> bool {
    kind == "tool_use" || kind == "tool_result"
}

fn check_block(block: &Value, is_user: bool) -> Result<(), String> {
    if block["type"] == "document" && is_user {
        return documents::check(block);
    }
    let text_or_nothing = |value: &Value| value.is_null() || value.is_string();
    let is_taken = match (block["type"].as_str().unwrap_or_default(), is_user) {
        ("text", _) => is_said(&block["text"]),
        ("tool_use", false) => {
            is_name(&block["id"]) && is_name(&block["name"]) && block["input"].is_object()
        }
        ("tool_result", true) => {
            is_name(&block["tool_use_id"]) && text_or_nothing(&block["content"])
        }
        ("thinking", false) => block["thinking"].is_string() && is_said(&block["signature"]),
        ("redacted_thinking", false) => is_said(&block["data"]),
        _ => false,
    };
    ensure(is_taken, || format!(": {block} is not taken from this role"))
}

/// Each use of the message before has one result, and the results stand before all else.
fn check_results(blocks: &[Value], asked: &[&Value]) -> Result<(), String> {
    let mut open = asked.to_vec();
    let mut has_other = false;
    for (number, block) in blocks.iter().enumerate() {
        if block["type"] != "tool_result" {
            has_other = true;
            continue;
        }
        let id = &block["tool_use_id"];
        let place = open.iter().position(|asked| *asked == id).filter(|_| !has_other);
        let place = place.ok_or_else(|| {
            format!(
                ".content.{number}: unexpected `tool_use_id` found in `tool_result` blocks: {id}"
            )
        })?;
        open.remove(place);
    }
    ensure(open.is_empty(), || format!(": {}", unanswered(&open)))
}

fn unanswered(ids: &[&Value]) -> String {
    let ids: Vec<_> = ids.iter().filter_map(|id| id.as_str()).collect();
    format!(
        "`tool_use` ids were found without `tool_result` blocks immediately after: {}",
        ids.join(", ")
    )
}
