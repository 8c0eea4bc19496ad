//! How many tokens a text has, until the provider has counted them: what is broken off before that is paid by it.

use crate::request::{Content, Request};
use platform::chat::system_prompt;

/// ASCII characters that make a token on average. Of others each is reckoned as one.
const ASCII_PER_TOKEN: u64 = 4;

/// A text, or several, by what it is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Estimate {
    ascii: u64,
    others: u64,
}

impl Estimate {
    /// What a request has the model read.
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
        let others = text.chars().filter(|char| !char.is_ascii()).count() as u64;
        self.others += others;
        self.ascii += text.bytes().filter(u8::is_ascii).count() as u64;
    }

    /// Its tokens.
    pub fn tokens(self) -> u64 {
        self.ascii.div_ceil(ASCII_PER_TOKEN) + self.others
    }
}

#[cfg(test)]
mod tests {
    use super::Estimate;

    #[test]
    fn a_text_has_a_token_for_every_four_letters_and_for_every_other_character() {
        for (texts, expected) in [
            (&[][..], 0),
            (&[""], 0),
            (&["a"], 1),
            (&["abcd"], 1),
            (&["abcde"], 2),
            (&["ab", "cd"], 1),
            (&["€"], 1),
            (&["利润增长"], 4),
            (&["Profit: €12"], 4),
        ] {
            let mut estimate = Estimate::default();
            for text in texts {
                estimate.add(text);
            }
            assert_eq!(estimate.tokens(), expected, "{texts:?}");
        }
    }
}
