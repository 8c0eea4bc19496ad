//! The result of an item, by the form of its prompt.

use jsonschema::Validator;
use serde_json::{Value, json};
use tally_jobs::domain::{ErrorCode, JobError};

use super::anchor::{Given, Passage};
use super::findings::{Subject, are_findings, clean, result};
use crate::work::{Accepted, schema};

/// Characters of a summary, at most.
const LONGEST_SUMMARY: usize = 4_000;

/// What the answers to a prompt are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Findings.
    Findings,
    /// JSON by the schema of the prompt.
    Output,
    /// Text, because the prompt has no schema.
    Text,
}

impl Form {
    /// The form of the answers by this schema.
    pub fn of(schema: Option<&Value>) -> Self {
        match schema {
            Some(schema) if are_findings(schema) => Self::Findings,
            Some(_) => Self::Output,
            None => Self::Text,
        }
    }

    /// The result of a piece from the answer of the model.
    pub fn result(
        self,
        answer: &str,
        validator: Option<&Validator>,
        of: &Subject,
        given: &Given,
    ) -> Option<Value> {
        match self {
            Self::Text => (!answer.trim().is_empty()).then(|| json!({"text": answer.trim()})),
            Self::Output => Some(json!({"output": valid(answer, validator)?})),
            Self::Findings => result(&valid(answer, validator)?, of, &Passage::new(given)),
        }
    }
}

/// The JSON of an answer, if the schema admits it.
fn valid(answer: &str, validator: Option<&Validator>) -> Option<Value> {
    let answer = schema::json_of(answer)?;
    validator.is_none_or(|validator| validator.is_valid(&answer)).then_some(answer)
}

/// The result of the summary. With a schema, the answer has a text `summary`. Without one, it is
/// the summary.
pub fn summary(answer: &str, validator: Option<&Validator>) -> Option<Value> {
    let text = match validator {
        Some(_) => valid(answer, validator)?["summary"].as_str()?.to_owned(),
        None => answer.to_owned(),
    };
    let text = clean(&text, LONGEST_SUMMARY);
    (!text.is_empty()).then(|| json!({"summary": text}))
}

/// A result as the worker takes it. Without one, the answer was invalid.
pub fn accepted(result: Option<&Value>) -> Accepted {
    let error = result.is_none().then(|| JobError::of(ErrorCode::InvalidOutput));
    Accepted { result: result.map(Value::to_string), error, succeeded: u32::from(result.is_some()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(schema: Option<&Value>, answer: &str) -> Option<Value> {
        let validator = schema.map(|schema| schema::compile(schema).unwrap());
        let of = Subject { input: "a.txt".into(), file: "a.txt".into() };
        let given = Given::Lines("1\tOne.\n".into());
        Form::of(schema).result(answer, validator.as_ref(), &of, &given)
    }

    fn of_built_in(name: &str) -> Value {
        let version = tally_prompts::built_in(&name.parse().unwrap()).unwrap();
        version.content.output_schema.clone().unwrap()
    }

    #[test]
    fn a_prompt_without_a_schema_gives_text() {
        assert_eq!(read(None, " Fine.\n"), Some(json!({"text": "Fine."})));
        assert_eq!(read(None, r#"{"findings": []}"#), Some(json!({"text": r#"{"findings": []}"#})));
        assert_eq!(read(None, " \n"), None);
    }

    #[test]
    fn a_prompt_with_a_schema_of_its_own_gives_its_output() {
        let schema =
            json!({"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}});
        let output = json!({"output": {"n": 3, "more": "x"}});
        assert_eq!(read(Some(&schema), r#"{"n": 3, "more": "x"}"#), Some(output.clone()));
        assert_eq!(read(Some(&schema), "```json\n{\"n\": 3, \"more\": \"x\"}\n```"), Some(output));
        for answer in [r#"{"n": "3"}"#, "{}", "three", ""] {
            assert_eq!(read(Some(&schema), answer), None, "{answer}");
        }
    }

    #[test]
    fn a_review_gives_findings_with_places() {
        let schema = of_built_in("finance.review");
        let finding = |quote: &str| {
            json!({
                "rule": "r", "severity": "low", "message": "m", "suggestion": "", "quote": quote,
            })
        };
        let answer = json!({"findings": [finding("One."), finding("Two.")]}).to_string();
        let found = read(Some(&schema), &answer).unwrap();
        let places: Vec<_> =
            found["findings"].as_array().unwrap().iter().map(|found| &found["line"]).collect();
        assert_eq!(places, [&json!(1), &json!(null)]);
        let mut grave = finding("One.");
        grave["severity"] = json!("grave");
        for answer in
            [json!({"findings": [grave]}), json!({"findings": [{}]}), json!({}), json!([])]
        {
            assert_eq!(read(Some(&schema), &answer.to_string()), None, "{answer}");
        }
    }

    #[test]
    fn a_summary_is_a_text() {
        let schema = of_built_in("analysis.summary");
        let validator = schema::compile(&schema).unwrap();
        let long = "€".repeat(5_000);
        for (answer, expected) in [
            (json!({"summary": " All is well.\u{7} "}), Some("All is well.".to_owned())),
            (json!({"summary": long}), Some("€".repeat(4_000))),
            (json!({"summary": " \n"}), None),
            (json!({"summary": 7}), None),
            (json!({}), None),
            (json!("All is well."), None),
        ] {
            let expected = expected.map(|summary| json!({"summary": summary}));
            assert_eq!(summary(&answer.to_string(), Some(&validator)), expected);
        }
        assert_eq!(summary(" As text. ", None), Some(json!({"summary": "As text."})));
        assert_eq!(summary("", None), None);
        let other = schema::compile(&json!({"type": "object"})).unwrap();
        assert_eq!(summary(r#"{"text": "x"}"#, Some(&other)), None);
    }

    #[test]
    fn an_answer_of_another_form_is_no_result() {
        let good = accepted(Some(&json!({"text": "x"})));
        assert_eq!((good.result.as_deref(), good.succeeded), (Some(r#"{"text":"x"}"#), 1));
        let bad = accepted(None);
        assert_eq!(bad.error.map(|error| error.code), Some(ErrorCode::InvalidOutput));
        assert_eq!((bad.result, bad.succeeded), (None, 0));
    }
}
