//! The request to a model.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Effort, MessageRole};
use crate::tool::{Tool, ToolResult, ToolUse};

/// The request to a model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// Id of the reply. It seeds the random parts of a reply, so that they can be drawn again.
    pub reply_id: String,
    /// The system prompt.
    pub system: String,
    /// The conversation so far, oldest first; the last turn is the one to answer.
    pub turns: Vec<Turn>,
    /// The tools that the model may use, by name. Turns with uses of tools need them too. Keep them
    /// the same in all steps of a reply: a provider may bind a thought to them.
    pub tools: Vec<Tool>,
    /// Whether the model must answer without a tool. The tools are still described, because the
    /// turns use them. A use that the model asks for all the same is left out, and the stop reason
    /// tells of it.
    pub without_tools: bool,
    /// The model to ask instead of the first one of the settings. It needs a price. The fallback
    /// model stays the same.
    pub model: Option<String>,
    /// Tokens of the reply at most, if that is less than the settings allow.
    pub max_tokens: Option<u64>,
    /// How much the model is to think. Without it, the model decides.
    pub effort: Option<Effort>,
    /// JSON Schema of the answer, if it has to be JSON. A provider may be unable to hold the model
    /// to it. So the prompt has to ask for JSON too, and the caller has to validate the answer.
    pub output_schema: Option<Value>,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Text, of the user or the assistant.
    Text(String),
    /// A document, of the user.
    Document(Document),
    /// A request of the assistant to use a tool.
    ToolUse(ToolUse),
    /// The result of that use, in the user's turn that follows.
    ToolResult(ToolResult),
    /// A thought of the assistant, as the provider sent it. It goes back unchanged.
    Thought(Value),
}

/// A PDF that the model reads: the text and the picture of each page.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The name by which the model knows it.
    pub title: String,
    /// The PDF in base64 (RFC 4648, section 4), with padding.
    pub data: String,
    /// Its pages. They set the most tokens that it can have.
    pub pages: u32,
}
platform::opaque!(Document);

impl Request {
    /// Leaves out the older half of the turns before the last one that the user wrote, in whole
    /// turns. The rest begins with a turn that the user wrote. So the uses of tools keep their
    /// results, and all steps of the current reply stay. The thoughts go, see
    /// [`Self::forget_thoughts`]. Returns whether there was anything to leave out.
    pub fn shorten(&mut self) -> bool {
        let last = self.turns.iter().rposition(Turn::is_said_by_user).unwrap_or(0);
        let begins = (last.div_ceil(2)..last)
            .find(|&index| self.turns[index].is_said_by_user())
            .unwrap_or(last);
        self.turns.drain(..begins);
        if begins > 0 {
            self.forget_thoughts();
        }
        begins > 0
    }

    /// Leaves out all thoughts. A provider may bind each one to all that stood before it, and
    /// refuse it if that has changed. Returns whether there were any.
    pub fn forget_thoughts(&mut self) -> bool {
        let parts = |turns: &[Turn]| turns.iter().map(|turn| turn.content.len()).sum::<usize>();
        let before = parts(&self.turns);
        for turn in &mut self.turns {
            turn.content.retain(|content| !matches!(content, Content::Thought(_)));
        }
        parts(&self.turns) < before
    }
}

impl Turn {
    /// Whether the user wrote this turn. A turn with results of tools belongs to the turn before.
    fn is_said_by_user(&self) -> bool {
        let is_said =
            |content: &Content| matches!(content, Content::Text(_) | Content::Document(_));
        let is_result = |content: &Content| matches!(content, Content::ToolResult(_));
        self.role == MessageRole::User
            && self.content.iter().any(is_said)
            && !self.content.iter().any(is_result)
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
    use serde_json::json;

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
        let mut request = Request { turns: turns.clone(), ..Request::default() };
        for left in [3, 1] {
            assert!(request.shorten());
            assert_eq!(request.turns, turns[turns.len() - left..]);
        }
        assert!(!request.shorten());
        assert_eq!(request.turns, turns[turns.len() - 1..]);
    }

    /// A use of a tool after a thought, and its result.
    fn step(number: usize) -> [Turn; 2] {
        let id = format!("t{number}");
        let used = ToolUse { id: id.clone(), name: "find".into(), input: json!({}) };
        let result = ToolResult { tool_use_id: id, content: "1".into(), is_error: false };
        let thought = Content::Thought(json!({"type": "thinking", "signature": number}));
        [
            Turn { role: Assistant, content: vec![thought, Content::ToolUse(used)] },
            Turn { role: User, content: vec![Content::ToolResult(result)] },
        ]
    }

    #[test]
    fn uses_of_tools_keep_their_results_and_the_current_reply_stays_whole() {
        let said = |role, text: &str| vec![Turn::text(role, text)];
        let mut noted = step(3).to_vec();
        noted[1].content.push(Content::Text("Two steps are left.".into()));
        let earlier = [said(User, "a"), step(1).to_vec(), said(Assistant, "b"), said(User, "c")];
        let earlier = [earlier.concat(), step(2).to_vec(), said(Assistant, "d")].concat();
        let current = [said(User, "e"), noted, step(4).to_vec()].concat();
        let mut request =
            Request { turns: [earlier, current.clone()].concat(), ..Request::default() };
        let mut without = Request { turns: current, ..Request::default() };
        assert!(without.forget_thoughts());
        // The second half of the earlier turns, then none of them.
        for (left, begins) in [(9, "c"), (5, "e")] {
            assert!(request.shorten());
            assert_eq!((request.turns.len(), &request.turns[0]), (left, &Turn::text(User, begins)));
            assert!(!request.forget_thoughts());
            assert_eq!(request.turns[left - 5..], without.turns);
        }
        assert!(!request.shorten());
    }

    #[test]
    fn a_part_is_stored_and_read_again() {
        let [asks, answers] = step(1);
        let said = vec![Content::Text("€".into()), Content::Document(document())];
        for content in [asks.content, answers.content, said].concat() {
            let stored = json!(content);
            assert_eq!(serde_json::from_value::<Content>(stored).unwrap(), content);
        }
    }

    fn document() -> Document {
        Document { title: "Q3".into(), data: "JVBERi0xLjcK".into(), pages: 2 }
    }

    #[test]
    fn a_document_is_said_by_the_user_and_never_printed() {
        let content = vec![Content::Document(document())];
        let asks = Turn { role: User, content };
        let turns = vec![Turn::text(User, "a"), Turn::text(Assistant, "b"), asks.clone()];
        let mut request = Request { turns, ..Request::default() };
        assert_eq!(format!("{asks:?}"), "Turn { role: User, content: [Document(Document)] }");
        assert!(request.shorten());
        assert_eq!(request.turns, [asks]);
    }
}
