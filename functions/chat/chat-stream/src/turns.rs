//! The turns of a request: the conversation, and the steps that the reply has taken.

use assistant::domain::MessageRole;
use assistant::{Content, Turn};

use crate::answers::answers;
use crate::taken::Taken;

/// Adds steps to the turns of a conversation. The message of each step is a turn of its own, also
/// where the provider had paused. So a thought stands after the same turns as when the model had
/// it. All calls of a message are answered in the turn that follows.
pub fn with_steps(mut turns: Vec<Turn>, taken: &[Taken]) -> Vec<Turn> {
    for Taken { step, calls, .. } in taken.iter().filter(|taken| !taken.step.blocks.is_empty()) {
        turns.push(Turn { role: MessageRole::Assistant, content: step.blocks.clone() });
        let answers = answers(&step.blocks, calls);
        if !answers.is_empty() {
            let content = answers.into_iter().map(Content::ToolResult).collect();
            turns.push(Turn { role: MessageRole::User, content });
        }
    }
    turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use assistant::{ToolResult, ToolUse};
    use serde_json::json;
    use tally_chat::store::Step;

    fn text(text: &str) -> Content {
        Content::Text(text.into())
    }

    fn call(id: &str) -> Content {
        Content::ToolUse(ToolUse { id: id.into(), name: "t".into(), input: json!({"a": 1}) })
    }

    fn thought() -> Content {
        Content::Thought(json!({"type": "thinking", "thinking": "…", "signature": "s"}))
    }

    fn taken(blocks: &[Content]) -> Taken {
        let step = Step { message_id: "m".into(), number: 1, blocks: blocks.to_vec() };
        Taken::unanswered(step)
    }

    #[test]
    fn a_step_is_a_turn_and_one_turn_answers_all_of_its_calls() {
        use MessageRole::{Assistant, User};
        let asked = || vec![Turn::text(User, "How much?")];
        let turn = |role, content: &[Content]| Turn { role, content: content.to_vec() };
        let answer = |id: &str| {
            let content = "This call was not made: a message may have 16 calls.".to_owned();
            Content::ToolResult(ToolResult { tool_use_id: id.into(), content, is_error: true })
        };
        for (steps, expected) in [
            (vec![], vec![]),
            (
                // Blocks go back unchanged and in order.
                vec![taken(&[thought(), text("Let me see."), call("a"), call("b")])],
                vec![
                    turn(Assistant, &[thought(), text("Let me see."), call("a"), call("b")]),
                    turn(User, &[answer("a"), answer("b")]),
                ],
            ),
            (
                // A paused message goes on in a turn of its own.
                vec![taken(&[text("On the one hand")]), taken(&[text(", on the other")])],
                vec![
                    turn(Assistant, &[text("On the one hand")]),
                    turn(Assistant, &[text(", on the other")]),
                ],
            ),
            (
                vec![taken(&[]), taken(&[text("Now."), call("a")]), taken(&[call("b")])],
                vec![
                    turn(Assistant, &[text("Now."), call("a")]),
                    turn(User, &[answer("a")]),
                    turn(Assistant, &[call("b")]),
                    turn(User, &[answer("b")]),
                ],
            ),
        ] {
            let found = with_steps(asked(), &steps);
            assert_eq!(found, [asked(), expected].concat(), "{steps:?}");
        }
    }
}
