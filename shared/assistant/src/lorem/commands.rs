//! Messages that have `lorem` use tools: lines of `/tool NAME {json}`, one use each.

use serde_json::{Map, Value};

use crate::domain::MessageRole;
use crate::request::{Content, Request};
use crate::tool::{Tool, ToolUse};

/// The uses that the message to answer asks for. `None` if it has another line too, names a tool
/// that the request does not offer, or has no JSON object. The results of tools ask for none.
pub(super) fn tool_uses(request: &Request) -> Option<Vec<ToolUse>> {
    let last = request.turns.last().filter(|turn| turn.role == MessageRole::User)?;
    let is_result = |content: &Content| matches!(content, Content::ToolResult(_));
    if request.without_tools || last.content.iter().any(is_result) {
        return None;
    }
    let contents = request.turns.iter().flat_map(|turn| &turn.content);
    let earlier = contents.filter(|content| matches!(content, Content::ToolUse(_))).count();
    // Cells and notes may stand beside the message.
    last.content.iter().find_map(|content| match content {
        Content::Text(text) => uses_of(text, &request.tools, earlier),
        _ => None,
    })
}

/// The uses of one text. Their ids go on after those of `earlier` uses, so each is unique in the
/// reply.
fn uses_of(text: &str, tools: &[Tool], earlier: usize) -> Option<Vec<ToolUse>> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let numbered = lines.zip(earlier + 1..);
    let uses = numbered.map(|(line, number)| {
        let (name, json) = line.strip_prefix("/tool ")?.trim_start().split_once(' ')?;
        let input: Map<String, Value> = serde_json::from_str(json).ok()?;
        let is_offered = tools.iter().any(|tool| tool.name == name);
        is_offered.then(|| ToolUse {
            id: format!("call_{number}"),
            name: name.to_owned(),
            input: Value::Object(input),
        })
    });
    uses.collect::<Option<Vec<_>>>().filter(|uses| !uses.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Turn;
    use crate::tool::ToolResult;
    use MessageRole::{Assistant, User};
    use serde_json::json;

    fn tools() -> Vec<Tool> {
        let tool = |name: &str| Tool {
            name: name.into(),
            description: String::new(),
            input_schema: json!({"type": "object"}),
        };
        vec![tool("add_task"), tool("list_tasks")]
    }

    fn used(number: usize, name: &str, input: Value) -> ToolUse {
        ToolUse { id: format!("call_{number}"), name: name.into(), input }
    }

    #[test]
    fn each_line_is_one_use_and_anything_else_is_a_text() {
        let add = || json!({"title": "Pay rent"});
        for (text, expected) in [
            ("/tool list_tasks {}", Some(vec![used(1, "list_tasks", json!({}))])),
            (
                "\n  /tool  add_task   {\"title\": \"Pay rent\"} \n\n/tool list_tasks {}\n",
                Some(vec![used(1, "add_task", add()), used(2, "list_tasks", json!({}))]),
            ),
            ("", None),
            (" \n ", None),
            ("Hi", None),
            ("/tool", None),
            ("/tool list_tasks", None),
            ("/tool list_tasks {", None),
            ("/tool list_tasks []", None),
            ("/tool list_tasks {} {}", None),
            ("/tool delete_task {}", None),
            ("/tool LIST_TASKS {}", None),
            ("/tools list_tasks {}", None),
            ("Please:\n/tool list_tasks {}", None),
            ("/tool list_tasks {}\n/tool unknown {}", None),
        ] {
            let turns = vec![Turn::text(User, text)];
            let mut request = Request { turns, tools: tools(), ..Request::default() };
            assert_eq!(tool_uses(&request), expected, "{text:?}");
            let text = Content::Text("<cells>\n</cells>\n".into());
            request.turns[0].content.insert(0, text);
            assert_eq!(tool_uses(&request), expected, "beside cells: {request:?}");
            request.without_tools = true;
            assert_eq!(tool_uses(&request), None);
        }
    }

    #[test]
    fn only_the_message_to_answer_asks_for_tools() {
        let asks = || Turn::text(User, "/tool list_tasks {}");
        let uses = Content::ToolUse(used(1, "list_tasks", json!({})));
        let result =
            ToolResult { tool_use_id: "call_1".into(), content: "[]".into(), is_error: false };
        let step = [
            Turn { role: Assistant, content: vec![uses] },
            Turn { role: User, content: vec![Content::ToolResult(result)] },
        ];
        let request = |turns: Vec<Turn>| Request { turns, tools: tools(), ..Request::default() };
        let answered = [vec![asks()], step.to_vec()].concat();
        let noted = Content::Text("/tool list_tasks {}".into());
        let mut with_text = answered.clone();
        with_text[2].content.push(noted);
        for turns in
            [vec![], vec![asks(), Turn::text(Assistant, "No.")], answered.clone(), with_text]
        {
            assert_eq!(tool_uses(&request(turns.clone())), None, "{turns:?}");
        }
        // The ids of a reply are unique, also after earlier uses.
        let again = request([answered, vec![asks()]].concat());
        assert_eq!(tool_uses(&again), Some(vec![used(2, "list_tasks", json!({}))]));
    }
}
