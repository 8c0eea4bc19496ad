//! The API's rules for the body of a request, as far as this project could break them.
//!
//! <https://platform.openai.com/docs/api-reference/chat/create>

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::dialect::Dialect;
use super::errors::Wrong;
use super::messages;
use super::schemas;

/// The members of a body that this project sends.
const MEMBERS: [&str; 10] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "max_tokens",
    "max_completion_tokens",
    "tools",
    "tool_choice",
    "reasoning_effort",
    "response_format",
];

/// The two names of the bound of a reply's tokens.
const BOUNDS: [&str; 2] = ["max_tokens", "max_completion_tokens"];

/// The words for how much a model is to think.
const EFFORTS: [&str; 7] = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];

/// Characters of a name at most.
const LONGEST_NAME: usize = 64;

/// Whether a server with this dialect takes a body.
pub(super) fn check(body: &Value, dialect: Dialect) -> Result<(), Wrong> {
    check_members(body, &MEMBERS, "")?;
    let model = body["model"].as_str().unwrap_or_default();
    ensure(!model.is_empty(), || Wrong::new("you must provide a model parameter"))?;
    check_model(body, model)?;
    ensure(body["stream"] == true, || Wrong::new("This server only streams.").at("stream"))?;
    check_bound(body)?;
    let options = &body["stream_options"];
    check_members(options, &["include_usage"], "stream_options")?;
    ensure(options.is_null() || options["include_usage"].is_boolean(), || {
        Wrong::new("Invalid type for 'stream_options.include_usage'.").at("stream_options")
    })?;
    let effort = &body["reasoning_effort"];
    ensure(effort.is_null() || EFFORTS.iter().any(|word| effort == word), || {
        let why = format!("Invalid value: {effort}. Supported values are: {EFFORTS:?}.");
        Wrong::new(why).at("reasoning_effort").code("invalid_value")
    })?;
    check_tools(body)?;
    check_format(&body["response_format"])?;
    messages::check(body, dialect)
}

/// Refuses what some models do not take. A new model has another bound, an old one knows no newer
/// parameters, and a plain one does not think.
fn check_model(body: &Value, model: &str) -> Result<(), Wrong> {
    let unsupported = |name: &str, instead: &str| {
        let why = format!("Unsupported parameter: '{name}' is not supported with this model.");
        Wrong::new(why + instead).at(name).code("unsupported_parameter")
    };
    // <https://github.com/microsoft/vscode-copilot-release/issues/8065>
    let has = |name: &str| !body[name].is_null();
    ensure(!model.starts_with("new-") || !has("max_tokens"), || {
        unsupported("max_tokens", " Use 'max_completion_tokens' instead.")
    })?;
    ensure(!model.starts_with("plain-") || !has("reasoning_effort"), || {
        unsupported("reasoning_effort", "")
    })?;
    let unknown = ["max_completion_tokens", "stream_options"].into_iter().find(|name| has(name));
    unknown.filter(|_| model.starts_with("old-")).map_or(Ok(()), |name| {
        let why = format!("Unrecognized request argument supplied: {name}");
        Err(Wrong::new(why).at(name).code("unknown_parameter"))
    })
}

/// Refuses two bounds, and none.
fn check_bound(body: &Value) -> Result<(), Wrong> {
    let given: Vec<_> = BOUNDS.into_iter().filter(|name| !body[*name].is_null()).collect();
    ensure(given.len() < 2, || {
        let why = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not \
                   supported.";
        Wrong::new(why).at("max_tokens").code("invalid_parameter_combination")
    })?;
    let Some(name) = given.first() else {
        return Err(Wrong::new("Missing required parameter: 'max_completion_tokens'."));
    };
    ensure(body[*name].as_u64() > Some(0), || {
        let why = format!("Invalid '{name}': integer below minimum value.");
        Wrong::new(why).at(*name).code("integer_below_min_value")
    })
}

fn check_tools(body: &Value) -> Result<(), Wrong> {
    let tools = &body["tools"];
    let choice = &body["tool_choice"];
    ensure(choice.is_null() || !tools.is_null(), || {
        let why = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are \
                   specified.";
        Wrong::new(why).at("tool_choice")
    })?;
    ensure(choice.is_null() || ["auto", "none"].iter().any(|word| choice == word), || {
        Wrong::new(format!("Invalid value: {choice}.")).at("tool_choice").code("invalid_value")
    })?;
    ensure(tools.is_null() || !list(tools).is_empty(), || empty("tools"))?;
    let mut names = BTreeSet::new();
    for (index, tool) in list(tools).iter().enumerate() {
        let place = format!("tools[{index}]");
        check_members(tool, &["type", "function"], &place)?;
        ensure(tool["type"] == "function", || {
            Wrong::new(format!("Invalid value: {}.", tool["type"])).at(format!("{place}.type"))
        })?;
        let place = format!("{place}.function");
        let function = &tool["function"];
        check_members(function, &["name", "description", "parameters", "strict"], &place)?;
        check_name(&function["name"], &format!("{place}.name"))?;
        // It is Gemini's rule.
        ensure(names.insert(function["name"].as_str()), || {
            Wrong::new(format!("Duplicate function declaration found: {}", function["name"]))
        })?;
        check_parameters(function, &format!("{place}.parameters"))?;
    }
    Ok(())
}

fn check_parameters(function: &Value, place: &str) -> Result<(), Wrong> {
    let parameters = &function["parameters"];
    let wrong = |why: &str| {
        let name = function["name"].as_str().unwrap_or_default();
        let why = format!("Invalid schema for function '{name}': {why}");
        Wrong::new(why).at(place).code("invalid_function_parameters")
    };
    ensure(parameters["type"] == "object", || {
        wrong(&format!(
            "schema must be a JSON Schema of 'type: \"object\"', got 'type: {}'.",
            parameters["type"]
        ))
    })?;
    if function["strict"] == true {
        schemas::check(parameters).map_err(|why| wrong(&why))?;
    }
    Ok(())
}

/// The form of the answer.
fn check_format(format: &Value) -> Result<(), Wrong> {
    if format.is_null() {
        return Ok(());
    }
    let place = "response_format";
    check_members(format, &["type", "json_schema"], place)?;
    ensure(format["type"] == "json_schema", || {
        Wrong::new(format!("Invalid value: {}.", format["type"])).at("response_format.type")
    })?;
    let form = &format["json_schema"];
    let members = ["name", "description", "schema", "strict"];
    check_members(form, &members, "response_format.json_schema")?;
    check_name(&form["name"], "response_format.json_schema.name")?;
    let wrong = |why: &str| {
        let name = form["name"].as_str().unwrap_or_default();
        let why = format!("Invalid schema for response_format '{name}': {why}");
        Wrong::new(why).at(place)
    };
    ensure(form["schema"].is_object(), || wrong("schema must be an object."))?;
    if form["strict"] == true {
        schemas::check(&form["schema"]).map_err(|why| wrong(&why))?;
    }
    Ok(())
}

/// Whether this is a name as the API takes it.
pub(super) fn check_name(name: &Value, place: &str) -> Result<(), Wrong> {
    let Some(name) = name.as_str() else {
        let why = format!("Missing required parameter: '{place}'.");
        return Err(Wrong::new(why).at(place).code("missing_required_parameter"));
    };
    let is_sign = |sign: char| sign.is_ascii_alphanumeric() || "_-".contains(sign);
    ensure(!name.is_empty() && name.chars().all(is_sign), || {
        let why = format!(
            "Invalid '{place}': string does not match pattern. Expected a string that matches the \
             pattern '^[a-zA-Z0-9_-]+$'."
        );
        Wrong::new(why).at(place).code("invalid_value")
    })?;
    ensure(name.len() <= LONGEST_NAME, || too_long(place, LONGEST_NAME, name.len()))
}

/// Refuses a value with other members than these.
pub(super) fn check_members(value: &Value, known: &[&str], place: &str) -> Result<(), Wrong> {
    let mut members = value.as_object().into_iter().flat_map(Map::keys);
    let other = members.find(|member| !known.contains(&member.as_str()));
    other.map_or(Ok(()), |member| {
        let path = if place.is_empty() { member.clone() } else { format!("{place}.{member}") };
        let why = format!("Unknown parameter: '{path}'.");
        Err(Wrong::new(why).at(path).code("unknown_parameter"))
    })
}

/// A string with more characters than the API takes.
pub(super) fn too_long(place: &str, most: usize, length: usize) -> Wrong {
    let why = format!(
        "Invalid '{place}': string too long. Expected a string with maximum length {most}, but got \
         a string with length {length} instead."
    );
    Wrong::new(why).at(place).code("string_above_max_length")
}

/// An array without items.
pub(super) fn empty(place: &str) -> Wrong {
    let why = format!(
        "Invalid '{place}': empty array. Expected an array with minimum length 1, but got an empty \
         array instead."
    );
    Wrong::new(why).at(place).code("empty_array")
}

pub(super) fn ensure(holds: bool, why: impl FnOnce() -> Wrong) -> Result<(), Wrong> {
    if holds { Ok(()) } else { Err(why()) }
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}
