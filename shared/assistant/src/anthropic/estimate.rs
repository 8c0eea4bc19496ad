//! Estimates the most tokens that a text has in practice, until the provider has counted them. A
//! call that is broken off earlier is settled by this estimate. It is two tokens for three bytes,
//! which is less than the hold: that is one token for each byte.

use crate::pricing::tokens_estimated;
use crate::prompts::system_prompt;
use crate::request::{Content, Request};

/// The length of one or several texts in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Estimate {
    bytes: u64,
}

impl Estimate {
    /// The texts that the model reads for a request.
    pub fn of(request: &Request) -> Self {
        let mut estimate = Self::default();
        estimate.add(system_prompt(request.prompt));
        for content in request.turns.iter().flat_map(|turn| &turn.content) {
            match content {
                Content::Text(text) => estimate.add(text),
                Content::ToolUse(tool) => estimate.add(&tool.input.to_string()),
                Content::ToolResult(result) => estimate.add(&result.content),
            }
        }
        estimate
    }

    /// Adds a text.
    pub fn add(&mut self, text: &str) {
        self.bytes += text.len() as u64;
    }

    /// Its tokens.
    pub fn tokens(self) -> u64 {
        tokens_estimated(self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::{MessageRole, PromptName, Usage};
    use crate::pricing::Pricing;

    use super::*;
    use crate::request::Turn;

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
        let pricing = Pricing::of_anthropic(&settings.into_iter().collect()).unwrap();
        for texts in [
            &[""][..],
            &["x"],
            &["1 2 3 4 5", "€", "👩‍👩‍👧"],
            &["a"; 20],
            &["利润增长".repeat(10_000).as_str(), "\n"],
        ] {
            let turns = texts.iter().map(|text| Turn::text(MessageRole::User, *text)).collect();
            let request = Request {
                reply_id: "r".into(),
                prompt: PromptName::Default,
                turns,
                tools: Vec::new(),
            };
            let held =
                pricing.worst(texts.iter().copied().chain([system_prompt(PromptName::Default)]));
            let usage = Usage {
                input_tokens: Estimate::of(&request).tokens(),
                output_tokens: pricing.max_tokens(),
                ..Usage::default()
            };
            assert!(pricing.cost("m", &usage) <= held, "{texts:?}");
        }
    }
}
