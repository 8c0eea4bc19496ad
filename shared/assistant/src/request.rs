//! The request to a model.

use crate::domain::{MessageRole, PromptName};
use crate::tool::{Tool, ToolResult, ToolUse};

/// The request to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Id of the reply. It seeds the random parts of a reply, so that they can be drawn again.
    pub reply_id: String,
    /// The system prompt.
    pub prompt: PromptName,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub turns: Vec<Turn>,
    /// The tools that the model may use.
    pub tools: Vec<Tool>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The author.
    pub role: MessageRole,
    /// The parts of the message.
    pub content: Vec<Content>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text, of the user or the assistant.
    Text(String),
    /// A request of the assistant to use a tool.
    ToolUse(ToolUse),
    /// The result of that use, in the user's turn that follows.
    ToolResult(ToolResult),
}

impl Request {
    /// Leaves out the older half of the turns before the last one of the user, in whole turns. The
    /// rest begins with a turn of the user. Returns whether there was anything to leave out.
    pub fn shorten(&mut self) -> bool {
        let last = self.turns.iter().rposition(Turn::is_said_by_user).unwrap_or(0);
        let begins = (last.div_ceil(2)..last)
            .find(|&index| self.turns[index].is_said_by_user())
            .unwrap_or(last);
        self.turns.drain(..begins);
        begins > 0
    }
}

impl Turn {
    /// Whether the user wrote this turn. The result of a tool belongs to the turn before.
    fn is_said_by_user(&self) -> bool {
        self.role == MessageRole::User
            && self.content.iter().any(|content| matches!(content, Content::Text(_)))
    }

    /// A turn of text alone.
    pub fn text(role: MessageRole, text: impl Into<String>) -> Self {
        Self { role, content: vec![Content::Text(text.into())] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use MessageRole::{Assistant, User};

    #[test]
    fn a_conversation_is_shortened_by_whole_turns_until_the_last_one_is_left() {
        let turns = [
            (User, "a"),
            (Assistant, "b"),
            (User, "c"),
            (Assistant, "d"),
            (User, "e"),
            (Assistant, "f"),
            (User, "g"),
        ];
        let turns = turns.map(|(role, text)| Turn::text(role, text)).to_vec();
        let mut request = Request {
            reply_id: "r".into(),
            prompt: PromptName::Default,
            turns: turns.clone(),
            tools: Vec::new(),
        };
        for left in [3, 1] {
            assert!(request.shorten());
            assert_eq!(request.turns, turns[turns.len() - left..]);
        }
        assert!(!request.shorten());
        assert_eq!(request.turns, turns[turns.len() - 1..]);
    }
}
