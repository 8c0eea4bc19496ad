//! Reads the findings of an analysis from its items.
//!
//! The order is that of the items, and within an item that of the model. Parts of a file may
//! overlap at their ends. So a finding that an item shares with the item before it is shown there
//! alone. Only neighbours share findings. A reader that begins in the middle therefore reads one
//! item more, and no other.

use std::collections::VecDeque;

use platform::Problem;
use platform::problem::Code;
use tally_jobs::domain::{Finding, JobKind};
use tally_jobs::findings::{merge, of_result};
use tally_jobs::store::{Head, Item, Items};

/// Items that one query reads, at most. It gives 1 MB at most.
const AT_ONCE: usize = 200;

/// Reads the findings of an analysis, item by item.
pub struct Found<'a> {
    items: &'a Items,
    job_id: &'a str,
    /// The first item whose findings are wanted.
    first: u32,
    /// The item before the next one.
    before: Own,
    /// The next items that have been read.
    read: VecDeque<Own>,
    /// The index at which the table goes on; `None` at its end.
    next: Option<u32>,
    /// Queries that may still be made.
    queries: usize,
}

/// The findings of an item, as it has them by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Own {
    index: u32,
    findings: Vec<Finding>,
}

impl<'a> Found<'a> {
    /// Reads from an item on, by so many queries at most. There are two at least.
    pub fn new(items: &'a Items, job_id: &'a str, first: u32, queries: usize) -> Self {
        Self {
            items,
            job_id,
            first,
            before: Own::default(),
            read: VecDeque::new(),
            next: Some(first.saturating_sub(1)),
            queries: queries.max(2),
        }
    }

    /// The next item that has findings, with its index. `None` if there is none, or if the queries
    /// are used up.
    pub async fn next_item(&mut self) -> Result<Option<(u32, Vec<Finding>)>, Problem> {
        loop {
            // The findings of an item depend on those of the item behind it.
            while self.read.len() < 2
                && let Some(from) = self.next
            {
                if self.queries == 0 {
                    return Ok(None);
                }
                self.queries -= 1;
                let (items, last) = self.items.page(self.job_id, from, AT_ONCE).await?;
                self.read.extend(items.iter().map(Own::new));
                self.next = last.map(|last| last + 1);
            }
            let Some(own) = self.read.pop_front() else { return Ok(None) };
            let findings = own.shown(&self.before, self.read.front());
            let index = own.index;
            self.before = own;
            if index >= self.first && !findings.is_empty() {
                return Ok(Some((index, findings)));
            }
        }
    }

    /// The item at which a reader goes on whose queries are used up.
    pub fn rest(&self) -> Option<u32> {
        self.read.front().map(|own| own.index).or(self.next)
    }
}

impl Own {
    fn new(item: &Item) -> Self {
        let findings = item.result().map(|result| of_result(&result)).unwrap_or_default();
        Self { index: item.state.index, findings }
    }

    /// The findings that are shown for an item between others: those that the item before does not
    /// have, merged with the same ones of the item behind.
    fn shown(&self, before: &Self, behind: Option<&Self>) -> Vec<Finding> {
        let before: &[Finding] =
            if before.index + 1 == self.index { &before.findings } else { &[] };
        let behind: &[Finding] = match behind {
            Some(behind) if self.index + 1 == behind.index => &behind.findings,
            _ => &[],
        };
        let first = merged(&[before]).len();
        let end = merged(&[before, &self.findings]).len();
        let all = merged(&[before, &self.findings, behind]);
        all.into_iter().take(end).skip(first).collect()
    }
}

/// The findings of consecutive items. One that several have stands where the first one has it.
fn merged(items: &[&[Finding]]) -> Vec<Finding> {
    merge(items.iter().flat_map(|findings| findings.iter().cloned()))
}

/// An analysis of the caller. A job of another kind has no findings, which is a 409.
pub fn analysis(found: Option<Head>) -> Result<Head, Problem> {
    let head = found.ok_or_else(Problem::not_found)?;
    match head.kind {
        JobKind::Analysis => Ok(head),
        JobKind::Evaluation | JobKind::Batch => {
            Err(Problem::new(Code::Conflict, "The job is no analysis, so it has no findings."))
        }
    }
}

#[cfg(test)]
mod tests {
    use tally_jobs::domain::Severity;

    use super::*;

    fn own(index: u32, quotes: &[(&str, u32)]) -> Own {
        let finding = |(quote, line): &(&str, u32)| Finding {
            input: "a.rs".into(),
            rule: "rule".into(),
            severity: Severity::High,
            message: "m".into(),
            suggestion: None,
            quote: (*quote).into(),
            anchored: true,
            file: Some("a.rs".into()),
            line: Some(*line),
            end_line: Some(*line),
            page: None,
        };
        Own { index, findings: quotes.iter().map(finding).collect() }
    }

    fn quotes(findings: &[Finding]) -> Vec<&str> {
        findings.iter().map(|finding| finding.quote.as_str()).collect()
    }

    #[test]
    fn a_finding_of_two_neighbours_is_shown_once() {
        let middle = own(5, &[("a", 1), ("b", 2), ("c", 3)]);
        for (before, behind, expected) in [
            (Own::default(), None, &["a", "b", "c"][..]),
            (own(4, &[("z", 9), ("a", 1)]), None, &["b", "c"]),
            (own(4, &[("a", 1), ("b", 2), ("c", 3)]), None, &[]),
            (own(4, &[]), Some(own(6, &[("c", 3), ("d", 4)])), &["a", "b", "c"]),
            (own(4, &[("a", 1)]), Some(own(6, &[("c", 3)])), &["b", "c"]),
            // An item between them has not been made, or has failed.
            (own(3, &[("a", 1)]), Some(own(7, &[("c", 3)])), &["a", "b", "c"]),
        ] {
            let shown = middle.shown(&before, behind.as_ref());
            assert_eq!(quotes(&shown), expected, "{before:?} {behind:?}");
        }
    }

    #[test]
    fn the_first_item_has_no_neighbour_before_it() {
        let first = own(0, &[("a", 1)]);
        assert_eq!(quotes(&first.shown(&Own::default(), None)), ["a"]);
    }
}
