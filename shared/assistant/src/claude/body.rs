//! The body of a request: `POST /v1/messages`, or `POST /v1/messages/count_tokens`.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::strict::{Schemas, strict_schemas};
use crate::domain::{Effort, MessageRole};
use crate::error::{Fault, ProviderError};
use crate::remote::Takes;
use crate::request::{Content, Document, Request, Turn};
use crate::tool::Tool;

/// The version of the API that Bedrock speaks.
const BEDROCK_VERSION: &str = "bedrock-2023-05-31";

/// Characters of a document's title that the API takes at most.
const LONGEST_TITLE: usize = 500;

/// Characters of the name of a tool that the API takes at most.
const LONGEST_NAME: usize = 64;

/// What a body is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// A call by the API itself.
    Call { model: &'a str, max_tokens: u64 },
    /// A count of the tokens by the API itself.
    Count { model: &'a str },
    /// A call by Bedrock, whose URL has the model.
    BedrockCall { max_tokens: u64 },
}

/// A body for a model that takes this much. Its tools are strict where they can be. Its answer has
/// the form of the request's schema, if that can be strict.
pub(crate) fn body(
    request: &Request,
    purpose: Purpose<'_>,
    takes: Takes,
) -> Result<Vec<u8>, ProviderError> {
    let mut messages = messages(&request.turns);
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
    let strict_tools: &[Tool] = if takes.strict { request.tools.as_slice() } else { &[] };
    let Schemas { output, tools } = strict_schemas(request.output_schema.as_ref(), strict_tools);
    let (model, max_tokens, bedrock) = match purpose {
        Purpose::Call { model, max_tokens } => (Some(model), Some(max_tokens), false),
        Purpose::Count { model } => (Some(model), None, false),
        Purpose::BedrockCall { max_tokens } => (None, Some(max_tokens), true),
    };
    let caches_messages = has_tools && !request.without_tools;
    if caches_messages && bedrock {
        cache_last(&mut messages);
    }
    let body = Body {
        anthropic_version: bedrock.then_some(BEDROCK_VERSION),
        model,
        max_tokens,
        stream: !bedrock && max_tokens.is_some(),
        system,
        messages,
        tools: offered(&request.tools, tools),
        tool_choice: (has_tools && request.without_tools && takes.tool_choice)
            .then_some(ToolChoice::None),
        cache_control: (caches_messages && !bedrock).then_some(CacheControl::Ephemeral),
        output_config: OutputConfig::of(request.effort, output),
    };
    serde_json::to_vec(&body)
        .map_err(|error| ProviderError::new(Fault::RequestRefused, error.to_string()))
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    anthropic_version: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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
    /// Marks the end of the messages for the cache, where a next step may read them again. Bedrock
    /// takes the mark at the last block alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<OutputConfig>,
}

#[derive(Serialize)]
struct OutputConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
}

impl OutputConfig {
    /// `None` if there is nothing to configure.
    fn of(effort: Option<Effort>, schema: Option<Value>) -> Option<Self> {
        let format = schema.map(|schema| Format::JsonSchema { schema });
        (effort.is_some() || format.is_some()).then_some(Self { effort, format })
    }
}

/// The form of the answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format {
    JsonSchema { schema: Value },
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
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "str::is_empty")]
        title: &'a str,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, Value>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "str::is_empty")]
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    /// It has its own type.
    #[serde(untagged)]
    Thought(&'a Value),
}

/// The data of a document.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Source<'a> {
    Base64 { media_type: &'static str, data: &'a str },
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CacheControl {
    Ephemeral,
}

/// The tools, each with its strict schema. Those without one are offered as they are.
fn offered(tools: &[Tool], strict: Vec<Option<Value>>) -> Vec<Offered<'_>> {
    let schemas = strict.into_iter().chain(std::iter::repeat(None));
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
pub(crate) fn sent(turns: &[Turn]) -> impl Iterator<Item = usize> {
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

/// The blocks of a turn. The API wants the results of tools before all else, and the model reads a
/// document best before the question about it. The model may have to go on with its own turn, and
/// the API takes no white space at the end of that. So every turn of the model is sent without it,
/// and stays the same in all steps.
fn blocks(turn: &Turn) -> Vec<Block<'_>> {
    let place = |content: &&Content| match content {
        Content::ToolResult(_) => 0,
        Content::Document(_) => 1,
        _ => 2,
    };
    let mut contents: Vec<_> = turn.content.iter().collect();
    contents.sort_by_key(place);
    let mut blocks: Vec<_> = contents.into_iter().filter_map(block).collect();
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
        Content::Document(document) => Block::Document {
            source: Source::Base64 { media_type: "application/pdf", data: &document.data },
            title: title(document),
        },
        Content::ToolUse(used) => {
            let (id, name) = (id(&used.id), name(&used.name));
            Block::ToolUse { id, name, input: input(&used.input) }
        }
        Content::ToolResult(result) => Block::ToolResult {
            tool_use_id: id(&result.tool_use_id),
            content: &result.content,
            is_error: result.is_error,
            cache_control: None,
        },
        // Another provider may have written an earlier step.
        Content::Thought(thought) if !is_thought(thought) => return None,
        Content::Thought(thought) => Block::Thought(thought),
    })
}

/// Whether a thought is one of Claude's.
fn is_thought(thought: &Value) -> bool {
    matches!(thought["type"].as_str(), Some("thinking" | "redacted_thinking"))
}

/// The id of a use as the API takes it. Other providers have ids with other characters.
fn id(id: &str) -> Cow<'_, str> {
    let is_taken = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.chars().all(is_taken) {
        return Cow::Borrowed(id);
    }
    id.chars().map(|c| if is_taken(c) { c } else { '_' }).collect::<String>().into()
}

/// The name of a tool as the API takes it. A model of another provider may have made one up.
fn name(name: &str) -> Cow<'_, str> {
    let end = name.char_indices().nth(LONGEST_NAME).map_or(name.len(), |(end, _)| end);
    id(&name[..end])
}

/// Marks the last block of the messages for the cache, if it can have a mark.
fn cache_last(messages: &mut [Message<'_>]) {
    let last = messages.last_mut().and_then(|message| message.content.last_mut());
    if let Some(Block::Text { cache_control, .. } | Block::ToolResult { cache_control, .. }) = last
    {
        *cache_control = Some(CacheControl::Ephemeral);
    }
}

/// The title of a document as the API takes it.
fn title(document: &Document) -> &str {
    let title = document.title.trim();
    title.char_indices().nth(LONGEST_TITLE).map_or(title, |(end, _)| &title[..end])
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

    const CALL: Purpose<'_> = Purpose::Call { model: "m", max_tokens: 7 };
    const COUNT: Purpose<'_> = Purpose::Count { model: "m" };

    fn request(turns: Vec<Turn>, tools: Vec<Tool>) -> Request {
        let system = "You are brief.".to_owned();
        Request { reply_id: "r".into(), system, turns, tools, ..Request::default() }
    }

    fn sent(request: &Request) -> Option<Value> {
        body(request, CALL, Takes::ALL).ok().map(|body| serde_json::from_slice(&body).unwrap())
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

    #[test]
    fn the_form_of_the_answer_is_sent_where_it_can_be_strict() {
        let text = || json!({"type": "string"});
        let object = |properties: Value, required: Value| {
            json!({
                "type": "object", "properties": properties, "required": required,
                "additionalProperties": false,
            })
        };
        let deep = json!({"type": "array", "items": {
            "type": "object", "properties": {"row": {"type": "integer", "enum": [1, 2]}},
        }, "minItems": 2});
        let strict = json!({
            "type": "array", "items": object(json!({"row": {"enum": [1, 2]}}), json!([])),
            "description": "{minItems: 2}",
        });
        let mut request = request(vec![Turn::text(User, "Hi")], Vec::new());
        for (schema, expected) in [
            (
                json!({"type": "object", "properties": {"summary": text()}}),
                Some(object(json!({"summary": text()}), json!([]))),
            ),
            (
                json!({"type": "object", "properties": {"rows": deep}, "required": ["rows"]}),
                Some(object(json!({"rows": strict}), json!(["rows"]))),
            ),
            (json!({"type": "array", "items": text()}), None),
            (json!({"type": "object", "additionalProperties": true}), None),
            (json!({"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}}), None),
            (json!({}), None),
        ] {
            request.output_schema = Some(schema);
            let format = expected.map(|schema| json!({"type": "json_schema", "schema": schema}));
            for effort in [None, Some(Effort::Low)] {
                request.effort = effort;
                let mut config = json!({});
                if let Some(format) = &format {
                    config["format"] = format.clone();
                }
                if let Some(effort) = effort {
                    config["effort"] = json!(effort);
                }
                let expected = Some(config).filter(|config| *config != json!({}));
                // A model without strict tools may know the form of an answer.
                for takes_strict in [true, false] {
                    let takes = Takes { strict: takes_strict, ..Takes::ALL };
                    let body = super::body(&request, CALL, takes).unwrap();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    assert_eq!(body.get("output_config"), expected.as_ref());
                }
            }
        }
    }

    #[test]
    fn documents_stand_before_the_question_and_after_results() {
        let document = |title: &str| {
            let data = "JVBERi0xLjcK".into();
            Content::Document(Document { title: title.into(), data, pages: 1 })
        };
        let sent_as = |title: Option<&str>| {
            let source = json!({
                "type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjcK",
            });
            let mut block = json!({"type": "document", "source": source});
            if let Some(title) = title {
                block["title"] = title.into();
            }
            block
        };
        let text = || Content::Text("What does it say?".into());
        let said = json!({"type": "text", "text": "What does it say?"});
        let result = ToolResult { tool_use_id: "a".into(), content: "12".into(), is_error: false };
        let answered = json!({"type": "tool_result", "tool_use_id": "a", "content": "12"});
        let long = "é".repeat(501);
        for (content, expected) in [
            (vec![document("Q3.pdf"), text()], json!([sent_as(Some("Q3.pdf")), said])),
            (
                vec![text(), document(" Q3 "), document("Q4"), Content::ToolResult(result)],
                json!([answered, sent_as(Some("Q3")), sent_as(Some("Q4")), said]),
            ),
            (vec![document("")], json!([sent_as(None)])),
            (vec![document(" \n"), text()], json!([sent_as(None), said])),
            (vec![document(&long)], json!([sent_as(Some(&"é".repeat(500)))])),
        ] {
            let request = request(vec![Turn { role: User, content }], Vec::new());
            let body = sent(&request).unwrap();
            assert_eq!(body["messages"], json!([{"role": "user", "content": expected}]));
        }
    }

    #[test]
    fn a_count_asks_for_the_same_and_for_no_answer() {
        let tools = vec![tool("profits", json!({"type": "object"}))];
        let mut request = request(vec![Turn::text(User, "Hi")], tools);
        request.effort = Some(Effort::Low);
        request.output_schema = Some(json!({"type": "object"}));
        for takes_strict in [true, false] {
            let takes = Takes { strict: takes_strict, ..Takes::ALL };
            let body = super::body(&request, CALL, takes).unwrap();
            let count = super::body(&request, COUNT, takes).unwrap();
            let mut body: Value = serde_json::from_slice(&body).unwrap();
            let members = body.as_object_mut().unwrap();
            assert_eq!(members.remove("max_tokens"), Some(json!(7)));
            assert_eq!(members.remove("stream"), Some(json!(true)));
            assert_eq!(serde_json::from_slice::<Value>(&count).unwrap(), body);
        }
        request.turns.clear();
        assert!(super::body(&request, COUNT, Takes::ALL).is_err());
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
        let takes = Takes { tool_choice: false, ..Takes::ALL };
        let body = super::body(&request, CALL, takes).unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["tools"], body.get("tool_choice")), (&expected, None));

        // A model that takes no strict tools.
        let body = super::body(&request, CALL, Takes { strict: false, ..Takes::ALL }).unwrap();
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

    #[test]
    fn bedrock_has_the_model_in_its_url_and_the_cache_marks_at_blocks() {
        let tool = Tool {
            name: "t".into(),
            description: "T.".into(),
            input_schema: json!({"type": "object"}),
        };
        let mut request = request(vec![Turn::text(User, "Hi")], vec![tool]);
        let purpose = Purpose::BedrockCall { max_tokens: 7 };
        let sent = |request: &Request| -> Value {
            serde_json::from_slice(&body(request, purpose, Takes::ALL).unwrap()).unwrap()
        };
        let mark = json!({"type": "ephemeral"});
        let found = sent(&request);
        for absent in ["model", "stream", "cache_control"] {
            assert_eq!(found.get(absent), None, "{absent}");
        }
        assert_eq!(
            (&found["anthropic_version"], &found["max_tokens"]),
            (&json!("bedrock-2023-05-31"), &json!(7))
        );
        assert_eq!(found["messages"][0]["content"][0]["cache_control"], mark);
        assert_eq!(found["system"][0]["cache_control"], mark);
        request.without_tools = true;
        assert_eq!(sent(&request)["messages"][0]["content"][0].get("cache_control"), None);
        request.without_tools = false;
        let result = ToolResult { tool_use_id: "a".into(), content: "1".into(), is_error: false };
        let used = ToolUse { id: "a".into(), name: "t".into(), input: json!({}) };
        request.turns.push(Turn { role: Assistant, content: vec![Content::ToolUse(used)] });
        request.turns.push(Turn { role: User, content: vec![Content::ToolResult(result)] });
        let found = sent(&request);
        assert_eq!(found["messages"][0]["content"][0].get("cache_control"), None);
        assert_eq!(found["messages"][2]["content"][0]["cache_control"], mark);
    }

    #[test]
    fn what_another_provider_wrote_is_taken() {
        let used = |name: String| {
            Content::ToolUse(ToolUse { id: "functions.t:0".into(), name, input: json!({}) })
        };
        let result = ToolResult {
            tool_use_id: "functions.t:0".into(),
            content: "1".into(),
            is_error: false,
        };
        let foreign = Content::Thought(json!({"type": "openai", "reasoning": "Hm."}));
        let long = "€".repeat(LONGEST_NAME + 1);
        for (name, expected) in [
            ("list_tasks", "list_tasks"),
            // A model made it up.
            ("functions.list tasks", "functions_list_tasks"),
            (&long, &"_".repeat(LONGEST_NAME)),
        ] {
            let turns = vec![
                Turn::text(User, "Hi"),
                Turn { role: Assistant, content: vec![foreign.clone(), used(name.into())] },
                Turn { role: User, content: vec![Content::ToolResult(result.clone())] },
            ];
            let found = sent(&request(turns, Vec::new())).unwrap();
            let expected = json!({
                "type": "tool_use", "id": "functions_t_0", "name": expected, "input": {},
            });
            assert_eq!(found["messages"][1]["content"], json!([expected]));
            assert_eq!(found["messages"][2]["content"][0]["tool_use_id"], "functions_t_0");
        }
    }
}
