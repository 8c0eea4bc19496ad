//! The checks of an answer. A score is between 0 and 1.

use jsonschema::Validator;
use serde_json::{Number, Value};
use tally_jobs::domain::Check;

use crate::work::schema::compile;

/// What an answer is checked by.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// What its case expects.
    pub expect: Option<&'a Value>,
    /// The schema of its version.
    pub schema: Option<&'a Validator>,
}

/// The score of an answer by a check. Without something to check by, it is 0.
pub fn score(check: Check, answer: &str, expected: Expected<'_>) -> f64 {
    let Expected { expect, schema } = expected;
    match check {
        Check::Exact => all_or_nothing(expect.is_some_and(|expect| is_exact(answer, expect))),
        Check::Contains => expect.map_or(0.0, |expect| contained(answer, expect)),
        Check::Schema => all_or_nothing(schema.is_some_and(|schema| is_valid(answer, schema))),
    }
}

/// The validator of a schema. `None` if answers cannot be checked by it.
pub fn validator(schema: &Value) -> Option<Validator> {
    compile(schema).ok()
}

fn all_or_nothing(is_good: bool) -> f64 {
    if is_good { 1.0 } else { 0.0 }
}

/// Whether an answer equals what is expected: as text without the white space around it, or as
/// JSON.
fn is_exact(answer: &str, expect: &Value) -> bool {
    let answer = answer.trim();
    if expect.as_str().is_some_and(|text| text.trim() == answer) {
        return true;
    }
    let expect = match expect {
        Value::String(text) => parsed(text.trim()),
        value => Some(value.clone()),
    };
    expect.zip(parsed(answer)).is_some_and(|(expect, answer)| are_same(&expect, &answer))
}

/// The JSON of a text: an object, a list, a number or a truth value. Other texts are none.
fn parsed(text: &str) -> Option<Value> {
    let value: Value = serde_json::from_str(text).ok()?;
    Some(value).filter(|value| !value.is_string() && !value.is_null())
}

/// Whether two values are the same JSON. `1` and `1.0` are the same number.
fn are_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => are_same_numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| are_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| are_same(value, other))
            };
            one.len() == other.len() && one.iter().all(has)
        }
        (one, other) => one == other,
    }
}

/// Whole numbers are compared exactly, because a fraction cannot tell large ones apart.
fn are_same_numbers(one: &Number, other: &Number) -> bool {
    one == other || ((one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
}

/// The share of the expected texts that an answer contains.
fn contained(answer: &str, expect: &Value) -> f64 {
    let texts = match expect {
        Value::Array(texts) => texts.as_slice(),
        text => std::slice::from_ref(text),
    };
    let texts: Vec<_> = texts.iter().filter_map(Value::as_str).collect();
    let found = texts.iter().filter(|text| answer.contains(**text)).count();
    if texts.is_empty() { 0.0 } else { number(found) / number(texts.len()) }
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Whether an answer is JSON by a schema.
fn is_valid(answer: &str, schema: &Validator) -> bool {
    serde_json::from_str(answer).is_ok_and(|value: Value| schema.is_valid(&value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(check: Check, answer: &str, expect: &Value, expected: f64) {
        let found = score(check, answer, Expected { expect: Some(expect), schema: None });
        assert!((found - expected).abs() < 1e-9, "{answer} {expect}: {found}");
    }

    #[test]
    fn an_exact_answer_is_the_same_text_or_the_same_json() {
        for (answer, expect, expected) in [
            ("yes", json!("yes"), 1.0),
            (" yes\n", json!("\tyes "), 1.0),
            ("Yes", json!("yes"), 0.0),
            ("yes.", json!("yes"), 0.0),
            ("", json!(" "), 1.0),
            (r#"{"b": [1, 2], "a": true}"#, json!({"a": true, "b": [1, 2]}), 1.0),
            (r#"{"b": [1, 2], "a": true}"#, json!(r#"{"a":true,"b":[1,2]}"#), 1.0),
            (r#"{"a": true}"#, json!({"a": true, "b": 1}), 0.0),
            (r#"{"a": true, "b": 1}"#, json!({"a": true}), 0.0),
            ("[2, 1]", json!([1, 2]), 0.0),
            ("[1]", json!([1, 2]), 0.0),
            ("1.0", json!(1), 1.0),
            ("1.0", json!("1"), 1.0),
            ("0.1", json!(0.1), 1.0),
            ("9007199254740993", json!(9_007_199_254_740_992_u64), 0.0),
            ("true", json!(true), 1.0),
            ("true", json!("true"), 1.0),
            // Texts and null are no JSON here: their quotation marks are part of the text.
            (r#""yes""#, json!("yes"), 0.0),
            ("null", json!("null"), 1.0),
            ("yes", json!({"a": 1}), 0.0),
        ] {
            check(Check::Exact, answer, &expect, expected);
        }
    }

    #[test]
    fn an_answer_contains_a_share_of_the_texts() {
        for (answer, expect, expected) in [
            ("Revenue rose by 3 %.", json!("rose"), 1.0),
            ("Revenue rose by 3 %.", json!("fell"), 0.0),
            ("Revenue rose by 3 %.", json!(["rose", "3 %"]), 1.0),
            ("Revenue rose by 3 %.", json!(["rose", "fell", "Costs"]), 1.0 / 3.0),
            ("Revenue rose by 3 %.", json!(["ROSE"]), 0.0),
            ("", json!(["a"]), 0.0),
            // Requests with these are refused.
            ("a", json!([]), 0.0),
            ("a", json!(1), 0.0),
        ] {
            check(Check::Contains, answer, &expect, expected);
        }
    }

    #[test]
    fn an_answer_is_json_by_the_schema() {
        let schema = validator(&json!({"type": "object", "required": ["a"]}));
        assert!(schema.is_some());
        for (answer, expected) in [
            (r#" {"a": 1} "#, 1.0),
            (r#"{"b": 1}"#, 0.0),
            ("[]", 0.0),
            (r#"{"a": 1"#, 0.0),
            (r#"```json {"a": 1}```"#, 0.0),
            ("", 0.0),
        ] {
            let expect = Expected { expect: None, schema: schema.as_ref() };
            let found = score(Check::Schema, answer, expect);
            assert!((found - expected).abs() < 1e-9, "{answer}: {found}");
        }
        for wrong in [
            json!({"type": "nothing"}),
            json!({"$ref": "https://example.com/a.json"}),
            json!({"pattern": "(?=a)"}),
        ] {
            assert!(validator(&wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn without_something_to_check_by_nothing_is_scored() {
        for kind in [Check::Exact, Check::Contains, Check::Schema] {
            let nothing = Expected { expect: None, schema: None };
            assert!(score(kind, "a", nothing).abs() < 1e-9);
        }
    }
}
