//! Reasoning in blocks, some of which are signed or encrypted. A gateway refuses the next step of a
//! reply without them, or if they are not as the model made them. A stream has them in pieces.
//!
//! - `OpenRouter`:
//!   <https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning-blocks>
//! - `LiteLLM` in front of Claude: <https://docs.litellm.ai/docs/reasoning_content>

use serde_json::{Map, Value};

use super::thought::{List, Thought};

/// The members whose pieces are parts of one text.
const TEXTS: [&str; 3] = ["text", "summary", "thinking"];

/// The member that ends a block.
const SIGNATURE: &str = "signature";

/// A block, or a piece of one.
pub(super) type Block = Map<String, Value>;

/// The blocks of a reply while it is written.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    list: Option<List>,
    blocks: Vec<Block>,
}

impl Blocks {
    /// Adds the next pieces. If a server has them in two lists, both say the same.
    pub fn add(&mut self, list: List, pieces: Vec<Block>) {
        if *self.list.get_or_insert(list) != list {
            return;
        }
        for piece in pieces {
            match self.blocks.last_mut() {
                Some(block) if goes_on(block, &piece) => append(block, piece),
                _ => self.blocks.push(piece),
            }
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The blocks as a thought. Claude takes no block back whose signature has not come.
    pub fn thought(self) -> Option<Value> {
        let list = self.list?;
        let is_whole =
            |block: &Block| block.get("type") != Some(&"thinking".into()) || has(block, SIGNATURE);
        let blocks: Vec<_> = self.blocks.into_iter().filter(is_whole).map(Value::Object).collect();
        (!blocks.is_empty()).then(|| Thought::Blocks { list, blocks: &blocks }.to_value())
    }
}

/// Whether a piece belongs to the block before it. An encrypted one is a block of its own, and text
/// after a signature begins the next block.
fn goes_on(block: &Block, piece: &Block) -> bool {
    let is_same = |name| block.get(name) == piece.get(name);
    let is_another = has(block, "id") && has(piece, "id") && !is_same("id");
    let has_ended = has(block, SIGNATURE) && TEXTS.iter().any(|name| has(piece, name));
    is_same("type") && is_same("index") && !is_another && !has(piece, "data") && !has_ended
}

fn append(block: &mut Block, piece: Block) {
    for (name, more) in piece {
        let is_text = TEXTS.contains(&name.as_str());
        match (block.entry(name).or_insert(Value::Null), more) {
            (Value::String(text), Value::String(more)) if is_text => text.push_str(&more),
            (known, more) if is_empty(known) => *known = more,
            _ => {}
        }
    }
}

fn has(block: &Block, name: &str) -> bool {
    block.get(name).is_some_and(|value| !is_empty(value))
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value == ""
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The thought of these pieces, each of which came in a chunk of its own.
    fn thought(list: List, pieces: &[Value]) -> Option<Value> {
        let mut blocks = Blocks::default();
        for piece in pieces {
            blocks.add(list, vec![piece.as_object().unwrap().clone()]);
        }
        blocks.thought()
    }

    #[test]
    fn the_pieces_of_openrouter_are_put_together() {
        let claude = |more: Value| {
            let mut piece =
                json!({"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0});
            piece.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
            piece
        };
        let encrypted = |id: &str| {
            json!({"type": "reasoning.encrypted", "data": "c2ln", "id": id, "index": 0,
                "format": "google-gemini-v1"})
        };
        let summary = |id: &str, text: &str| json!({"type": "reasoning.summary", "summary": text, "id": id, "index": 0});
        for (name, pieces, expected) in [
            (
                "Claude: the signature follows the text",
                vec![
                    claude(json!({"text": "I have"})),
                    claude(json!({"text": " to look. €", "signature": null})),
                    claude(json!({"signature": "c2ln"})),
                    claude(json!({"text": "And"})),
                    claude(json!({"text": " again.", "signature": "c2"})),
                ],
                vec![
                    claude(json!({"text": "I have to look. €", "signature": "c2ln"})),
                    claude(json!({"text": "And again.", "signature": "c2"})),
                ],
            ),
            (
                "Gemini: a text, and an encrypted block for each call",
                vec![
                    json!({"type": "reasoning.text", "text": "a", "index": 0}),
                    json!({"type": "reasoning.text", "text": "b", "index": 0}),
                    encrypted("call_1"),
                    encrypted("call_2"),
                    json!({"type": "reasoning.text", "text": "c", "index": 0}),
                ],
                vec![
                    json!({"type": "reasoning.text", "text": "ab", "index": 0}),
                    encrypted("call_1"),
                    encrypted("call_2"),
                    json!({"type": "reasoning.text", "text": "c", "index": 0}),
                ],
            ),
            (
                "OpenAI: summaries of two thoughts, of which one is encrypted",
                vec![
                    summary("rs_1", "a"),
                    summary("rs_1", "b"),
                    summary("rs_2", "c"),
                    encrypted("rs_2"),
                ],
                vec![summary("rs_1", "ab"), summary("rs_2", "c"), encrypted("rs_2")],
            ),
            (
                "two indices",
                vec![
                    json!({"type": "reasoning.text", "text": "a", "index": 0}),
                    json!({"type": "reasoning.text", "text": "b", "index": 1}),
                ],
                vec![
                    json!({"type": "reasoning.text", "text": "a", "index": 0}),
                    json!({"type": "reasoning.text", "text": "b", "index": 1}),
                ],
            ),
        ] {
            let expected = json!({"type": "openai", "reasoning_details": expected});
            assert_eq!(thought(List::ReasoningDetails, &pieces), Some(expected), "{name}");
        }
        assert_eq!(thought(List::ReasoningDetails, &[]), None);
    }

    #[test]
    fn the_pieces_of_litellm_are_put_together() {
        let thinking = |text: Value, signature: Value| json!({"type": "thinking", "thinking": text, "signature": signature});
        let redacted = || json!({"type": "redacted_thinking", "data": "eA=="});
        for (name, pieces, expected) in [
            (
                "in pieces",
                vec![
                    thinking(json!("a"), json!("")),
                    thinking(json!("b"), Value::Null),
                    thinking(json!(""), json!("c2ln")),
                    redacted(),
                    redacted(),
                    thinking(Value::Null, json!("")),
                    thinking(json!("c"), json!("c2")),
                ],
                vec![
                    thinking(json!("ab"), json!("c2ln")),
                    redacted(),
                    redacted(),
                    thinking(json!("c"), json!("c2")),
                ],
            ),
            (
                "whole with the signature",
                vec![thinking(json!("ab"), json!("c2ln"))],
                vec![thinking(json!("ab"), json!("c2ln"))],
            ),
            (
                "a signature that does not come",
                vec![redacted(), thinking(json!("ab"), json!(""))],
                vec![redacted()],
            ),
        ] {
            let expected = json!({"type": "openai", "thinking_blocks": expected});
            assert_eq!(thought(List::ThinkingBlocks, &pieces), Some(expected), "{name}");
        }
        assert_eq!(thought(List::ThinkingBlocks, &[thinking(json!("ab"), json!(""))]), None);
    }

    #[test]
    fn of_two_lists_the_first_one_is_kept() {
        let mut blocks = Blocks::default();
        let piece = |text: &str| {
            vec![json!({"type": "reasoning.text", "text": text}).as_object().unwrap().clone()]
        };
        blocks.add(List::ReasoningDetails, piece("a"));
        blocks.add(List::ThinkingBlocks, piece("b"));
        let kept = json!([{"type": "reasoning.text", "text": "a"}]);
        assert_eq!(blocks.thought(), Some(json!({"type": "openai", "reasoning_details": kept})));
    }
}
