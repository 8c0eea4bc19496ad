//! Findings as SARIF 2.1.0 (OASIS), which editors and code hosts read.
//!
//! A finding is a result. If its quote stands in a text, the result has a region of lines with the
//! quote as its snippet. A PDF has no lines, so `properties.page` has the page.

use std::collections::HashMap;

use cells::csv::weigh;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tally_jobs::domain::{Finding, Job, JobStatus, Severity};
use tally_jobs::findings::fingerprint;

/// The media type.
pub const MEDIA: &str = "application/sarif+json";

/// The schema of the form.
const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The fingerprint of a result: it stays when lines move.
const FINGERPRINT: &str = "tallyQuote/v1";

/// The rule of a finding for which the model names none.
const NO_RULE: &str = "finding";

/// The path of an input whose name is no path.
const NO_PATH: &str = "input";

/// Characters that stay in a segment of a path (RFC 3986): letters, digits and these.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The log of an analysis. `is_truncated` says that it lacks findings.
pub fn log(job: &Job, findings: &[Finding], is_truncated: bool) -> Value {
    let mut rules = Rules::default();
    let numbered = findings.iter().map(|finding| result(finding, rules.index(rule(finding))));
    let results: Vec<_> = numbered.collect();
    let mut invocation = json!({"executionSuccessful": job.status == JobStatus::Succeeded});
    for (name, at) in [("startTimeUtc", &job.started_at), ("endTimeUtc", &job.ended_at)] {
        if let Some(at) = at {
            invocation[name] = json!(at);
        }
    }
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "Tally",
                "version": env!("CARGO_PKG_VERSION"),
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.list(),
            }},
            "automationDetails": {"id": job.id, "description": {"text": message(&job.title)}},
            "invocations": [invocation],
            "results": results,
            "properties": {"status": job.status, "truncated": is_truncated},
        }],
    })
}

/// Bytes of a finding in the answer of a function, whose body is counted as a JSON string.
pub fn weight(finding: &Finding) -> usize {
    let result = result(finding, usize::MAX).to_string() + ",";
    let rule = json!({"id": rule(finding)}).to_string() + ",";
    weigh(&result) + weigh(&rule)
}

/// The rules of results, each once.
#[derive(Default)]
struct Rules<'a> {
    ids: Vec<&'a str>,
    known: HashMap<&'a str, usize>,
}

impl<'a> Rules<'a> {
    /// The index of a rule in the list.
    fn index(&mut self, id: &'a str) -> usize {
        let next = self.ids.len();
        let index = *self.known.entry(id).or_insert(next);
        if index == next {
            self.ids.push(id);
        }
        index
    }

    fn list(&self) -> Vec<Value> {
        self.ids.iter().map(|id| json!({"id": id})).collect()
    }
}

/// The result of a finding whose rule has this index.
fn result(finding: &Finding, rule_index: usize) -> Value {
    let place = finding.file.as_ref().unwrap_or(&finding.input);
    let mut location = json!({"artifactLocation": {"uri": uri(place)}});
    let mut properties = json!({
        "severity": finding.severity,
        "anchored": finding.anchored,
        "input": finding.input,
    });
    if let Some(suggestion) = &finding.suggestion {
        properties["suggestion"] = json!(suggestion);
    }
    if let Some(page) = finding.page.filter(|_| finding.anchored) {
        properties["page"] = json!(page);
    }
    match finding.line.filter(|_| finding.anchored) {
        Some(line) => {
            let first = line.max(1);
            let last = finding.end_line.unwrap_or(first).max(first);
            location["region"] =
                json!({"startLine": first, "endLine": last, "snippet": {"text": finding.quote}});
        }
        None => properties["quote"] = json!(finding.quote),
    }
    json!({
        "ruleId": rule(finding),
        "ruleIndex": rule_index,
        "level": level(finding.severity),
        "message": {"text": message(&finding.message)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {(FINGERPRINT): fingerprint(finding)},
        "properties": properties,
    })
}

/// The rule of a finding.
fn rule(finding: &Finding) -> &str {
    if finding.rule.is_empty() { NO_RULE } else { &finding.rule }
}

/// The level of a result.
fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A text as a message has it (sections 3.11.5 and 3.11.6): braces stand twice. Nothing is a link,
/// because the text may come from the input.
fn message(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}").replace("](", "] (")
}

/// A path or a name as a relative reference (RFC 3986). It leads to no place above its base.
fn uri(path: &str) -> String {
    let is_kept = |segment: &&str| !matches!(*segment, "" | "." | "..");
    let segments = path.split('/').filter(is_kept);
    let segments: Vec<_> =
        segments.map(|segment| utf8_percent_encode(segment, KEPT).to_string()).collect();
    if segments.is_empty() { NO_PATH.to_owned() } else { segments.join("/") }
}

#[cfg(test)]
mod tests {
    use assistant::domain::{Cost, Usage};
    use tally_jobs::domain::{Counts, JobKind};

    use super::*;

    fn finding() -> Finding {
        Finding {
            input: "src.zip".into(),
            rule: "unchecked-overflow".into(),
            severity: Severity::High,
            message: "The sum may overflow.".into(),
            suggestion: Some("Use checked_add.".into()),
            quote: "a + b".into(),
            anchored: true,
            file: Some("src/lib.rs".into()),
            line: Some(12),
            end_line: Some(13),
            page: None,
        }
    }

    fn job() -> Job {
        Job {
            id: "019a0000-0000-7000-8000-000000000000".into(),
            kind: JobKind::Analysis,
            status: JobStatus::Succeeded,
            title: "code analysis of src.zip".into(),
            prompt: serde_json::from_value(json!({"name": "code.review", "version": 0})).unwrap(),
            counts: Counts::pending(2),
            usage: Usage::default(),
            cost_usd: Cost::ZERO,
            held_usd: Cost::ZERO,
            error: None,
            rerun_of: None,
            analysis: None,
            evaluation: None,
            revision: 1,
            created_at: "2026-01-31T09:30:00.000Z".into(),
            started_at: Some("2026-01-31T09:30:00.120Z".into()),
            ended_at: Some("2026-01-31T09:30:12.000Z".into()),
            expires_at: "2026-05-01T09:30:00.000Z".into(),
        }
    }

    #[test]
    fn a_log_has_one_run_with_the_rules_of_its_results() {
        let other = Finding { rule: "unused".into(), severity: Severity::Info, ..finding() };
        let findings = [finding(), other, finding()];
        let log = log(&job(), &findings, false);
        let expected = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": {"driver": {
                    "name": "Tally",
                    "version": env!("CARGO_PKG_VERSION"),
                    "informationUri": env!("CARGO_PKG_REPOSITORY"),
                    "rules": [{"id": "unchecked-overflow"}, {"id": "unused"}],
                }},
                "automationDetails": {
                    "id": "019a0000-0000-7000-8000-000000000000",
                    "description": {"text": "code analysis of src.zip"},
                },
                "invocations": [{
                    "executionSuccessful": true,
                    "startTimeUtc": "2026-01-31T09:30:00.120Z",
                    "endTimeUtc": "2026-01-31T09:30:12.000Z",
                }],
                "results": [
                    result(&findings[0], 0), result(&findings[1], 1), result(&findings[2], 0),
                ],
                "properties": {"status": "succeeded", "truncated": false},
            }],
        });
        assert_eq!(log, expected);
    }

    #[test]
    fn a_run_says_how_it_ended_and_what_it_lacks() {
        for (status, is_successful) in [
            (JobStatus::Queued, false),
            (JobStatus::Running, false),
            (JobStatus::Succeeded, true),
            (JobStatus::Failed, false),
            (JobStatus::Cancelled, false),
        ] {
            let job = Job { status, started_at: None, ended_at: None, ..job() };
            let log = log(&job, &[], true);
            let run = &log["runs"][0];
            let expected = json!([{"executionSuccessful": is_successful}]);
            assert_eq!(run["invocations"], expected, "{status:?}");
            let expected = json!({"status": status, "truncated": true});
            assert_eq!(run["properties"], expected, "{status:?}");
            assert_eq!(run["results"], json!([]), "{status:?}");
        }
    }

    #[test]
    fn a_result_has_the_place_of_its_quote() {
        let expected = json!({
            "ruleId": "unchecked-overflow",
            "ruleIndex": 3,
            "level": "error",
            "message": {"text": "The sum may overflow."},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": "src/lib.rs"},
                "region": {"startLine": 12, "endLine": 13, "snippet": {"text": "a + b"}},
            }}],
            "partialFingerprints": {"tallyQuote/v1": fingerprint(&finding())},
            "properties": {
                "severity": "high", "anchored": true, "input": "src.zip",
                "suggestion": "Use checked_add.",
            },
        });
        assert_eq!(result(&finding(), 3), expected);
    }

    #[test]
    fn a_finding_without_lines_has_no_region() {
        let without = Finding { line: None, end_line: None, ..finding() };
        for (finding, region, page, quote) in [
            (
                finding(),
                json!({"startLine": 12, "endLine": 13, "snippet": {"text": "a + b"}}),
                json!(null),
                json!(null),
            ),
            (
                Finding { end_line: None, ..finding() },
                json!({"startLine": 12, "endLine": 12, "snippet": {"text": "a + b"}}),
                json!(null),
                json!(null),
            ),
            (Finding { page: Some(3), ..without.clone() }, json!(null), json!(3), json!("a + b")),
            (Finding { anchored: false, ..finding() }, json!(null), json!(null), json!("a + b")),
            (
                Finding { anchored: false, page: Some(3), ..without },
                json!(null),
                json!(null),
                json!("a + b"),
            ),
        ] {
            let result = result(&finding, 0);
            let location = &result["locations"][0]["physicalLocation"];
            assert_eq!(location["artifactLocation"]["uri"], "src/lib.rs", "{finding:?}");
            let found = (&location["region"], &result["properties"]["page"]);
            assert_eq!(found, (&region, &page), "{finding:?}");
            assert_eq!(result["properties"]["quote"], quote, "{finding:?}");
        }
    }

    #[test]
    fn a_severity_has_a_level() {
        for (severity, expected) in [
            (Severity::Critical, "error"),
            (Severity::High, "error"),
            (Severity::Medium, "warning"),
            (Severity::Low, "note"),
            (Severity::Info, "note"),
        ] {
            assert_eq!(level(severity), expected, "{severity:?}");
        }
    }

    #[test]
    fn a_path_is_a_relative_reference() {
        for (path, expected) in [
            ("src/lib.rs", "src/lib.rs"),
            ("my notes (2).txt", "my%20notes%20%282%29.txt"),
            ("Verträge/€.pdf", "Vertr%C3%A4ge/%E2%82%AC.pdf"),
            ("C:\\a.txt", "C%3A%5Ca.txt"),
            ("https://example.org/a?b#c", "https%3A/example.org/a%3Fb%23c"),
            ("//host/a", "host/a"),
            ("/etc/passwd", "etc/passwd"),
            ("../../a/./b", "a/b"),
            ("100%.txt", "100%25.txt"),
            ("..", "input"),
            ("", "input"),
        ] {
            assert_eq!(uri(path), expected, "{path}");
        }
    }

    #[test]
    fn a_message_has_no_placeholder_and_no_link() {
        for (text, expected) in [
            ("plain [1] (2)", "plain [1] (2)"),
            ("format!(\"{0}\")", "format!(\"{{0}}\")"),
            ("[click](https://example.org)", "[click] (https://example.org)"),
            ("", ""),
        ] {
            assert_eq!(message(text), expected, "{text}");
        }
    }

    #[test]
    fn a_finding_without_a_rule_has_one_nonetheless() {
        assert_eq!(rule(&Finding { rule: String::new(), ..finding() }), "finding");
        assert_eq!(rule(&finding()), "unchecked-overflow");
    }

    #[test]
    fn a_finding_weighs_no_less_than_it_is_in_an_answer() {
        let long = Finding { quote: "\"\\\n".repeat(50), ..finding() };
        let findings: Vec<_> = (0..40)
            .map(|number| Finding { rule: format!("rule \"{number}\""), ..long.clone() })
            .collect();
        let weights = findings.iter().map(weight).sum::<usize>();
        let sent = |findings: &[Finding]| weigh(&log(&job(), findings, true).to_string());
        assert!(weights >= sent(&findings) - sent(&[]), "{weights}");
    }
}
