//! The forms of an answer with findings: a page in JSON, or an export.

use cells::csv::{Line, weigh};
use platform::cursor::Page;
use platform::http::{Answer, Output, Rendered};
use tally_jobs::domain::{Finding, Job};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use crate::sarif;

/// Findings of an export, at most.
pub const LARGEST_EXPORT: usize = 5_000;

/// Bytes of an export, at most. The answer of a function can have 6 MB.
const EXPORT_BYTES: usize = 4_000_000;

/// Bytes of a page in JSON, at most.
const PAGE_BYTES: usize = 1_000_000;

/// Bytes of an export beside its findings.
const FRAME_BYTES: usize = 4_000;

/// Columns of an export as CSV. Their names and order stay, and later columns follow behind them.
const COLUMNS: [&str; 11] = [
    "input",
    "rule",
    "severity",
    "message",
    "suggestion",
    "quote",
    "anchored",
    "file",
    "line",
    "end_line",
    "page",
];

/// The form of an answer, which the caller chooses by `Accept`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A page in JSON.
    Page,
    /// Comma-separated values.
    Csv,
    /// SARIF.
    Sarif,
}

/// Findings in the form that the caller has chosen.
pub struct Listing {
    /// The form.
    pub form: Form,
    /// The analysis.
    pub job: Job,
    /// The findings. An export leaves out the cursor.
    pub page: Page<Finding>,
    /// Whether there are more findings behind them.
    pub has_more: bool,
}

impl Form {
    /// The media type of each form.
    pub const OFFERS: &'static [(&'static str, Self)] =
        &[("application/json", Self::Page), ("text/csv", Self::Csv), (sarif::MEDIA, Self::Sarif)];

    /// The name of an export; `None` for a page.
    pub fn export(self) -> Option<&'static str> {
        match self {
            Self::Page => None,
            Self::Csv => Some("csv"),
            Self::Sarif => Some("sarif"),
        }
    }

    /// Bytes of the findings of an answer, at most, by [`Form::weight`].
    pub fn room(self) -> usize {
        match self {
            Self::Page => PAGE_BYTES,
            Self::Csv | Self::Sarif => EXPORT_BYTES - FRAME_BYTES,
        }
    }

    /// Counts the bytes of a finding in the answer of a function, whose body is counted as a JSON
    /// string.
    pub fn weight(self) -> fn(&Finding) -> usize {
        match self {
            Self::Page => |finding| weigh(&json(finding)) + ",".len(),
            Self::Csv => |finding| weigh(&line(finding)),
            Self::Sarif => sarif::weight,
        }
    }
}

impl Output for Listing {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        let Self { form, job, page, has_more } = self;
        let (content_type, body) = match form {
            Form::Page => return Rendered::json(&page),
            Form::Csv => ("text/csv; charset=utf-8", csv(&page.items).into_bytes()),
            Form::Sarif => {
                (sarif::MEDIA, serde_json::to_vec(&sarif::log(&job, &page.items, has_more))?)
            }
        };
        Ok(Rendered { content_type, body })
    }

    fn describe() -> Vec<Answer> {
        let columns = format!(
            "A line of names, then a line for each finding (RFC 4180). The columns are `{}`. An \
             apostrophe stands before text that a spreadsheet would run as a formula. Later \
             columns will follow behind these. The header `Link` leads to the next part.",
            COLUMNS.join(",")
        );
        let log = "A log of SARIF 2.1.0 (OASIS) with one run. `properties.truncated` of the run \
                   says whether it lacks findings: it has at most 5,000 and 4 MB. A finding whose \
                   quote does not stand in a text has no region. `properties` of a result have the \
                   severity, the suggestion and the page.";
        let log = ObjectBuilder::new().schema_type(Type::Object).description(Some(log));
        let mut answer = Answer::json::<Page<Finding>>().or_lines("text/csv", &columns);
        answer.contents.push((sarif::MEDIA, log.into()));
        vec![answer]
    }
}

/// The findings as CSV. A part of an export is a file by itself, so each has the names.
fn csv(findings: &[Finding]) -> String {
    let names = COLUMNS.iter().fold(Line::default(), |line, name| line.text(name)).end();
    std::iter::once(names).chain(findings.iter().map(line)).collect()
}

/// A line of CSV, with a cell for each of [`COLUMNS`].
fn line(finding: &Finding) -> String {
    let number = |number: Option<u32>| number.map(|number| number.to_string()).unwrap_or_default();
    Line::default()
        .text(&finding.input)
        .text(&finding.rule)
        .text(finding.severity.as_str())
        .text(&finding.message)
        .text(finding.suggestion.as_deref().unwrap_or_default())
        .text(&finding.quote)
        .number(finding.anchored)
        .text(finding.file.as_deref().unwrap_or_default())
        .number(number(finding.line))
        .number(number(finding.end_line))
        .number(number(finding.page))
        .end()
}

/// A finding as JSON.
fn json(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tally_jobs::domain::Severity;

    use super::*;

    fn finding() -> Finding {
        Finding {
            input: "book.csv".into(),
            rule: "formula".into(),
            severity: Severity::Low,
            message: "A \"formula\", perhaps.".into(),
            suggestion: None,
            quote: "=cmd|'/C calc'!A0".into(),
            anchored: true,
            file: Some("-dir/book.csv".into()),
            line: Some(2),
            end_line: Some(3),
            page: None,
        }
    }

    #[test]
    fn a_line_has_every_member_and_no_formula() {
        let expected = "input,rule,severity,message,suggestion,quote,anchored,file,line,end_line,\
                        page\r\nbook.csv,formula,low,\"A \"\"formula\"\", perhaps.\",,\
                        '=cmd|'/C calc'!A0,true,'-dir/book.csv,2,3,\r\n";
        assert_eq!(csv(&[finding()]), expected);
        let full = Finding { suggestion: Some("s".into()), page: Some(1), ..finding() };
        let members = json!(full);
        let members: Vec<_> = members.as_object().unwrap().keys().collect();
        assert_eq!(members.len(), COLUMNS.len());
        assert!(members.iter().all(|name| COLUMNS.contains(&name.as_str())), "{members:?}");
    }

    #[test]
    fn a_finding_weighs_what_it_takes_in_an_answer() {
        for (form, text) in [(Form::Page, json(&finding()) + ","), (Form::Csv, line(&finding()))] {
            // A JSON string without its quotation marks.
            let sent = json!(text).to_string().len() - 2;
            assert_eq!(form.weight()(&finding()), sent, "{form:?}");
        }
    }
}
