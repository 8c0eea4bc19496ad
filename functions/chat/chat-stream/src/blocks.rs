//! The parts of an assistant's message, in the order in which the model wrote them. They go back to
//! the model unchanged with the next step.

use assistant::{Content, ToolUse};

/// The parts so far.
#[derive(Debug, Default)]
pub struct Blocks(Vec<Content>);

impl Blocks {
    /// Adds text. Text that follows text is one part with it.
    pub fn push_text(&mut self, more: &str) {
        match self.0.last_mut() {
            Some(Content::Text(text)) => text.push_str(more),
            // A provider refuses a part without text.
            _ if more.is_empty() => {}
            _ => self.0.push(Content::Text(more.to_owned())),
        }
    }

    /// Adds a part that is whole.
    pub fn push(&mut self, content: Content) {
        self.0.push(content);
    }

    /// All parts.
    pub fn into_vec(self) -> Vec<Content> {
        self.0
    }
}

/// The calls among the parts of a message, in order.
pub fn calls_in(blocks: &[Content]) -> impl Iterator<Item = &ToolUse> {
    blocks.iter().filter_map(|block| match block {
        Content::ToolUse(call) => Some(call),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn call(id: &str) -> Content {
        Content::ToolUse(ToolUse { id: id.into(), name: "t".into(), input: json!({}) })
    }

    #[test]
    fn parts_keep_their_order_and_text_that_follows_text_is_one_part() {
        let thought = Content::Thought(json!({"type": "thinking", "signature": "s"}));
        let mut blocks = Blocks::default();
        blocks.push_text("");
        blocks.push(thought.clone());
        blocks.push_text("a");
        blocks.push_text("");
        blocks.push_text(" b");
        blocks.push(call("1"));
        blocks.push(call("2"));
        blocks.push_text("c");
        let blocks = blocks.into_vec();
        let text = |text: &str| Content::Text(text.into());
        assert_eq!(blocks, [thought, text("a b"), call("1"), call("2"), text("c")]);
        let ids: Vec<_> = calls_in(&blocks).map(|call| call.id.as_str()).collect();
        assert_eq!(ids, ["1", "2"]);
    }
}
