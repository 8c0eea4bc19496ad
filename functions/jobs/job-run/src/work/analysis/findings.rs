//! The findings in the answer of a model, and the schema by which they are known.

use std::cmp::Reverse;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tally_jobs::domain::{Finding, Severity};

use super::anchor::{Passage, Place};

/// Findings of a piece, at most.
const MOST_FINDINGS: usize = 200;

/// Bytes of the findings of a piece as JSON, at most: less than a result may have.
const MOST_BYTES: usize = 90_000;

/// Characters of the texts of a finding, at most.
const LONGEST_RULE: usize = 100;
const LONGEST_TEXT: usize = 2_000;
const LONGEST_QUOTE: usize = 1_000;

/// The rule of a finding to which its model gives none.
const NO_RULE: &str = "other";

/// The members that a finding of a model has at least.
const NEEDED: [&str; 4] = ["rule", "severity", "message", "quote"];

/// The piece of which a model has found something.
#[derive(Clone, PartialEq, Eq)]
pub struct Subject {
    /// Name of the input.
    pub input: String,
    /// Path within the archive, or the name of the input.
    pub file: String,
}

platform::opaque!(Subject);

/// A finding as a model gives it.
#[derive(Deserialize)]
struct Said {
    rule: String,
    severity: Severity,
    message: String,
    #[serde(default)]
    suggestion: Option<String>,
    quote: String,
}

/// Whether answers by this schema are findings: they have a list `findings`, whose items have the
/// members of a finding.
pub fn are_findings(schema: &Value) -> bool {
    let findings = &schema["properties"]["findings"];
    let item = &findings["items"];
    let needed = item["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is_text = |name: &str| item["properties"][name]["type"] == "string";
    let has_suggestion = item["properties"]["suggestion"].is_null() || is_text("suggestion");
    let severities = item["properties"]["severity"]["enum"].as_array();
    let is_severity =
        |word: &Value| Severity::ALL.iter().any(|severity| *word == severity.as_str());
    findings["type"] == "array"
        && item["type"] == "object"
        && NEEDED.iter().all(|name| is_text(name) && needed.iter().any(|needed| needed == name))
        && severities.is_some_and(|words| words.iter().all(is_severity))
        && has_suggestion
}

/// The result of an item: the findings of an answer, each with its place. `None` if the answer has
/// no list of them. Of too many, the gravest stay.
pub fn result(answer: &Value, of: &Subject, passage: &Passage) -> Option<Value> {
    let said = answer["findings"].as_array()?;
    let said = said.iter().filter_map(|said| Said::deserialize(said).ok());
    let mut findings: Vec<_> = said.filter_map(|said| said.finding(of, passage)).collect();
    let count = findings.len();
    if count > MOST_FINDINGS || bytes_of(&findings) > MOST_BYTES {
        findings.sort_by_key(|finding| Reverse(finding.severity));
        findings.truncate(MOST_FINDINGS);
        while bytes_of(&findings) > MOST_BYTES {
            findings.pop();
        }
    }
    let mut result = Map::new();
    if findings.len() < count {
        result.insert("truncated".to_owned(), true.into());
    }
    result.insert("findings".to_owned(), json!(findings));
    Some(Value::Object(result))
}

impl Said {
    /// The finding. `None` if it says nothing.
    fn finding(self, of: &Subject, passage: &Passage) -> Option<Finding> {
        let message = clean(&self.message, LONGEST_TEXT);
        if message.is_empty() {
            return None;
        }
        let rule = self.rule.split_whitespace().collect::<Vec<_>>().join(" ");
        let rule = clean(&rule, LONGEST_RULE);
        let suggestion = self.suggestion.map(|text| clean(&text, LONGEST_TEXT));
        let place = passage.find(&self.quote);
        let (line, end_line, page) = match place {
            Some(Place::Lines(first, last)) => (Some(first), Some(last), None),
            Some(Place::Page(page)) => (None, None, Some(page)),
            None => (None, None, None),
        };
        Some(Finding {
            input: of.input.clone(),
            rule: if rule.is_empty() { NO_RULE.to_owned() } else { rule },
            severity: self.severity,
            message,
            suggestion: suggestion.filter(|text| !text.is_empty()),
            quote: clean(&self.quote, LONGEST_QUOTE),
            anchored: place.is_some(),
            file: Some(of.file.clone()),
            line,
            end_line,
            page,
        })
    }
}

/// A text without white space around it, and without control characters but line breaks and tabs.
/// Characters beyond the limit are cut.
pub fn clean(text: &str, longest: usize) -> String {
    let is_kept = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    let kept: String = text.chars().filter(is_kept).collect();
    let kept: String = kept.trim().chars().take(longest).collect();
    kept.trim_end().to_owned()
}

/// Bytes of findings as JSON.
fn bytes_of(findings: &[Finding]) -> usize {
    serde_json::to_vec(findings).map_or(usize::MAX, |json| json.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::analysis::anchor::Given;

    fn of() -> Subject {
        Subject { input: "src.zip".into(), file: "src/a.rs".into() }
    }

    fn passage() -> Passage {
        Passage::new(&Given::Lines("12\tlet sum = a + b;\n13\treturn sum;\n".into()))
    }

    fn said(rule: &str, severity: &str, message: &str, quote: &str) -> Value {
        json!({
            "rule": rule, "severity": severity, "message": message, "suggestion": "", "quote": quote
        })
    }

    fn read(findings: &[Value]) -> Value {
        result(&json!({"findings": findings}), &of(), &passage()).unwrap()
    }

    #[test]
    fn a_finding_has_the_place_of_its_quote() {
        let with = |more: Value| {
            let mut finding = said("overflow", "high", "It overflows.", "let sum = a + b;");
            finding.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            read(&[finding])["findings"][0].clone()
        };
        let expected = json!({
            "input": "src.zip", "file": "src/a.rs", "rule": "overflow", "severity": "high",
            "message": "It overflows.", "quote": "let sum = a + b;",
            "anchored": true, "line": 12, "end_line": 12,
        });
        assert_eq!(with(json!({})), expected);
        let both = with(json!({"quote": "12\tlet sum = a + b;\n13\treturn", "suggestion": "Add."}));
        assert_eq!((&both["line"], &both["end_line"]), (&json!(12), &json!(13)));
        assert_eq!(both["suggestion"], "Add.");
        for quote in ["let sum = a * b;", "", " ", ";"] {
            let found = with(json!({"quote": quote}));
            assert_eq!((&found["anchored"], &found["file"]), (&json!(false), &json!("src/a.rs")));
            assert_eq!(found.get("line").or(found.get("end_line")).or(found.get("page")), None);
        }
    }

    #[test]
    fn texts_are_bounded_and_have_no_control_characters() {
        let long = "€".repeat(3_000);
        let found = read(&[
            said(" a\n b\u{7} ", "low", "one\r\ntwo\u{1b}[31m\u{9b}", "let\u{0} sum"),
            said("", "low", "No rule.", "sum"),
            said(&long, "low", &long, &long),
            said("none", "low", " \u{0}\n", "sum"),
        ]);
        let findings = found["findings"].as_array().unwrap();
        assert_eq!(
            (&findings[0]["rule"], &findings[0]["message"]),
            (&json!("a b"), &json!("one\ntwo[31m"))
        );
        assert_eq!(
            (&findings[0]["quote"], &findings[0]["anchored"]),
            (&json!("let sum"), &json!(false))
        );
        assert_eq!(findings[1]["rule"], "other");
        for (member, longest) in [("rule", 100), ("message", 2_000), ("quote", 1_000)] {
            let length = findings[2][member].as_str().unwrap().chars().count();
            assert_eq!(length, longest, "{member}");
        }
        assert_eq!((findings.len(), found.get("truncated")), (3, None));
    }

    #[test]
    fn of_too_many_findings_the_gravest_stay() {
        let mut all: Vec<_> =
            (0..250).map(|number| said("r", "low", &format!("{number}"), "sum")).collect();
        all.push(said("r", "critical", "Grave.", "sum"));
        let found = read(&all);
        let findings = found["findings"].as_array().unwrap();
        assert_eq!((findings.len(), &found["truncated"]), (200, &json!(true)));
        let messages: Vec<_> = findings.iter().take(3).map(|finding| &finding["message"]).collect();
        assert_eq!(messages, ["Grave.", "0", "1"]);
        // Two thousand characters of three bytes each.
        let long: Vec<_> = (0..30).map(|_| said("r", "info", &"€".repeat(2_000), "sum")).collect();
        let found = read(&long);
        let count = found["findings"].as_array().unwrap().len();
        assert_eq!((count, &found["truncated"]), (14, &json!(true)));
        assert!(found.to_string().len() < MOST_BYTES + 100);
        let some = read(&all[..200]);
        assert_eq!(some["findings"][199]["message"], "199");
        assert_eq!(some.get("truncated"), None);
    }

    #[test]
    fn what_is_no_finding_is_left_out() {
        assert_eq!(read(&[]), json!({"findings": []}));
        let broken = [json!(null), json!("x"), json!({"rule": "r"}), said("r", "grave", "m", "q")];
        assert_eq!(read(&broken), json!({"findings": []}));
        for answer in [json!({}), json!([]), json!({"findings": {}}), json!("findings")] {
            assert_eq!(result(&answer, &of(), &passage()), None, "{answer}");
        }
    }

    #[test]
    fn a_schema_of_findings_is_known_by_its_form() {
        let text = json!({"type": "string"});
        let severity = json!({"type": "string", "enum": ["low", "high"]});
        let schema = json!({
            "type": "object", "required": ["findings"],
            "properties": {"findings": {"type": "array", "items": {
                "type": "object", "required": ["rule", "severity", "message", "quote"],
                "properties": {
                    "rule": text, "severity": severity, "message": text, "quote": text,
                    "suggestion": text, "more": {},
                },
            }}},
        });
        assert!(are_findings(&schema));
        let grave = json!({"type": "string", "enum": ["low", "grave"]});
        for (place, value, expected) in [
            ("/type", json!("object"), false),
            ("/items", json!({}), false),
            ("/items/required", json!(["rule", "severity", "message"]), false),
            ("/items/properties/quote", json!({"type": "number"}), false),
            ("/items/properties/severity", json!({"type": "string"}), false),
            ("/items/properties/severity", grave, false),
            ("/items/properties/suggestion", json!({"type": "array"}), false),
            ("/items/properties/suggestion", json!(null), true),
            ("/items/properties/more", json!({"type": "number"}), true),
        ] {
            let mut other = schema.clone();
            *other["properties"]["findings"].pointer_mut(place).unwrap() = value;
            assert_eq!(are_findings(&other), expected, "{other}");
        }
        for other in [json!({}), json!({"type": "object"}), json!(true), json!({"findings": []})] {
            assert!(!are_findings(&other), "{other}");
        }
    }

    #[test]
    fn the_built_in_reviews_give_findings() {
        for name in ["code.review", "finance.review"] {
            let version = tally_prompts::built_in(&name.parse().unwrap()).unwrap();
            let schema = version.content.output_schema.as_ref().unwrap();
            assert!(are_findings(schema), "{name}");
            let validator = crate::work::schema::compile(schema).unwrap();
            let answer = json!({"findings": [said("r", "info", "m", "q")]});
            assert!(validator.is_valid(&answer), "{name}");
            assert!(!validator.is_valid(&json!({"findings": [{"rule": "r"}]})), "{name}");
        }
    }
}
