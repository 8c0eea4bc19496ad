//! What a model is shown for a request: its bytes, and the most tokens that they can have.

use crate::domain::Cost;
use crate::pricing::{
    PAGE_TOKENS, Pricing, TOOLS_TOKENS, tokens_at_most, tokens_estimated, tokens_of_bytes,
    tokens_of_schema,
};
use crate::request::{Content, Request};
use crate::tool::Tool;

impl Request {
    /// Bytes of all texts that the model is shown: the system prompt, the tools, the turns and the
    /// schema of the answer. Documents count by their titles alone, see [`Self::pages_shown`].
    pub fn bytes_shown(&self) -> u64 {
        let tools = self.tools.iter().map(bytes_of_tool);
        let turns = self.contents().map(bytes_of);
        let schema = self.output_schema.iter().map(|schema| schema.to_string().len());
        let bytes: usize = tools.chain(turns).chain(schema).sum();
        (self.system.len() + bytes) as u64
    }

    /// Pages of all documents that the model is shown.
    pub fn pages_shown(&self) -> u64 {
        let pages = self.contents().map(|content| match content {
            Content::Document(document) => u64::from(document.pages),
            _ => 0,
        });
        pages.sum()
    }

    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.turns.iter().flat_map(|turn| &turn.content)
    }
}

impl Pricing {
    /// The worst-case cost of a call with this request, with any of the models that it asks.
    pub fn worst_of_request(&self, request: &Request) -> Cost {
        self.worst_call(request.model.as_deref(), tokens_shown(request), request.max_tokens)
    }
}

/// The most tokens that a model can read for a request, as [`Pricing::worst_with`] takes them: one
/// for each byte, and [`PAGE_TOKENS`] for each page of a document. Tools are texts of our own, so
/// the practical bound holds for them.
pub fn tokens_shown(request: &Request) -> u64 {
    let of_tool = |tool| tokens_estimated(bytes_of_tool(tool) as u64) + tokens_of_bytes(0);
    let tools: u64 = request.tools.iter().map(of_tool).sum();
    let added = if request.tools.is_empty() { 0 } else { TOOLS_TOKENS };
    let turns: u64 = request.contents().map(|content| tokens_of_bytes(bytes_of(content))).sum();
    let pages = request.pages_shown() * PAGE_TOKENS;
    let schema = request.output_schema.as_ref().map_or(0, tokens_of_schema);
    tokens_at_most(&request.system) + tools + added + turns + pages + schema
}

fn bytes_of_tool(tool: &Tool) -> usize {
    tool.name.len() + tool.description.len() + tool.input_schema.to_string().len()
}

/// A thought counts with its signature, which has the whole of it: its text may be a summary.
fn bytes_of(content: &Content) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::Document(document) => document.title.len(),
        Content::ToolUse(used) => used.id.len() + used.name.len() + used.input.to_string().len(),
        Content::ToolResult(result) => result.tool_use_id.len() + result.content.len(),
        Content::Thought(thought) => thought.to_string().len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::MessageRole::{Assistant, User};
    use crate::request::{Document, Turn};
    use crate::tool::{ToolResult, ToolUse};
    use serde_json::json;

    #[test]
    fn all_that_a_model_is_shown_is_counted() {
        let system = "You keep €.";
        let prompt = system.len() as u64;
        let said = |text: &str| Turn::text(User, text);
        let tool = Tool {
            name: "find".into(),
            description: "Finds.".into(),
            input_schema: json!({"type": "object"}),
        };
        let used = ToolUse { id: "t".into(), name: "find".into(), input: json!({"a": "€"}) };
        let result = ToolResult { tool_use_id: "t".into(), content: "12".into(), is_error: true };
        let thought = Content::Thought(json!({"signature": "xyz"}));
        let asks = Turn { role: Assistant, content: vec![thought, Content::ToolUse(used)] };
        let answers = Turn { role: User, content: vec![Content::ToolResult(result)] };
        // Bytes, then tokens: 16 for each part, 2048 for the tools, whose 27 bytes are 18 tokens.
        for (tools, turns, bytes, tokens) in [
            (vec![], vec![], 0, 16),
            (vec![], vec![said("Hi"), said("€")], 2 + 3, 16 + 18 + 19),
            (vec![tool.clone()], vec![said("Hi")], 27 + 2, 16 + 34 + 2_048 + 18),
            (
                vec![tool],
                vec![said("Hi"), asks, answers],
                27 + 2 + 19 + 16 + 3,
                16 + 34 + 2_048 + 18 + 35 + 32 + 19,
            ),
        ] {
            let request = Request { system: system.into(), tools, turns, ..Request::default() };
            assert_eq!(request.bytes_shown(), prompt + bytes, "{request:?}");
            assert_eq!(tokens_shown(&request), prompt + tokens, "{request:?}");
        }
    }

    #[test]
    fn documents_count_by_their_pages_and_a_schema_by_its_bytes() {
        let document = |pages| {
            Content::Document(Document { title: "Q3".into(), data: "JVBERi0=".repeat(99), pages })
        };
        let schema = || Some(json!({"type": "object"}));
        // The title has 2 bytes, the schema 17: 12 tokens, and 256 for the words around it.
        for (content, output_schema, bytes, pages, tokens) in [
            (vec![document(3)], None, 2, 3, 16 + 18 + 24_000),
            (vec![document(3), document(20)], None, 4, 23, 16 + 36 + 184_000),
            (vec![Content::Text("Hi".into())], schema(), 2 + 17, 0, 16 + 18 + 12 + 256),
            (vec![document(1)], schema(), 2 + 17, 1, 16 + 18 + 8_000 + 12 + 256),
        ] {
            let turns = vec![Turn { role: User, content }];
            let request = Request { turns, output_schema, ..Request::default() };
            assert_eq!((request.bytes_shown(), request.pages_shown()), (bytes, pages));
            assert_eq!(tokens_shown(&request), tokens, "{request:?}");
        }
    }

    #[test]
    fn the_worst_case_of_a_request_of_texts_is_that_of_its_texts() {
        let prices = "a=5/25/6.25/0.50,b=1/5/1.25/0.10,c=10/50/12.50/1";
        let settings = [("AI_MODEL", "a"), ("AI_FALLBACK_MODEL", "b"), ("AI_PRICES", prices)];
        let pricing = Pricing::of_settings(&settings.into_iter().collect()).unwrap();
        let texts = ["How did Alpha do?", "Well.", "And Beta? €"];
        let turns = texts.map(|text| Turn::text(User, text)).to_vec();
        let system = "You are brief.";
        let request = Request { system: system.into(), turns, ..Request::default() };
        let worst = pricing.worst(texts.into_iter().chain([system]));
        assert_eq!(pricing.worst_of_request(&request), worst);
        for (model, is_dearer) in [("a", false), ("b", false), ("c", true)] {
            let request = Request { model: Some(model.into()), ..request.clone() };
            assert_eq!(pricing.worst_of_request(&request) > worst, is_dearer, "{model}");
        }
    }
}
