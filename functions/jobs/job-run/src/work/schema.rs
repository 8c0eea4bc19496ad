//! The JSON of answers, and the schemas that it has to follow.

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use tally_jobs::domain::{ErrorCode, JobError};

/// The mark of a block of code in Markdown.
const FENCE: &str = "```";

/// A schema of a prompt, ready to check answers. It reads no other document, and its patterns take
/// a time linear in the text, because editors write them and models write the text.
pub fn compile(schema: &Value) -> Result<Validator, JobError> {
    let options = jsonschema::options().offline().with_pattern_options(PatternOptions::regex());
    options.build(schema).map_err(|_| {
        let detail = "The output_schema of the prompt is no JSON Schema that the server can check.";
        JobError::new(ErrorCode::InvalidOutput, detail)
    })
}

/// The JSON of an answer. A model may set it in a fence, though it is asked not to. `None` if it is
/// no JSON.
pub fn json_of(answer: &str) -> Option<Value> {
    serde_json::from_str(unfenced(answer.trim())).ok()
}

/// The text within a fence, or the text itself.
fn unfenced(text: &str) -> &str {
    let fenced = text.strip_prefix(FENCE).and_then(|text| text.strip_suffix(FENCE));
    match fenced.and_then(|text| text.split_once('\n')) {
        Some((_, text)) => text,
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_read_with_a_fence_and_without() {
        let expected = Some(json!({"a": "```"}));
        for answer in [
            r#"{"a": "```"}"#,
            " \n{\"a\": \"```\"}\n",
            "```json\n{\"a\": \"```\"}\n```",
            "```\n{\"a\": \"```\"}```\n",
            "```JSON \r\n{\"a\": \"```\"}\r\n```\r\n",
        ] {
            assert_eq!(json_of(answer), expected, "{answer}");
        }
        for answer in [
            "",
            "```",
            "``````",
            "```json\n```",
            "```json{}```",
            "Here it is:\n```json\n{}\n```",
            "{\"a\": 1} and more",
            "{\"a\": 1",
            &"[".repeat(100_000),
        ] {
            assert_eq!(json_of(answer), None, "{}", &answer[..answer.len().min(40)]);
        }
    }

    #[test]
    fn a_schema_checks_answers_and_reads_no_other_document() {
        let schema = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"type": "string", "pattern": "^(a+)+$"}},
        });
        let validator = compile(&schema).unwrap();
        assert!(validator.is_valid(&json!({"a": "aaa"})));
        let long = format!("{}b", "a".repeat(50_000));
        for answer in [json!({"a": "b"}), json!({"a": 1}), json!({}), json!([]), json!({"a": long})]
        {
            assert!(!validator.is_valid(&answer));
        }
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/hostname"}),
            json!({"type": "strange"}),
            json!({"pattern": "(?=a)"}),
            json!({"pattern": "("}),
        ] {
            let error = compile(&schema).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidOutput, "{schema}");
        }
    }
}
