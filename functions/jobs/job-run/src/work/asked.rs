//! What a model is asked, as the text `prompt` of an event `job.item`.

use platform::ids;
use serde::Serialize;
use serde_json::Value;
use tally_prompts::domain::{PromptName, Values, Version};

/// What a model is asked, without the data that it is given. A reader who has the data can make the
/// turn again, and compare its hash.
#[derive(Serialize)]
struct Asked<'a> {
    prompt: Prompt<'a>,
    /// The values of its variables. Absent if there are none.
    #[serde(skip_serializing_if = "Values::is_empty")]
    variables: &'a Values,
    /// The input: its name, its place and its hash, and the day that the prompt names as today.
    input: &'a Value,
    /// SHA-256 of the user's turn, URL-safe base64.
    turn_sha256: String,
}

/// The version of a prompt.
#[derive(Serialize)]
struct Prompt<'a> {
    name: &'a PromptName,
    version: u32,
    /// SHA-256 of its content. Version 0 is built in, so it may have another text in each release.
    sha256: &'a str,
}

/// What a model is asked, as JSON. `input` says what was given, and has no data of it. `turn` is
/// the user's turn as the model gets it. It stays out of the text, but for its hash.
pub fn asked(version: &Version, variables: &Values, input: &Value, turn: &str) -> String {
    let prompt = Prompt { name: &version.name, version: version.version, sha256: &version.sha256 };
    let asked = Asked { prompt, variables, input, turn_sha256: ids::sha256(turn) };
    // It has a JSON form, so this cannot fail.
    serde_json::to_string(&asked).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tally_prompts::built_in;

    #[test]
    fn what_was_asked_has_hashes_and_no_data() {
        let version = built_in(&"code.review".parse().unwrap()).unwrap();
        let variables = Values::from(json!({"focus": "Sums."}).as_object().unwrap().clone());
        let input = json!({"name": "a.rs", "place": "lines 1-2", "today": "2026-01-31"});
        let text = asked(&version, &variables, &input, "the turn");
        let expected = json!({
            "prompt": {"name": "code.review", "version": 0, "sha256": version.sha256},
            "variables": {"focus": "Sums."},
            "input": input,
            "turn_sha256": ids::sha256("the turn"),
        });
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
        let text = asked(&version, &Values::default(), &input, "");
        assert!(!text.contains("variables"), "{text}");
    }
}
