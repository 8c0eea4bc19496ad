//! What the pieces of an analysis have given so far, read from its items.

use std::collections::BTreeMap;

use platform::Problem;
use serde_json::Value;
use tally_jobs::domain::{AnalysisOutcome, Finding, ItemStatus, JobError};
use tally_jobs::findings::{merge, of_result};
use tally_jobs::pieces::SUMMARY_BYTES;
use tally_jobs::store::{Item, Items};

/// Items that are read at once.
const AT_ONCE: usize = 50;

/// What the pieces have given.
#[derive(Default, PartialEq)]
pub struct Gathered {
    /// Number of pieces.
    pub pieces: u32,
    /// The pieces without a result, by their indices.
    pub unread: Vec<u32>,
    /// Why the first of them has none.
    pub error: Option<JobError>,
    /// The findings, without duplicates, in the order of the pieces.
    pub findings: Vec<Finding>,
    /// The answers that are no findings, by the indices of their pieces. Each one is cut to
    /// [`SUMMARY_BYTES`].
    pub answers: Vec<(u32, String)>,
    /// The summary.
    pub summary: Option<String>,
}

platform::opaque!(Gathered);

impl Gathered {
    /// Reads the items of a job with so many pieces.
    pub async fn read(items: &Items, job_id: &str, pieces: u32) -> Result<Self, Problem> {
        let mut gathering = Gathering::new(pieces);
        items.each(job_id, AT_ONCE, |item| gathering.add(item)).await?;
        Ok(gathering.end())
    }

    /// The same of these items, in their order.
    #[cfg(test)]
    pub fn of(items: &[Item], pieces: u32) -> Self {
        let mut gathering = Gathering::new(pieces);
        for item in items {
            gathering.add(item);
        }
        gathering.end()
    }

    /// Number of pieces with a result.
    pub fn read_pieces(&self) -> u32 {
        self.pieces.saturating_sub(u32::try_from(self.unread.len()).unwrap_or(u32::MAX))
    }

    /// What the analysis gives as a whole.
    pub fn outcome(self) -> AnalysisOutcome {
        let mut findings = BTreeMap::new();
        for finding in &self.findings {
            *findings.entry(finding.severity).or_default() += 1;
        }
        AnalysisOutcome { summary: self.summary, findings }
    }
}

/// Items as they are read.
struct Gathering {
    gathered: Gathered,
    /// The next piece of which nothing is known. An item that was never begun is not stored.
    next: u32,
    findings: Vec<Finding>,
}

impl Gathering {
    fn new(pieces: u32) -> Self {
        let gathered = Gathered { pieces, ..Gathered::default() };
        Self { gathered, next: 0, findings: Vec::new() }
    }

    fn add(&mut self, item: &Item) {
        let index = item.state.index;
        let has_ended_well = item.state.status == ItemStatus::Succeeded;
        let result = item.result().filter(|_| has_ended_well);
        if index >= self.gathered.pieces {
            let summary = result.as_ref().and_then(|result| result["summary"].as_str());
            self.gathered.summary = summary.map(str::to_owned);
            return;
        }
        self.gathered.unread.extend(self.next..index);
        self.next = index + 1;
        let Some(result) = result else {
            self.gathered.unread.push(index);
            self.gathered.error = self.gathered.error.take().or_else(|| item.error.clone());
            return;
        };
        match answer(&result) {
            Some(answer) => self.gathered.answers.push((index, answer)),
            None => self.findings.extend(of_result(&result)),
        }
    }

    fn end(self) -> Gathered {
        let Self { mut gathered, next, findings } = self;
        gathered.unread.extend(next..gathered.pieces);
        gathered.findings = merge(findings.into_iter());
        gathered
    }
}

/// The answer in a result that has no findings.
fn answer(result: &Value) -> Option<String> {
    let mut answer = match (result["text"].as_str(), result.get("output")) {
        (Some(text), _) => text.to_owned(),
        (None, Some(output)) => output.to_string(),
        (None, None) => return None,
    };
    answer.truncate(answer.floor_char_boundary(SUMMARY_BYTES));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::analysis::samples::{failed, finding, item};
    use serde_json::json;
    use tally_jobs::domain::{ErrorCode, Severity};

    #[test]
    fn findings_are_counted_once_and_the_summary_is_that_of_the_last_item() {
        let twice = finding(Severity::High, "sum", Some(1));
        let other = finding(Severity::Low, "total", None);
        let items = [
            item(0, &json!({"findings": [twice, other]})),
            failed(1, ErrorCode::Refused),
            item(2, &json!({"findings": [twice], "truncated": true})),
            item(4, &json!({"summary": "Two findings."})),
        ];
        let gathered = Gathered::of(&items, 4);
        assert_eq!((gathered.unread.as_slice(), gathered.read_pieces()), (&[1, 3][..], 2));
        assert_eq!(gathered.error.as_ref().map(|error| error.code), Some(ErrorCode::Refused));
        assert_eq!(gathered.findings, [twice, other]);
        assert!(gathered.answers.is_empty());
        let expected = AnalysisOutcome {
            summary: Some("Two findings.".into()),
            findings: BTreeMap::from([(Severity::High, 1), (Severity::Low, 1)]),
        };
        assert_eq!(gathered.outcome(), expected);
    }

    #[test]
    fn answers_of_other_forms_are_kept_as_text() {
        let long = "€".repeat(SUMMARY_BYTES);
        let items = [
            item(0, &json!({"text": "Fine."})),
            item(1, &json!({"output": {"n": 3}})),
            item(2, &json!({"text": long})),
        ];
        let gathered = Gathered::of(&items, 3);
        assert_eq!(gathered.answers[0], (0, "Fine.".to_owned()));
        assert_eq!(gathered.answers[1], (1, r#"{"n":3}"#.to_owned()));
        assert_eq!(gathered.answers[2].1.len(), SUMMARY_BYTES - SUMMARY_BYTES % 3);
        assert_eq!((gathered.summary.as_ref(), gathered.unread.len()), (None, 0));
    }

    #[test]
    fn an_item_that_has_not_ended_well_gives_nothing() {
        let mut lost = item(1, &json!({"summary": "Old."}));
        lost.state.status = ItemStatus::Pending;
        let gathered = Gathered::of(&[failed(0, ErrorCode::InputGone), lost], 1);
        assert_eq!((gathered.summary.as_ref(), gathered.read_pieces()), (None, 0));
        let nothing = Gathered::of(&[], 3);
        assert_eq!((nothing.unread.as_slice(), nothing.read_pieces()), (&[0, 1, 2][..], 0));
    }
}
