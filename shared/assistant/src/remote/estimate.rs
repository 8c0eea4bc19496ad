//! Estimates the most tokens that a text has in practice, until the provider has counted them. A
//! call that is broken off earlier is settled by this estimate. It is two tokens for three bytes,
//! and as many for a page as the hold has. It is less than the hold: see [`crate::tokens_shown`].

use crate::pricing::{PAGE_TOKENS, tokens_estimated};
use crate::request::Request;

/// The length of one or several texts in bytes, and of documents in pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Estimate {
    bytes: u64,
    pages: u64,
}

impl Estimate {
    /// All that the model reads for a request.
    pub fn of(request: &Request) -> Self {
        Self { bytes: request.bytes_shown(), pages: request.pages_shown() }
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        self.bytes += text.len() as u64;
    }

    /// Its tokens.
    pub fn tokens(self) -> u64 {
        tokens_estimated(self.bytes) + self.pages * PAGE_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{MessageRole, Usage};
    use crate::pricing::Pricing;
    use crate::request::{Content, Document, Turn};
    use crate::tool::{Tool, ToolResult, ToolUse};
    use serde_json::json;

    fn tools(number: usize) -> Vec<Tool> {
        let tool = Tool {
            name: "t".into(),
            description: "€".repeat(number),
            input_schema: json!({"type": "object"}),
        };
        vec![tool; number]
    }

    #[test]
    fn a_text_has_two_tokens_for_three_bytes() {
        for (texts, expected) in [
            (&[][..], 0),
            (&[""], 0),
            (&["a"], 1),
            (&["abc"], 2),
            (&["abcd"], 3),
            (&["ab", "cd"], 3),
            (&["€"], 2),
            (&["利润增长"], 8),
            (&["Profit: €12"], 9),
        ] {
            let mut estimate = Estimate::default();
            for text in texts {
                estimate.add(text);
            }
            assert_eq!(estimate.tokens(), expected, "{texts:?}");
        }
    }

    #[test]
    fn what_is_estimated_never_costs_more_than_what_is_held() {
        let settings =
            [("AI_MODEL", "m"), ("AI_PRICES", "m=3/15/3.75/0.30"), ("AI_MAX_TOKENS", "1000")];
        let pricing = Pricing::of_settings(&settings.into_iter().collect()).unwrap();
        let used = ToolUse { id: "t".into(), name: "t".into(), input: json!({"a": "利润"}) };
        let result = ToolResult { tool_use_id: "t".into(), content: "1".into(), is_error: false };
        let step = [
            Content::Thought(json!({"type": "thinking", "signature": "c2ln"})),
            Content::ToolUse(used),
            Content::ToolResult(result),
            Content::Document(Document { title: "Q".into(), data: "JVBERi0=".into(), pages: 9 }),
        ];
        for texts in [
            &[""][..],
            &["x"],
            &["1 2 3 4 5", "€", "👩‍👩‍👧"],
            &["a"; 20],
            &["利润增长".repeat(10_000).as_str(), "\n"],
        ] {
            let turns: Vec<_> =
                texts.iter().map(|text| Turn::text(MessageRole::User, *text)).collect();
            for (number, content) in [(0, &step[..0]), (1, &step[..]), (14, &step[..])] {
                let step = Turn { role: MessageRole::Assistant, content: content.to_vec() };
                let turns = turns.iter().cloned().chain([step]).collect();
                let output_schema = (number > 0).then(|| json!({"type": "object"}));
                let tools = tools(number);
                let request = Request { turns, tools, output_schema, ..Request::default() };
                let held = pricing.worst_of_request(&request);
                let usage = Usage {
                    input_tokens: Estimate::of(&request).tokens(),
                    output_tokens: pricing.max_tokens(),
                    ..Usage::default()
                };
                assert!(pricing.cost("m", &usage) <= held, "{texts:?}");
            }
        }
    }
}
