//! Why a reply stops, in the words of many servers.

use crate::domain::StopReason;
use crate::error::Fault;
use crate::remote::Failure;

use super::errors::is_word;

/// How a reply ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// The model has ended it, or waits for the results of its uses. OpenAI and Ollama say `stop`
    /// also where there are uses.
    Whole,
    /// It breaks off for this reason, at any place.
    Cut(StopReason),
}

/// The words of Gemini and Zhipu for a reply that a filter ends.
const REFUSALS: [&str; 7] = [
    "safety",
    "recitation",
    "blocklist",
    "prohibited_content",
    "spii",
    "image_safety",
    "sensitive",
];

/// The end that a server names. One that is an error is a failure, and an unknown one counts as a
/// normal end.
pub(super) fn finish(word: &str) -> Result<Finish, Failure> {
    use StopReason::{MaxTokens, ModelContextWindowExceeded, Refusal};
    let failed = |fault| {
        let why = "the server says that it could not go on with the reply";
        Err(Failure::passing(fault, why))
    };
    let word = word.to_ascii_lowercase();
    Ok(match word.as_str() {
        "stop" | "tool_calls" | "function_call" | "end_turn" | "eos" | "eos_token" => Finish::Whole,
        "length" | "max_tokens" => Finish::Cut(MaxTokens),
        // Mistral.
        "model_length" => Finish::Cut(ModelContextWindowExceeded),
        // Gemini may add the reason after a colon, or say it in its own words. Zhipu has one.
        word if word.starts_with("content_filter") || REFUSALS.contains(&word) => {
            Finish::Cut(Refusal)
        }
        // vLLM says `abort`, OpenRouter `error`, Zhipu `network_error`.
        "error" | "abort" | "network_error" => return failed(Fault::Failing),
        // DeepSeek.
        "insufficient_system_resource" => return failed(Fault::Overloaded),
        // Gemini wrote a use that is none.
        word if word.contains("malformed_function_call") => return failed(Fault::Broken),
        word => {
            let word = if is_word(word) { word } else { "-" };
            tracing::warn!(word, "unknown finish reason; it counts as a normal end");
            Finish::Whole
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_one_of_our_reasons_or_a_failure() {
        use StopReason::{MaxTokens, ModelContextWindowExceeded, Refusal};
        for (name, word, expected) in [
            ("OpenAI", "stop", Ok(Finish::Whole)),
            ("OpenAI", "length", Ok(Finish::Cut(MaxTokens))),
            ("OpenAI", "tool_calls", Ok(Finish::Whole)),
            ("OpenAI, once", "function_call", Ok(Finish::Whole)),
            ("OpenAI and Azure", "content_filter", Ok(Finish::Cut(Refusal))),
            ("Gemini", "content_filter: PROHIBITED_CONTENT", Ok(Finish::Cut(Refusal))),
            ("Gemini", "SAFETY", Ok(Finish::Cut(Refusal))),
            ("Gemini", "RECITATION", Ok(Finish::Cut(Refusal))),
            ("Gemini", "STOP", Ok(Finish::Whole)),
            ("Gemini", "MAX_TOKENS", Ok(Finish::Cut(MaxTokens))),
            ("Gemini", "function_call_filter: MALFORMED_FUNCTION_CALL", Err(Fault::Broken)),
            ("LiteLLM", "max_tokens", Ok(Finish::Cut(MaxTokens))),
            ("LiteLLM before Ollama", "end_turn", Ok(Finish::Whole)),
            ("vLLM", "abort", Err(Fault::Failing)),
            ("OpenRouter", "error", Err(Fault::Failing)),
            ("DeepSeek", "insufficient_system_resource", Err(Fault::Overloaded)),
            ("Mistral", "model_length", Ok(Finish::Cut(ModelContextWindowExceeded))),
            ("Zhipu", "sensitive", Ok(Finish::Cut(Refusal))),
            ("text-generation-inference", "eos_token", Ok(Finish::Whole)),
            ("a new server", "a_new_reason", Ok(Finish::Whole)),
            ("a new server", "a long sentence", Ok(Finish::Whole)),
        ] {
            let found = finish(word).map_err(|failure| failure.error.fault);
            assert_eq!(found, expected, "{name}: {word}");
        }
    }
}
