//! Findings of many pieces together: read from results, and without duplicates.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use platform::ids;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::domain::Finding;

/// What two findings of one job have in common if they are the same: their fingerprint, input, line
/// and page.
type Key = (String, String, Option<u32>, Option<u32>);

/// The findings in the result of an item. Other results have none.
pub fn of_result(result: &Value) -> Vec<Finding> {
    let findings = result["findings"].as_array().into_iter().flatten();
    findings.filter_map(|finding| Finding::deserialize(finding).ok()).collect()
}

/// What is the same about a finding in every analysis of the file: SHA-256 of its path, its rule
/// and its quote, URL-safe base64. White space in the quote and the lines do not count, so code may
/// move. A finding without a quote is known by its message.
pub fn fingerprint(finding: &Finding) -> String {
    let file = finding.file.as_deref().unwrap_or(&finding.input);
    let quote = spaced(&finding.quote);
    let known_by = if quote.is_empty() {
        json!([file, finding.rule, null, spaced(&finding.message)])
    } else {
        json!([file, finding.rule, quote])
    };
    ids::sha256(&known_by.to_string())
}

/// Findings without duplicates, in the order in which they were first found. Parts of a file may
/// overlap, as those of a CSV, which repeat the header. The gravest severity stays.
pub fn merge(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for finding in findings {
        let key = (fingerprint(&finding), finding.input.clone(), finding.line, finding.page);
        match known.entry(key) {
            Entry::Vacant(free) => {
                free.insert(merged.len());
                merged.push(finding);
            }
            Entry::Occupied(at) => {
                let first = &mut merged[*at.get()];
                first.severity = first.severity.max(finding.severity);
            }
        }
    }
    merged
}

/// A text with one blank in the place of white space.
fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Severity;

    fn finding(rule: &str, quote: &str, line: Option<u32>) -> Finding {
        Finding {
            input: "books.csv".into(),
            rule: rule.into(),
            severity: Severity::Low,
            message: "The sum is wrong.".into(),
            suggestion: None,
            quote: quote.into(),
            anchored: line.is_some(),
            file: Some("books.csv".into()),
            line,
            end_line: line,
            page: None,
        }
    }

    #[test]
    fn a_fingerprint_is_that_of_path_rule_and_quote() {
        let first = finding("sum", "a +  b", Some(3));
        let moved = Finding {
            quote: "a\n\t+ b ".into(),
            line: Some(90),
            severity: Severity::High,
            message: "Another.".into(),
            input: "copy.csv".into(),
            ..first.clone()
        };
        assert_eq!(fingerprint(&first), fingerprint(&moved));
        assert_eq!(fingerprint(&first).len(), 43);
        let nameless = Finding { file: None, ..first.clone() };
        assert_eq!(fingerprint(&first), fingerprint(&nameless));
        let unquoted = finding("sum", " ", None);
        for other in [
            finding("total", "a + b", Some(3)),
            finding("sum", "a + c", Some(3)),
            finding("sum", "a+b", Some(3)),
            Finding { file: Some("b.csv".into()), ..first.clone() },
            unquoted.clone(),
            Finding { message: "Another.".into(), ..unquoted.clone() },
            // Its message is the quote of no other.
            finding("sum", "The sum is wrong.", None),
        ] {
            assert_ne!(fingerprint(&first), fingerprint(&other), "{other:?}");
            assert!(other == unquoted || fingerprint(&unquoted) != fingerprint(&other));
        }
    }

    #[test]
    fn what_overlapping_parts_find_twice_is_one_finding() {
        let header = finding("header", "id,id", Some(1));
        let again = Finding { severity: Severity::High, ..header.clone() };
        let others = [
            finding("header", "id,id", Some(2)),
            finding("header", "id,id", None),
            Finding { input: "other.csv".into(), ..header.clone() },
            Finding { page: Some(1), ..header.clone() },
            finding("header", "id", Some(1)),
        ];
        let found = [header.clone()].into_iter().chain(others.clone()).chain([again.clone()]);
        let merged = merge(found);
        assert_eq!(merged[0], again);
        assert_eq!(merged[1..], others);
        assert!(merge(std::iter::empty()).is_empty());
    }

    #[test]
    fn findings_are_read_from_the_result_of_an_item() {
        let both = [finding("sum", "a", Some(1)), finding("sum", "b", None)];
        let result = json!({"findings": both, "truncated": true});
        assert_eq!(of_result(&result), both);
        let with_others = json!({"findings": [both[0], 7, {"rule": "sum"}]});
        assert_eq!(of_result(&with_others), both[..1]);
        for result in
            [json!({"text": "x"}), json!({"output": {"findings": [both[0]]}}), json!(null)]
        {
            assert!(of_result(&result).is_empty(), "{result}");
        }
    }
}
