//! The body of a request: `POST /chat/completions`.
//!
//! <https://platform.openai.com/docs/api-reference/chat/create>

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::messages::{Message, messages};
use super::schema::strict;
use crate::domain::Effort;
use crate::error::{Fault, ProviderError};
use crate::remote::Takes;
use crate::request::Request;
use crate::tool::Tool;

/// The name of the form of an answer. The API wants one.
const ANSWER: &str = "answer";

/// The name of the bound of the reply's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// `max_tokens`, which most servers take. The newer models of OpenAI refuse it.
    MaxTokens,
    /// `max_completion_tokens`, which counts the model's reasoning too.
    MaxCompletionTokens,
}

impl Limit {
    /// The other name.
    fn other(self) -> Self {
        match self {
            Self::MaxTokens => Self::MaxCompletionTokens,
            Self::MaxCompletionTokens => Self::MaxTokens,
        }
    }
}

/// A body for a model that takes this much. `usual` is the usual name of the bound.
pub(super) fn body(
    request: &Request,
    model: &str,
    max_tokens: u64,
    takes: Takes,
    usual: Limit,
) -> Result<Vec<u8>, ProviderError> {
    let wrong = |why: String| ProviderError::new(Fault::RequestRefused, why);
    let conversation = messages(&request.turns, takes.unreasoned);
    if conversation.is_empty() {
        return Err(wrong("the request has no message to answer".to_owned()));
    }
    // A template may leave nothing.
    let system = Some(request.system.as_str()).filter(|text| !text.trim().is_empty());
    let system = system.map(|content| Message::System { content });
    let limit = if takes.usual_limit { usual } else { usual.other() };
    let bound = |name| (limit == name).then_some(max_tokens);
    let has_tools = !request.tools.is_empty();
    let body = Body {
        model,
        messages: system.into_iter().chain(conversation).collect(),
        stream: true,
        stream_options: takes.usage.then_some(StreamOptions { include_usage: true }),
        max_tokens: bound(Limit::MaxTokens),
        max_completion_tokens: bound(Limit::MaxCompletionTokens),
        tools: request.tools.iter().map(|tool| Offered::of(tool, takes.strict)).collect(),
        tool_choice: (has_tools && request.without_tools && takes.tool_choice).then_some("none"),
        reasoning_effort: request.effort.map(effort),
        response_format: request.output_schema.as_ref().and_then(ResponseFormat::of),
    };
    serde_json::to_vec(&body).map_err(|error| wrong(error.to_string()))
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Offered<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<ResponseFormat<'a>>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// A tool.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Offered<'a> {
    Function { function: Function<'a> },
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> Offered<'a> {
    /// A tool, which is strict where it can be, if the model takes that.
    fn of(tool: &'a Tool, takes_strict: bool) -> Self {
        let schema = takes_strict.then(|| strict(&tool.input_schema)).flatten();
        let (parameters, strict) = strict_or_not(schema, &tool.input_schema);
        let Tool { name, description, .. } = tool;
        Self::Function { function: Function { name, description, parameters, strict } }
    }
}

/// The form of the answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat<'a> {
    JsonSchema { json_schema: JsonSchema<'a> },
}

#[derive(Serialize)]
struct JsonSchema<'a> {
    name: &'static str,
    schema: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> ResponseFormat<'a> {
    /// The form of an answer with this schema. `None` if it is no object, which the API wants. A
    /// schema that cannot be strict is a hint to some servers, and a grammar for others.
    fn of(schema: &'a Value) -> Option<Self> {
        if schema["type"] != "object" {
            return None;
        }
        let (schema, strict) = strict_or_not(strict(schema), schema);
        Some(Self::JsonSchema { json_schema: JsonSchema { name: ANSWER, schema, strict } })
    }
}

/// The strict schema, or else the given one, and whether it is strict.
fn strict_or_not(strict: Option<Value>, given: &Value) -> (Cow<'_, Value>, bool) {
    match strict {
        Some(schema) => (Cow::Owned(schema), true),
        None => (Cow::Borrowed(given), false),
    }
}

/// The word for an effort. Most models know no more than three.
fn effort(effort: Effort) -> &'static str {
    match effort {
        Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High | Effort::Xhigh | Effort::Max => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole::{Assistant, User};
    use crate::request::Turn;
    use serde_json::json;

    fn request() -> Request {
        let turns = vec![Turn::text(User, "Hi")];
        Request { system: "You are brief.".into(), turns, ..Request::default() }
    }

    fn sent_to(request: &Request, takes: Takes, usual: Limit) -> Option<Value> {
        let body = body(request, "m", 7, takes, usual).ok()?;
        Some(serde_json::from_slice(&body).unwrap())
    }

    fn sent(request: &Request) -> Value {
        sent_to(request, Takes::ALL, Limit::MaxTokens).unwrap()
    }

    #[test]
    fn a_request_has_the_prompt_the_messages_and_the_wish_for_a_usage() {
        let mut request = request();
        let expected = json!({
            "model": "m",
            "messages": [
                {"role": "system", "content": "You are brief."},
                {"role": "user", "content": "Hi"},
            ],
            "stream": true,
            "stream_options": {"include_usage": true},
            "max_tokens": 7,
        });
        assert_eq!(sent(&request), expected);
        for blank in ["", " \n"] {
            blank.clone_into(&mut request.system);
            assert_eq!(sent(&request)["messages"], json!([{"role": "user", "content": "Hi"}]));
        }
        for turns in [vec![], vec![Turn::text(Assistant, "a")], vec![Turn::text(User, " ")]] {
            request.turns = turns;
            assert_eq!(sent_to(&request, Takes::ALL, Limit::MaxTokens), None);
        }
    }

    #[test]
    fn the_bound_and_the_wish_for_a_usage_are_what_the_model_takes() {
        use Limit::{MaxCompletionTokens, MaxTokens};
        for (usual, usual_limit, expected, other) in [
            (MaxTokens, true, "max_tokens", "max_completion_tokens"),
            (MaxTokens, false, "max_completion_tokens", "max_tokens"),
            (MaxCompletionTokens, true, "max_completion_tokens", "max_tokens"),
            (MaxCompletionTokens, false, "max_tokens", "max_completion_tokens"),
        ] {
            for usage in [true, false] {
                let takes = Takes { usual_limit, usage, ..Takes::ALL };
                let body = sent_to(&request(), takes, usual).unwrap();
                assert_eq!((&body[expected], body.get(other)), (&json!(7), None));
                assert_eq!(body.get("stream_options").is_some(), usage);
            }
        }
    }

    #[test]
    fn every_effort_is_one_that_most_models_know() {
        let mut request = request();
        for (effort, expected) in [
            (None, None),
            (Some(Effort::Low), Some("low")),
            (Some(Effort::Medium), Some("medium")),
            (Some(Effort::High), Some("high")),
            (Some(Effort::Xhigh), Some("high")),
            (Some(Effort::Max), Some("high")),
        ] {
            request.effort = effort;
            let body = sent(&request);
            assert_eq!(body.get("reasoning_effort").and_then(Value::as_str), expected);
        }
    }

    fn object(required: &[&str]) -> Value {
        json!({
            "type": "object", "properties": {"year": {"type": "integer"}}, "required": required,
            "additionalProperties": false,
        })
    }

    #[test]
    fn tools_are_offered_strictly_where_they_can_be() {
        let tool = |name: &str, input_schema: Value| Tool {
            name: name.into(),
            description: "Profits.".into(),
            input_schema,
        };
        let offered = |name: &str, parameters: Value, strict: Option<bool>| {
            let mut function =
                json!({"name": name, "description": "Profits.", "parameters": parameters});
            if let Some(strict) = strict {
                function["strict"] = strict.into();
            }
            json!({"type": "function", "function": function})
        };
        let tools = vec![tool("all", object(&["year"])), tool("some", object(&[]))];
        let mut request = Request { tools, ..request() };
        let loose =
            json!([offered("all", object(&["year"]), None), offered("some", object(&[]), None)]);
        let strict = json!([
            offered("all", object(&["year"]), Some(true)),
            offered("some", object(&[]), None),
        ]);
        for (without_tools, choice) in [(false, None), (true, Some("none"))] {
            request.without_tools = without_tools;
            for (takes_strict, expected) in [(true, &strict), (false, &loose)] {
                let takes = Takes { strict: takes_strict, ..Takes::ALL };
                let body = sent_to(&request, takes, Limit::MaxTokens).unwrap();
                assert_eq!(&body["tools"], expected);
                assert_eq!(body.get("tool_choice").and_then(Value::as_str), choice);
            }
        }
        let takes = Takes { tool_choice: false, ..Takes::ALL };
        request.without_tools = true;
        let body = sent_to(&request, takes, Limit::MaxTokens).unwrap();
        assert_eq!((body["tools"].is_array(), body.get("tool_choice")), (true, None));
        // There is nothing to choose without tools.
        request.tools.clear();
        let body = sent(&request);
        assert_eq!((body.get("tools"), body.get("tool_choice")), (None, None));
    }

    #[test]
    fn the_form_of_the_answer_is_strict_where_it_can_be() {
        let form = |schema: Value, strict: Option<bool>| {
            let mut named = json!({"name": "answer", "schema": schema});
            if let Some(strict) = strict {
                named["strict"] = strict.into();
            }
            Some(json!({"type": "json_schema", "json_schema": named}))
        };
        let open = || json!({"type": "object", "additionalProperties": true});
        let mut request = request();
        for (schema, expected) in [
            (object(&["year"]), form(object(&["year"]), Some(true))),
            (object(&[]), form(object(&[]), None)),
            (open(), form(open(), None)),
            (json!({"type": "array", "items": {"type": "string"}}), None),
            (json!({}), None),
        ] {
            request.output_schema = Some(schema);
            // A model without strict tools may know the form of an answer.
            for strict in [true, false] {
                let takes = Takes { strict, ..Takes::ALL };
                let body = sent_to(&request, takes, Limit::MaxTokens).unwrap();
                assert_eq!(body.get("response_format"), expected.as_ref());
            }
        }
    }
}
