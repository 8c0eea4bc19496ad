//! The result of an item of an evaluation, as its user sees it and as the table has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bytes of the text of a result, at most.
const MOST_TEXT: usize = 20_000;

/// The result of an item.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored {
    /// Number of the version.
    pub version: u32,
    /// Position of the case, from 0.
    pub case: usize,
    /// Number of the repetition, from 0.
    pub repetition: usize,
    /// The answer, or its beginning.
    pub text: String,
    /// Whether the answer is longer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// The scores by check, of the whole answer.
    pub scores: BTreeMap<String, f64>,
    /// Milliseconds that the answer took.
    pub latency_ms: u64,
}

platform::opaque!(Scored);

/// An answer, or its beginning, and whether it is longer.
pub fn beginning(answer: &str) -> (String, bool) {
    let text = &answer[..answer.floor_char_boundary(MOST_TEXT)];
    (text.to_owned(), text.len() < answer.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_long_answer_is_cut_between_characters() {
        let euros = "€".repeat(7_000);
        for (answer, length, is_cut) in [
            ("", 0, false),
            ("Well.", 5, false),
            (&"a".repeat(20_000), 20_000, false),
            (&"a".repeat(20_001), 20_000, true),
            (&euros, 19_998, true),
        ] {
            let (text, truncated) = beginning(answer);
            assert_eq!((text.len(), truncated), (length, is_cut));
        }
    }

    #[test]
    fn a_result_says_that_it_is_truncated_only_if_it_is() {
        let scores = BTreeMap::from([("exact".to_owned(), 1.0)]);
        let whole = Scored {
            version: 7,
            case: 3,
            repetition: 0,
            text: "Well.".into(),
            truncated: false,
            scores,
            latency_ms: 120,
        };
        let expected = json!({
            "version": 7, "case": 3, "repetition": 0, "text": "Well.", "scores": {"exact": 1.0},
            "latency_ms": 120,
        });
        assert_eq!(json!(whole), expected);
        assert!(serde_json::from_value::<Scored>(expected).unwrap() == whole);
        assert_eq!(json!(Scored { truncated: true, ..whole })["truncated"], true);
    }
}
