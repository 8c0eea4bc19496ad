//! A scripted reply of the model, made of blocks: a step of a loop with tools.

use platform::ids;
use serde_json::{Value, json};

use super::Answer;
use super::events::{end, event, start};
use crate::model_server::halves;

/// A reply of the model: its blocks in order, and how it stops. Without another word it stops with
/// `tool_use` if it uses a tool, and with `end_turn` if it does not.
#[derive(Debug, Clone, Default)]
pub struct Step {
    blocks: Vec<Block>,
    stop_reason: Option<String>,
    cut: Option<Cut>,
    output_tokens: Option<usize>,
}

/// Where a reply with `max_tokens` breaks off within its last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Right after the block has begun. The block is closed.
    Empty,
    /// In its middle. The block is closed.
    Closed,
    /// In its middle. The block stays open.
    Open,
    /// At its very end. The block is closed, and looks whole.
    Whole,
}

/// A block, and the deltas that fill it.
#[derive(Debug, Clone)]
struct Block {
    start: Value,
    deltas: Vec<Value>,
}

impl Step {
    /// An empty reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// A thought. Its signature is made of its text. Give each thought of a test another text.
    #[must_use]
    pub fn thinks(self, text: &str) -> Self {
        let [first, second] = halves(text);
        let part = |text: &str| json!({"type": "thinking_delta", "thinking": text});
        let signature = json!({"type": "signature_delta", "signature": ids::sha256(text)});
        let start = json!({"type": "thinking", "thinking": "", "signature": ""});
        self.with(start, vec![part(first), part(second), signature])
    }

    /// A thought that only the provider can read.
    #[must_use]
    pub fn thinks_secretly(self, data: &str) -> Self {
        self.with(json!({"type": "redacted_thinking", "data": data}), vec![])
    }

    /// A text, in two parts.
    #[must_use]
    pub fn says(self, text: &str) -> Self {
        let [first, second] = halves(text);
        let part = |text: &str| json!({"type": "text_delta", "text": text});
        self.with(
            json!({"type": "text", "text": "", "citations": null}),
            vec![part(first), part(second)],
        )
    }

    /// A use of a tool. Its input comes in two parts.
    #[must_use]
    pub fn uses(self, id: &str, name: &str, input: &Value) -> Self {
        let input = input.to_string();
        let [first, second] = halves(&input);
        let part = |json: &str| json!({"type": "input_json_delta", "partial_json": json});
        let start = json!({
            "type": "tool_use", "id": id, "name": name, "input": {}, "caller": {"type": "direct"},
        });
        self.with(start, vec![part(""), part(first), part(second)])
    }

    /// Any other block, such as one of the provider's own tools.
    #[must_use]
    pub fn has(self, block: &Value) -> Self {
        self.with(block.clone(), vec![])
    }

    /// Stops with this reason, such as `pause_turn`.
    #[must_use]
    pub fn stops(self, reason: &str) -> Self {
        Self { stop_reason: Some(reason.to_owned()), ..self }
    }

    /// Breaks off within the last block, with `max_tokens`.
    #[must_use]
    pub fn cut(self, cut: Cut) -> Self {
        Self { cut: Some(cut), ..self.stops("max_tokens") }
    }

    /// Writes so many tokens.
    #[must_use]
    pub fn writes(self, output_tokens: usize) -> Self {
        Self { output_tokens: Some(output_tokens), ..self }
    }

    /// The frames of the reply. It reads the tokens of [`super::reply_of`]. Without another word it
    /// writes one token for each delta and one more.
    pub fn frames(&self) -> Vec<String> {
        let mut events = vec![start()];
        let mut tokens = 1;
        for (index, block) in self.blocks.iter().enumerate() {
            let cut = self.cut.filter(|_| index + 1 == self.blocks.len());
            let deltas: &[Value] = match cut {
                Some(Cut::Empty) => &[],
                Some(Cut::Closed | Cut::Open) => {
                    &block.deltas[..block.deltas.len().saturating_sub(1)]
                }
                Some(Cut::Whole) | None => &block.deltas[..],
            };
            tokens += deltas.len();
            events.push(json!({
                "type": "content_block_start", "index": index, "content_block": block.start,
            }));
            events.extend(deltas.iter().map(
                |delta| json!({"type": "content_block_delta", "index": index, "delta": delta}),
            ));
            if cut != Some(Cut::Open) {
                events.push(json!({"type": "content_block_stop", "index": index}));
            }
        }
        events.extend(end(self.stop_reason(), self.output_tokens.unwrap_or(tokens)));
        events.iter().map(event).collect()
    }

    /// The answer with these frames. The server binds its thoughts to the request.
    pub fn answer(&self) -> Answer {
        Answer::stream(self.frames()).signed(self.signs())
    }

    /// What tells its thoughts from others.
    pub(crate) fn signs(&self) -> Vec<String> {
        self.blocks.iter().filter_map(Block::sign).collect()
    }

    fn stop_reason(&self) -> &str {
        let uses_tool = self.blocks.iter().any(|block| block.start["type"] == "tool_use");
        let usual = if uses_tool { "tool_use" } else { "end_turn" };
        self.stop_reason.as_deref().unwrap_or(usual)
    }

    fn with(mut self, start: Value, deltas: Vec<Value>) -> Self {
        self.blocks.push(Block { start, deltas });
        self
    }
}

impl Block {
    /// What tells a thought from others: its signature or its data.
    fn sign(&self) -> Option<String> {
        let signature = self.deltas.last().and_then(|delta| delta["signature"].as_str());
        signature.or(self.start["data"].as_str()).map(str::to_owned)
    }
}
