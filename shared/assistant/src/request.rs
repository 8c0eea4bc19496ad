//! What a model is asked.

use platform::domain::{MessageRole, PromptName};

use crate::tool::{Tool, ToolResult, ToolUse};

/// What a model is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Id of the reply: what is random in a reply is drawn from it, so that it can be drawn again.
    pub reply_id: String,
    /// The system prompt.
    pub prompt: PromptName,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub turns: Vec<Turn>,
    /// What the model may use.
    pub tools: Vec<Tool>,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Who said it.
    pub role: MessageRole,
    /// What was said.
    pub content: Vec<Content>,
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Text of either.
    Text(String),
    /// The assistant wanted a tool to be used.
    ToolUse(ToolUse),
    /// What came of it, in the user's turn that follows.
    ToolResult(ToolResult),
}

impl Request {
    /// Leaves out the older half of what was said before the last turn, in whole turns: what remains begins with its user. Whether
    /// there was anything to leave out.
    pub fn shorten(&mut self) -> bool {
        let last = self.turns.iter().rposition(Turn::is_said_by_user).unwrap_or(0);
        let begins = (last.div_ceil(2)..last).find(|&index| self.turns[index].is_said_by_user()).unwrap_or(last);
        self.turns.drain(..begins);
        begins > 0
    }
}

impl Turn {
    /// Whether a user begins with it: the result of a tool belongs to the turn before.
    fn is_said_by_user(&self) -> bool {
        self.role == MessageRole::User && self.content.iter().any(|content| matches!(content, Content::Text(_)))
    }

    /// Something said in text alone.
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
        let turns = [(User, "a"), (Assistant, "b"), (User, "c"), (Assistant, "d"), (User, "e"), (Assistant, "f"), (User, "g")];
        let turns = turns.map(|(role, text)| Turn::text(role, text)).to_vec();
        let mut request = Request { reply_id: "r".into(), prompt: PromptName::Default, turns: turns.clone(), tools: Vec::new() };
        for left in [3, 1] {
            assert!(request.shorten());
            assert_eq!(request.turns, turns[turns.len() - left..]);
        }
        assert!(!request.shorten());
        assert_eq!(request.turns, turns[turns.len() - 1..]);
    }
}
