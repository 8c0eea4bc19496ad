//! The usage of a reply. A server sends it in a chunk of its own after the last one, in every chunk,
//! or never. Until it comes, a conservative estimate stands.

use serde_json::Value;

use crate::domain::Usage;
use crate::provider::Event;
use crate::remote::Estimate;

/// The largest count that is credible.
const LARGEST: u64 = 1_000_000_000;

/// Tokens that a server has counted so far, in total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    /// What the model has read, from the cache too.
    prompt: Option<u64>,
    /// What the model has written, its reasoning too.
    output: Option<u64>,
    cache_read: u64,
    cache_write: u64,
}

impl Counted {
    /// Reads a usage; `None` if it counts nothing.
    pub fn of(usage: &Value) -> Option<Self> {
        let count = |value: &Value| value.as_u64().filter(|count| *count <= LARGEST);
        let details = &usage["prompt_tokens_details"];
        let prompt = count(&usage["prompt_tokens"]);
        let total = count(&usage["total_tokens"]);
        // Gemini counts the reasoning in the total alone, as Grok does.
        let rest = total.zip(prompt).map(|(total, prompt)| total.saturating_sub(prompt));
        let output = count(&usage["completion_tokens"]).max(rest);
        if prompt.is_none() && output.is_none() {
            return None;
        }
        let first = |values: [&Value; 2]| values.into_iter().find_map(count).unwrap_or_default();
        Some(Self {
            prompt,
            output,
            // DeepSeek has a member of its own.
            cache_read: first([&details["cached_tokens"], &usage["prompt_cache_hit_tokens"]]),
            // LiteLLM in front of Claude, and OpenRouter. Both count them in the prompt too.
            cache_write: first([
                &usage["cache_creation_input_tokens"],
                &details["cache_write_tokens"],
            ]),
        })
    }

    /// Whether it has any tokens.
    pub fn is_any(&self) -> bool {
        self.prompt.max(self.output) > Some(0)
    }
}

/// Adds up the usage of a reply.
#[derive(Debug)]
pub(super) struct Meter {
    /// Tokens that the reply may have at most.
    most: u64,
    /// The input: an estimate, until it is counted.
    input: Usage,
    /// The output, if it has been counted, and what was written since.
    counted: Option<u64>,
    since: Estimate,
    /// Whether anything was written.
    has_written: bool,
    told: Usage,
}

impl Meter {
    /// A meter of a reply that may have `most` tokens, with an estimate of its input.
    pub fn new(input: Usage, most: u64) -> Self {
        let since = Estimate::default();
        Self { most, input, counted: None, since, has_written: false, told: input }
    }

    /// Adds what the model has written: text, reasoning or the input of a tool.
    pub fn wrote(&mut self, text: &str) {
        self.has_written |= !text.is_empty();
        self.since.add(text);
    }

    /// Takes over a count. It ignores a zero if the model has read or written something. The output
    /// only grows: a server that counts each chunk by itself does not lower it.
    pub fn count(&mut self, counted: &Counted) {
        if let Some(prompt) = counted.prompt.filter(|prompt| *prompt > 0) {
            let (cache_read_tokens, cache_write_tokens) = (counted.cache_read, counted.cache_write);
            let input_tokens = prompt
                .checked_sub(cache_read_tokens.saturating_add(cache_write_tokens))
                // The server counts its cache beside the prompt.
                .unwrap_or(prompt);
            self.input =
                Usage { input_tokens, output_tokens: 0, cache_read_tokens, cache_write_tokens };
        }
        let output = counted.output.filter(|output| *output > 0 || !self.has_written);
        if output > self.counted {
            self.counted = output;
            self.since = Estimate::default();
        }
    }

    /// Whether the server has counted as many tokens as the reply may have.
    pub fn is_full(&self) -> bool {
        self.counted.is_some_and(|counted| counted >= self.most)
    }

    /// The usage, if it is another than the last one.
    pub fn event(&mut self) -> Option<Event> {
        let counted = self.counted.unwrap_or_default();
        let estimate = counted.saturating_add(self.since.tokens()).min(self.most);
        let usage = Usage { output_tokens: estimate.max(counted), ..self.input };
        let is_news = usage != self.told;
        self.told = usage;
        is_news.then_some(Event::Usage(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn used(
        input_tokens: u64,
        output_tokens: u64,
        cache_read_tokens: u64,
        cache_write_tokens: u64,
    ) -> Usage {
        Usage { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens }
    }

    #[test]
    fn a_usage_is_read_in_every_dialect() {
        let huge = json!(1_000_000_001);
        for (name, usage, expected) in [
            (
                "OpenAI",
                json!({"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
                    "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
                    "completion_tokens_details": {"reasoning_tokens": 4}}),
                used(4, 9, 16, 0),
            ),
            (
                "Gemini, which leaves the reasoning out of the completion",
                json!({"prompt_tokens": 20, "completion_tokens": 198, "total_tokens": 623}),
                used(20, 603, 0, 0),
            ),
            (
                "Gemini, which has thought and written nothing",
                json!({"prompt_tokens": 21, "total_tokens": 81}),
                used(21, 60, 0, 0),
            ),
            (
                "DeepSeek",
                json!({"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29,
                    "prompt_cache_hit_tokens": 5, "prompt_cache_miss_tokens": 15}),
                used(15, 9, 5, 0),
            ),
            (
                "LiteLLM before Claude",
                json!({"prompt_tokens": 2_006, "completion_tokens": 300, "total_tokens": 2_306,
                    "prompt_tokens_details": {"cached_tokens": 1_000},
                    "cache_creation_input_tokens": 920}),
                used(86, 300, 1_000, 920),
            ),
            (
                "OpenRouter",
                json!({"prompt_tokens": 20, "completion_tokens": 9, "cost": 0.95,
                    "prompt_tokens_details": {"cached_tokens": null, "cache_write_tokens": 7}}),
                used(13, 9, 0, 7),
            ),
            ("Ollama", json!({"prompt_tokens": 20, "completion_tokens": 9}), used(20, 9, 0, 0)),
            ("no prompt", json!({"completion_tokens": 9}), used(30, 9, 0, 0)),
            ("no completion", json!({"prompt_tokens": 20}), used(20, 12, 0, 0)),
            (
                "zeros, of a server that counts at the end alone",
                json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
                used(30, 12, 0, 0),
            ),
            (
                "a gateway before Claude, which counts the cache beside the prompt",
                json!({"prompt_tokens": 20, "completion_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 1_000},
                    "cache_creation_input_tokens": 5}),
                used(20, 9, 1_000, 5),
            ),
            (
                "all of it from the cache",
                json!({"prompt_tokens": 20, "completion_tokens": 9,
                    "prompt_tokens_details": {"cached_tokens": 20}}),
                used(0, 9, 20, 0),
            ),
            (
                "counts that are none",
                json!({"prompt_tokens": -1, "completion_tokens": huge, "total_tokens": u64::MAX}),
                used(30, 12, 0, 0),
            ),
            ("a text", json!("20"), used(30, 12, 0, 0)),
            ("nothing", json!({}), used(30, 12, 0, 0)),
        ] {
            let mut meter = Meter::new(used(30, 0, 0, 0), 4_096);
            meter.wrote("Four words of it.");
            if let Some(counted) = Counted::of(&usage) {
                meter.count(&counted);
            }
            assert_eq!(meter.event(), Some(Event::Usage(expected)), "{name}");
        }
    }

    #[test]
    fn the_last_count_stands_and_what_follows_it_is_estimated() {
        let counted = |output: u64| {
            Counted::of(&json!({"prompt_tokens": 20, "completion_tokens": output})).unwrap()
        };
        let mut meter = Meter::new(used(30, 0, 0, 0), 20);
        assert_eq!(meter.event(), None);
        let mut tokens = |text: &str, count: Option<u64>| {
            meter.wrote(text);
            if let Some(count) = count {
                meter.count(&counted(count));
            }
            let Some(Event::Usage(usage)) = meter.event() else { return (None, meter.is_full()) };
            (Some((usage.input_tokens, usage.output_tokens)), meter.is_full())
        };
        for (text, count, expected, is_full) in [
            ("Hi", None, Some((30, 2)), false),
            ("", None, None, false),
            // vLLM with `continuous_usage_stats`, and Gemini.
            (" you", Some(1), Some((20, 1)), false),
            ("", Some(1), None, false),
            (" there", None, Some((20, 5)), false),
            // No more than the reply may have.
            ("and so on, and so on, and so on", None, Some((20, 20)), false),
            ("", Some(19), Some((20, 19)), false),
            ("and so on", Some(20), Some((20, 20)), true),
            // A server that counts otherwise.
            ("", Some(23), Some((20, 23)), true),
            ("and so on", None, None, true),
            // Less than before, and nothing.
            ("", Some(2), None, true),
            ("", Some(0), None, true),
        ] {
            assert_eq!(tokens(text, count), (expected, is_full), "{text} {count:?}");
        }
    }

    #[test]
    fn a_server_that_counts_each_chunk_by_itself_lowers_nothing() {
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 1});
        let mut meter = Meter::new(used(30, 0, 0, 0), 100);
        let mut told = Vec::new();
        for text in ["Hi", " you", " there"] {
            meter.wrote(text);
            meter.count(&Counted::of(&usage).unwrap());
            told.push(meter.event());
        }
        // Of what follows the first count, an estimate stands.
        let expected = [1, 4, 8].map(|output| Some(Event::Usage(used(20, output, 0, 0))));
        assert_eq!(told, expected);
    }

    #[test]
    fn a_model_may_have_written_nothing() {
        let mut meter = Meter::new(used(30, 0, 0, 0), 20);
        let usage = json!({"prompt_tokens": 20, "completion_tokens": 0});
        meter.count(&Counted::of(&usage).unwrap());
        assert_eq!(meter.event(), Some(Event::Usage(used(20, 0, 0, 0))));
        assert!(!meter.is_full());
    }
}
