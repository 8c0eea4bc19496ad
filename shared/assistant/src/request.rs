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

impl Turn {
    /// Something said in text alone.
    pub fn text(role: MessageRole, text: impl Into<String>) -> Self {
        Self { role, content: vec![Content::Text(text.into())] }
    }
}
