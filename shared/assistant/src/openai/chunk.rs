//! The chunks of a stream as servers send them, with the members that are read. A member that has
//! another form than OpenAI's, or none, is as good as absent.
//!
//! <https://platform.openai.com/docs/api-reference/chat-streaming/streaming>

use serde_json::Value;
use sse_stream::Sse;

use super::blocks::Block;
use super::errors;
use super::meter::Counted;
use super::thought::{List, Member};
use super::uses::Delta;
use crate::error::Fault;
use crate::remote::Failure;

/// The data of the last frame.
const DONE: &str = "[DONE]";

/// What a frame stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// More of the reply.
    Chunk(Box<Chunk>),
    /// The stream ends. Not every server says so.
    Done,
}

/// A chunk. `choices` is empty where it only has the usage, or the results of a filter.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chunk {
    pub choice: Option<Choice>,
    pub usage: Option<Counted>,
}

/// More of the only choice, because a request asks for one.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Choice {
    pub text: String,
    /// Text in which the model refuses to answer.
    pub refusal: String,
    pub reasoning: Option<(Member, String)>,
    /// Pieces of reasoning in blocks.
    pub blocks: Option<(List, Vec<Block>)>,
    pub uses: Vec<Delta>,
    /// Why the reply stops.
    pub finish_reason: Option<String>,
}

impl Told {
    /// Reads a frame; `None` for one that means nothing, such as a ping. An error in the stream
    /// is a failure.
    pub fn read(frame: &Sse) -> Result<Option<Self>, Failure> {
        let data = frame.data.as_deref().unwrap_or_default().trim();
        let is_error = frame.event.as_deref() == Some("error");
        if data == DONE {
            return Ok(Some(Self::Done));
        }
        if data.is_empty() && !is_error {
            return Ok(None);
        }
        let value = match serde_json::from_str::<Value>(data) {
            Ok(value) => value,
            Err(_) if is_error => Value::Null,
            // The parser's message would quote the reply.
            Err(error) => {
                let why = format!("a chunk cannot be read: {:?}", error.classify());
                return Err(Failure::passing(Fault::Broken, why));
            }
        };
        match errors::in_answer(&value, is_error) {
            Some(failure) => Err(failure),
            None => Ok(Some(Self::Chunk(Box::new(Chunk::of(value))))),
        }
    }
}

impl Chunk {
    fn of(mut value: Value) -> Self {
        let choice = value.get_mut("choices").and_then(|choices| choices.get_mut(0));
        let choice = choice.map(Value::take).filter(Value::is_object);
        let of_choice = choice.as_ref().map(|choice| &choice["usage"]);
        // Moonshot has the usage in the choice.
        let usage = Counted::of(&value["usage"]).or_else(|| Counted::of(of_choice?));
        Self { choice: choice.map(Choice::of), usage }
    }
}

impl Choice {
    fn of(mut choice: Value) -> Self {
        let mut delta = taken(&mut choice, "delta");
        let reasoning = Member::ALL.into_iter().find_map(|member| {
            let text = text(taken(&mut delta, member.name()));
            (!text.is_empty()).then_some((member, text))
        });
        let blocks = List::ALL.into_iter().find_map(|list| {
            let pieces = blocks(taken(&mut delta, list.name()));
            (!pieces.is_empty()).then_some((list, pieces))
        });
        let uses = match taken(&mut delta, "tool_calls") {
            Value::Array(uses) => uses.iter().map(Delta::of).collect(),
            _ => Vec::new(),
        };
        let finish_reason = Some(text(taken(&mut choice, "finish_reason")));
        Self {
            text: text(taken(&mut delta, "content")),
            refusal: text(taken(&mut delta, "refusal")),
            reasoning,
            blocks,
            uses,
            finish_reason: finish_reason.filter(|word| !word.is_empty()),
        }
    }
}

/// A member, taken out; null if there is none.
fn taken(value: &mut Value, name: &str) -> Value {
    value.get_mut(name).map(Value::take).unwrap_or_default()
}

/// A text. Mistral's models may send it as a list of parts.
fn text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Array(parts) => {
            let texts = parts.iter().filter(|part| part["type"] == "text");
            texts.filter_map(|part| part["text"].as_str()).collect()
        }
        _ => String::new(),
    }
}

/// The objects of a list.
fn blocks(value: Value) -> Vec<Block> {
    let Value::Array(pieces) = value else { return Vec::new() };
    let object = |piece| match piece {
        Value::Object(piece) => Some(piece),
        _ => None,
    };
    pieces.into_iter().filter_map(object).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(event: Option<&str>, data: &str) -> Result<Option<Told>, Failure> {
        let event = event.map(str::to_owned);
        Told::read(&Sse { event, data: Some(data.to_owned()), id: None, retry: None })
    }

    fn choice(value: &Value) -> Choice {
        match read(None, &json!({"choices": [value]}).to_string()).unwrap() {
            Some(Told::Chunk(chunk)) => chunk.choice.unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_end_and_what_means_nothing_are_told_apart() {
        for (event, data, expected) in [
            (None, "[DONE]", Some(Told::Done)),
            (None, " [DONE]\n", Some(Told::Done)),
            (Some("message"), "[DONE]", Some(Told::Done)),
            (None, "", None),
            (Some("ping"), "", None),
            (None, "{}", Some(Told::Chunk(Box::default()))),
            (None, "[]", Some(Told::Chunk(Box::default()))),
        ] {
            assert_eq!(read(event, data).unwrap(), expected, "{data}");
        }
        let empty = Sse { event: None, data: None, id: None, retry: None };
        assert_eq!(Told::read(&empty).unwrap(), None);
    }

    #[test]
    fn what_is_no_json_is_broken_and_never_quoted() {
        for data in ["{\"secret\": ", "secret", "<html>secret</html>", "{\"a\": 1} secret"] {
            let failure = read(None, data).unwrap_err();
            assert_eq!(failure.error.fault, Fault::Broken, "{data}");
            assert!(!failure.error.to_string().contains("secret"), "{}", failure.error);
        }
    }

    #[test]
    fn the_parts_of_a_delta_are_read_in_every_dialect() {
        let text = |text: &str| Choice { text: text.into(), ..Choice::default() };
        let thought = |member, text: &str| Choice {
            reasoning: Some((member, text.into())),
            ..Choice::default()
        };
        let pieces = |list, piece: &Value| Some((list, vec![piece.as_object().unwrap().clone()]));
        for (name, value, expected) in [
            (
                "OpenAI, the first chunk",
                json!({"index": 0, "delta": {"role": "assistant", "content": "", "refusal": null},
                    "logprobs": null, "finish_reason": null}),
                Choice::default(),
            ),
            ("OpenAI", json!({"delta": {"content": "Hi €"}}), text("Hi €")),
            (
                "OpenAI, the last chunk",
                json!({"delta": {}, "finish_reason": "stop"}),
                Choice { finish_reason: Some("stop".into()), ..Choice::default() },
            ),
            (
                "OpenAI, a refusal",
                json!({"delta": {"content": null, "refusal": "I can't."}}),
                Choice { refusal: "I can't.".into(), ..Choice::default() },
            ),
            (
                "DeepSeek",
                json!({"delta": {"content": null, "reasoning_content": "Hm."}}),
                thought(Member::ReasoningContent, "Hm."),
            ),
            (
                "vLLM and Ollama",
                json!({"delta": {"content": "", "reasoning": "Hm."}}),
                thought(Member::Reasoning, "Hm."),
            ),
            (
                "OpenRouter, the same twice and in details",
                json!({"delta": {"reasoning": "Hm.", "reasoning_content": "Hm.",
                    "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}, null]}}),
                Choice {
                    blocks: pieces(
                        List::ReasoningDetails,
                        &json!({"type": "reasoning.text",
                        "text": "Hm."}),
                    ),
                    ..thought(Member::ReasoningContent, "Hm.")
                },
            ),
            (
                "LiteLLM in front of Claude",
                json!({"delta": {"thinking_blocks": [{"type": "thinking", "signature": "c2ln"}]}}),
                Choice {
                    blocks: pieces(
                        List::ThinkingBlocks,
                        &json!({"type": "thinking",
                        "signature": "c2ln"}),
                    ),
                    ..Choice::default()
                },
            ),
            (
                "empty lists",
                json!({"delta": {"reasoning_details": [], "thinking_blocks": null}}),
                Choice::default(),
            ),
            (
                "Mistral, a list of parts",
                json!({"delta": {"content": [{"type": "thinking", "thinking": []},
                    {"type": "text", "text": "H"}, {"type": "text", "text": "i"}]}}),
                text("Hi"),
            ),
            ("an empty reason", json!({"delta": {}, "finish_reason": ""}), Choice::default()),
            ("no delta", json!({"index": 0}), Choice::default()),
            (
                "members of other forms",
                json!({"delta": {"content": 7, "tool_calls": {}, "reasoning": {"text": "Hm."}},
                    "finish_reason": 1}),
                Choice::default(),
            ),
        ] {
            assert_eq!(choice(&value), expected, "{name}");
        }
        let uses =
            choice(&json!({"delta": {"tool_calls": [{"index": 0}, null, {"id": "a"}]}})).uses;
        assert_eq!(uses.len(), 3);
    }

    #[test]
    fn the_usage_is_found_where_servers_have_it() {
        let usage = || json!({"prompt_tokens": 3, "completion_tokens": 2});
        let counted = Counted::of(&usage());
        assert!(counted.is_some());
        for (name, value, expected) in [
            ("OpenAI", json!({"choices": [], "usage": usage()}), counted.clone()),
            ("vLLM", json!({"choices": null, "usage": usage()}), counted.clone()),
            ("Gemini, in every chunk", json!({"choices": [{}], "usage": usage()}), counted.clone()),
            ("Moonshot", json!({"choices": [{"usage": usage()}]}), counted),
            ("OpenAI, before the end", json!({"choices": [], "usage": null}), None),
            ("Mistral, before the end", json!({"choices": [], "usage": {}}), None),
            (
                "Azure, results of a filter",
                json!({"choices": [], "prompt_filter_results": []}),
                None,
            ),
        ] {
            let Ok(Some(Told::Chunk(chunk))) = read(None, &value.to_string()) else {
                panic!("{name}");
            };
            assert_eq!(chunk.usage, expected, "{name}");
        }
    }

    #[test]
    fn an_error_in_the_stream_is_a_failure() {
        for (name, event, data, fault) in [
            (
                "vLLM",
                None,
                r#"{"error": {"message": "x", "type": "InternalServerError", "code": 500}}"#,
                Fault::Failing,
            ),
            ("LM Studio", Some("error"), r#"{"error": {"message": "x"}}"#, Fault::Failing),
            ("no JSON", Some("error"), "oops", Fault::Failing),
            ("no data", Some("error"), "", Fault::Failing),
            (
                "OpenRouter",
                None,
                r#"{"id": "gen-1", "error": {"code": 503, "message": "x"},
                    "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}"#,
                Fault::Overloaded,
            ),
            (
                "OpenRouter, in the choice",
                None,
                r#"{"choices": [{"delta": {}, "error": {"code": 429, "message": "x"}}]}"#,
                Fault::RateLimited,
            ),
        ] {
            let failure = read(event, data).unwrap_err();
            assert_eq!(failure.error.fault, fault, "{name}");
        }
        // Some servers have an empty one in each chunk.
        let chunk = read(None, r#"{"error": null, "choices": [{"delta": {"content": "a"}}]}"#);
        assert!(matches!(chunk, Ok(Some(Told::Chunk(_)))));
    }
}
