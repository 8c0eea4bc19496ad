//! The body of a request: `POST /v1/messages`.

use serde::Serialize;

use crate::domain::MessageRole;
use crate::error::{Fault, ProviderError};
use crate::prompts::system_prompt;
use crate::request::{Content, Request, Turn};
use crate::tool::{Tool, ToolResult, ToolUse};

/// The body for one model.
pub(super) fn body(
    request: &Request,
    model: &str,
    max_tokens: u64,
) -> Result<Vec<u8>, ProviderError> {
    let messages = messages(&request.turns);
    if messages.is_empty() {
        return Err(ProviderError::new(
            Fault::RequestRefused,
            "the request has no message to answer",
        ));
    }
    let system = [Block::Text {
        text: system_prompt(request.prompt),
        cache_control: Some(CacheControl::Ephemeral),
    }];
    let body = Body { model, max_tokens, stream: true, system, messages, tools: &request.tools };
    serde_json::to_vec(&body)
        .map_err(|error| ProviderError::new(Fault::RequestRefused, error.to_string()))
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u64,
    stream: bool,
    /// Marked for the provider's cache, because it is the same in every call. A prompt that is too
    /// short for the cache is read as usual.
    system: [Block<'a>; 1],
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "<[Tool]>::is_empty")]
    tools: &'a [Tool],
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
    ToolUse(&'a ToolUse),
    ToolResult(&'a ToolResult),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum CacheControl {
    Ephemeral,
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
    sent.map(|turn| Message {
        role: turn.role,
        content: turn.content.iter().filter_map(block).collect(),
    })
    .collect()
}

fn block(content: &Content) -> Option<Block<'_>> {
    match content {
        Content::Text(text) if text.trim().is_empty() => None,
        Content::Text(text) => Some(Block::Text { text, cache_control: None }),
        Content::ToolUse(tool) => Some(Block::ToolUse(tool)),
        Content::ToolResult(result) => Some(Block::ToolResult(result)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole::{Assistant, User};
    use crate::domain::PromptName;
    use serde_json::{Value, json};

    fn request(turns: Vec<Turn>, tools: Vec<Tool>) -> Request {
        Request { reply_id: "r".into(), prompt: PromptName::Default, turns, tools }
    }

    fn sent(request: &Request) -> Option<Value> {
        body(request, "m", 7).ok().map(|body| serde_json::from_slice(&body).unwrap())
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
        let sent = sent(&request(vec![Turn::text(User, "Hi")], Vec::new())).unwrap();
        let system = &sent["system"][0];
        assert_eq!(
            (&system["type"], &system["cache_control"]),
            (&json!("text"), &json!({"type": "ephemeral"}))
        );
        assert!(system["text"].as_str().unwrap().starts_with("You are "));
        assert_eq!(
            (&sent["model"], &sent["max_tokens"], &sent["stream"]),
            (&json!("m"), &json!(7), &json!(true))
        );
        assert_eq!(sent.get("tools"), None);
    }

    #[test]
    fn tools_are_offered_used_and_answered() {
        let tool = Tool {
            name: "profits".into(),
            description: "Profits".into(),
            input_schema: json!({"type": "object"}),
        };
        let wanted =
            ToolUse { id: "t".into(), name: "profits".into(), input: json!({"year": 2023}) };
        let result = ToolResult { tool_use_id: "t".into(), content: "12".into(), is_error: false };
        let turns = vec![
            Turn::text(User, "How much?"),
            Turn {
                role: Assistant,
                content: vec![Content::Text("Let me see.".into()), Content::ToolUse(wanted)],
            },
            Turn { role: User, content: vec![Content::ToolResult(result)] },
        ];
        let sent = sent(&request(turns, vec![tool])).unwrap();
        assert_eq!(
            sent["tools"],
            json!([
                {"name": "profits", "description": "Profits", "input_schema": {"type": "object"}},
            ])
        );
        let wanted =
            json!({"type": "tool_use", "id": "t", "name": "profits", "input": {"year": 2023}});
        assert_eq!(
            sent["messages"][1]["content"],
            json!([{"type": "text", "text": "Let me see."}, wanted])
        );
        let result =
            json!({"type": "tool_result", "tool_use_id": "t", "content": "12", "is_error": false});
        assert_eq!(sent["messages"][2], json!({"role": "user", "content": [result]}));
    }
}
