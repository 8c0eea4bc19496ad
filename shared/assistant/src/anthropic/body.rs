//! The body of a request: `POST /v1/messages`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::strict::strict_schemas;
use crate::domain::{Effort, MessageRole};
use crate::error::{Fault, ProviderError};
use crate::request::{Content, Request, Turn};
use crate::tool::Tool;

/// The body for one model. Its tools are strict where they can be, unless the model takes none.
pub(super) fn body(
    request: &Request,
    model: &str,
    max_tokens: u64,
    takes_strict: bool,
) -> Result<Vec<u8>, ProviderError> {
    let messages = messages(&request.turns);
    if messages.is_empty() {
        return Err(ProviderError::new(
            Fault::RequestRefused,
            "the request has no message to answer",
        ));
    }
    // A template may leave nothing, and the API takes no empty text.
    let system = Some(request.system.as_str())
        .filter(|text| !text.trim().is_empty())
        .map(|text| [Block::Text { text, cache_control: Some(CacheControl::Ephemeral) }]);
    let has_tools = !request.tools.is_empty();
    let body = Body {
        model,
        max_tokens,
        stream: true,
        system,
        messages,
        tools: offered(&request.tools, takes_strict),
        tool_choice: (has_tools && request.without_tools).then_some(ToolChoice::None),
        cache_control: (has_tools && !request.without_tools).then_some(CacheControl::Ephemeral),
        output_config: request.effort.map(|effort| OutputConfig { effort }),
    };
    serde_json::to_vec(&body)
        .map_err(|error| ProviderError::new(Fault::RequestRefused, error.to_string()))
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    stream: bool,
    /// Marked for the provider's cache, because it is the same in every call. The tools stand
    /// before it, so they are cached too. A prompt that is too short for the cache is read as
    /// usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<[Block<'a>; 1]>,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<ToolChoice>,
    /// Marks the end of the messages for the cache, where a next step may read them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
}

#[derive(Serialize)]
struct OutputConfig {
    effort: Effort,
}

/// A tool.
#[derive(Serialize)]
struct Offered<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToolChoice {
    None,
}

#[derive(Serialize)]
struct Message<'a> {
    role: MessageRole,
    content: Vec<Block<'a>>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: Cow<'a, Value>,
    },
    ToolResult {
        tool_use_id: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
    },
    /// It has its own type.
    #[serde(untagged)]
    Thought(&'a Value),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CacheControl {
    Ephemeral,
}

fn offered(tools: &[Tool], takes_strict: bool) -> Vec<Offered<'_>> {
    let schemas = if takes_strict { strict_schemas(tools) } else { vec![None; tools.len()] };
    let offered = tools.iter().zip(schemas).map(|(tool, schema)| Offered {
        name: &tool.name,
        description: &tool.description,
        strict: schema.is_some(),
        input_schema: schema.map_or(Cow::Borrowed(&tool.input_schema), Cow::Owned),
    });
    offered.collect()
}

/// The turns that are sent, by their indices. In the form that the API takes, a user begins, and no
/// text is blank. Our turns may begin with the assistant, and a reply may be blank.
pub(super) fn sent(turns: &[Turn]) -> impl Iterator<Item = usize> {
    let is_blank = |turn: &Turn| turn.content.iter().all(|content| block(content).is_none());
    turns
        .iter()
        .enumerate()
        .filter(move |(_, turn)| !is_blank(turn))
        .skip_while(|(_, turn)| turn.role == MessageRole::Assistant)
        .map(|(index, _)| index)
}

fn messages(turns: &[Turn]) -> Vec<Message<'_>> {
    let sent = sent(turns).map(|index| &turns[index]);
    sent.map(|turn| Message { role: turn.role, content: blocks(turn) }).collect()
}

/// The blocks of a turn. The API wants the results of tools before any text. The model may have to
/// go on with its own turn, and the API takes no white space at the end of that. So every turn of
/// the model is sent without it, and stays the same in all steps.
fn blocks(turn: &Turn) -> Vec<Block<'_>> {
    let is_result = |content: &&Content| matches!(content, Content::ToolResult(_));
    let results = turn.content.iter().filter(is_result);
    let others = turn.content.iter().filter(|content| !is_result(content));
    let mut blocks: Vec<_> = results.chain(others).filter_map(block).collect();
    if turn.role == MessageRole::Assistant
        && let Some(Block::Text { text, .. }) = blocks.last_mut()
    {
        *text = text.trim_end();
    }
    blocks
}

fn block(content: &Content) -> Option<Block<'_>> {
    Some(match content {
        Content::Text(text) if text.trim().is_empty() => return None,
        Content::Text(text) => Block::Text { text, cache_control: None },
        Content::ToolUse(used) => {
            Block::ToolUse { id: &used.id, name: &used.name, input: input(&used.input) }
        }
        Content::ToolResult(result) => Block::ToolResult {
            tool_use_id: &result.tool_use_id,
            content: &result.content,
            is_error: result.is_error,
        },
        Content::Thought(thought) => Block::Thought(thought),
    })
}

/// The input of a use. The API takes an object alone, also where the model wrote something else.
fn input(input: &Value) -> Cow<'_, Value> {
    if input.is_object() { Cow::Borrowed(input) } else { Cow::Owned(json!({"input": input})) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole::{Assistant, User};
    use crate::tool::{ToolResult, ToolUse};

    fn request(turns: Vec<Turn>, tools: Vec<Tool>) -> Request {
        let system = "You are brief.".to_owned();
        Request { reply_id: "r".into(), system, turns, tools, ..Request::default() }
    }

    fn sent(request: &Request) -> Option<Value> {
        body(request, "m", 7, true).ok().map(|body| serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_conversation_is_sent_as_the_api_takes_it() {
        let text = |role: &str, text: &str| {
            json!({
                "role": role, "content": [{"type": "text", "text": text}],
            })
        };
        for (turns, expected) in [
            (vec![(User, "Hi")], vec![text("user", "Hi")]),
            (
                vec![(Assistant, "a"), (User, "b"), (Assistant, "c"), (User, "d")],
                vec![text("user", "b"), text("assistant", "c"), text("user", "d")],
            ),
            (
                vec![(User, "a"), (Assistant, ""), (Assistant, " \n"), (User, " b ")],
                vec![text("user", "a"), text("user", " b ")],
            ),
        ] {
            let turns = turns.into_iter().map(|(role, text)| Turn::text(role, text)).collect();
            assert_eq!(sent(&request(turns, Vec::new())).unwrap()["messages"], json!(expected));
        }
        for turns in [vec![], vec![Turn::text(Assistant, "a")], vec![Turn::text(User, " ")]] {
            assert_eq!(sent(&request(turns, Vec::new())), None);
        }
    }

    #[test]
    fn the_system_prompt_is_marked_for_the_cache() {
        let mut request = request(vec![Turn::text(User, "Hi")], Vec::new());
        let body = sent(&request).unwrap();
        let system = json!([{
            "type": "text", "text": "You are brief.", "cache_control": {"type": "ephemeral"},
        }]);
        assert_eq!(body["system"], system);
        for absent in ["tools", "tool_choice", "cache_control"] {
            assert_eq!(body.get(absent), None);
        }
        for blank in ["", " \n"] {
            blank.clone_into(&mut request.system);
            assert_eq!(sent(&request).unwrap().get("system"), None);
        }
    }

    #[test]
    fn the_effort_and_the_bound_of_the_answer_are_sent() {
        let mut request = request(vec![Turn::text(User, "Hi")], Vec::new());
        for (effort, expected) in [
            (None, None),
            (Some(Effort::Low), Some("low")),
            (Some(Effort::Medium), Some("medium")),
            (Some(Effort::High), Some("high")),
            (Some(Effort::Max), Some("max")),
        ] {
            request.effort = effort;
            let body = sent(&request).unwrap();
            assert_eq!(
                (&body["model"], &body["max_tokens"], &body["stream"]),
                (&json!("m"), &json!(7), &json!(true))
            );
            let expected = expected.map(|effort| json!({"effort": effort}));
            assert_eq!(body.get("output_config"), expected.as_ref());
        }
    }

    fn tool(name: &str, input_schema: Value) -> Tool {
        Tool { name: name.into(), description: "Profits".into(), input_schema }
    }

    #[test]
    fn tools_are_offered_strictly_where_they_can_be() {
        let strict = json!({
            "type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"],
            "additionalProperties": false,
        });
        let loose = json!({"type": "object", "additionalProperties": true});
        let tools = vec![tool("profits", strict.clone()), tool("other", loose.clone())];
        let mut request = request(vec![Turn::text(User, "Hi")], tools);
        let offered = |name: &str, schema: &Value, strict: Option<bool>| {
            let mut offered =
                json!({"name": name, "description": "Profits", "input_schema": schema});
            if let Some(strict) = strict {
                offered["strict"] = strict.into();
            }
            offered
        };
        let expected =
            json!([offered("profits", &strict, Some(true)), offered("other", &loose, None)]);
        let ephemeral = json!({"type": "ephemeral"});
        let body = sent(&request).unwrap();
        assert_eq!((&body["tools"], &body["cache_control"]), (&expected, &ephemeral));
        assert_eq!(body.get("tool_choice"), None);

        // In the last step the tools are the same, but the model may not use them. No further step
        // would read what the cache gets.
        request.without_tools = true;
        let body = sent(&request).unwrap();
        assert_eq!((&body["tools"], &body["tool_choice"]), (&expected, &json!({"type": "none"})));
        assert_eq!(body.get("cache_control"), None);

        // A model that takes no strict tools.
        let body = super::body(&request, "m", 7, false).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let expected = json!([offered("profits", &strict, None), offered("other", &loose, None)]);
        assert_eq!(body["tools"], expected);

        // There is nothing to choose without tools.
        request.tools.clear();
        let body = sent(&request).unwrap();
        assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
    }

    #[test]
    fn the_steps_of_a_loop_are_sent_as_the_api_takes_them() {
        let thought = json!({"type": "thinking", "thinking": "", "signature": "c2ln", "new": 1});
        let redacted = json!({"type": "redacted_thinking", "data": "eA=="});
        let used = |id: &str, input: Value| {
            Content::ToolUse(ToolUse { id: id.into(), name: "profits".into(), input })
        };
        let result = |id: &str, content: &str, is_error: bool| {
            let tool_use_id = id.into();
            Content::ToolResult(ToolResult { tool_use_id, content: content.into(), is_error })
        };
        let text = |text: &str| Content::Text(text.into());
        let said = |text: &str| json!({"type": "text", "text": text});
        let asked = |id: &str, input: Value| {
            json!({
                "type": "tool_use", "id": id, "name": "profits", "input": input,
            })
        };
        let year = json!({"year": 2023});
        for (role, content, expected) in [
            (
                Assistant,
                vec![
                    Content::Thought(thought.clone()),
                    text("Let me see."),
                    Content::Thought(redacted.clone()),
                    used("a", year.clone()),
                    used("b", json!([1])),
                ],
                json!([
                    thought,
                    said("Let me see."),
                    redacted,
                    asked("a", year),
                    asked("b", json!({"input": [1]})),
                ]),
            ),
            (
                User,
                vec![
                    text("Two steps are left. "),
                    result("a", "12", false),
                    text(" "),
                    result("b", "No.", true),
                    result("c", "", false),
                ],
                json!([
                    {"type": "tool_result", "tool_use_id": "a", "content": "12"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "No.", "is_error": true},
                    {"type": "tool_result", "tool_use_id": "c"},
                    said("Two steps are left. "),
                ]),
            ),
            // A reply that was paused. The model goes on with it.
            (Assistant, vec![text("Let me \n")], json!([said("Let me")])),
            (Assistant, vec![Content::Thought(thought.clone())], json!([thought])),
        ] {
            let turns = vec![Turn::text(User, "How much? "), Turn { role, content }];
            let sent = sent(&request(turns, Vec::new())).unwrap();
            assert_eq!(sent["messages"][0]["content"], json!([said("How much? ")]));
            assert_eq!(sent["messages"][1], json!({"role": role, "content": expected}));
        }
    }
}
