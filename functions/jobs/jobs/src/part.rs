//! A part of the findings of an analysis: a page, or an export.

use serde::{Deserialize, Serialize};
use tally_jobs::domain::{Finding, Severity};

/// A place among the findings of an analysis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Index of an item.
    pub item: u32,
    /// How many of its findings came before.
    pub before: usize,
}

/// The findings of a part, so far.
pub struct Part {
    /// The findings.
    pub findings: Vec<Finding>,
    from: Place,
    least: Option<Severity>,
    limit: usize,
    room: usize,
    /// Bytes of a finding in an answer.
    weigh: fn(&Finding) -> usize,
}

impl Part {
    /// A part without findings yet. It begins at a place, and takes findings of at least this
    /// severity. It has at most `limit` of them, and `room` bytes by `weigh`.
    pub fn new(
        from: Place,
        least: Option<Severity>,
        (limit, room): (usize, usize),
        weigh: fn(&Finding) -> usize,
    ) -> Self {
        Self { findings: Vec::new(), from, least, limit, room, weigh }
    }

    /// Takes all findings of the next item. If there is no room for one, that is where the next
    /// part begins.
    pub fn add(&mut self, item: u32, findings: Vec<Finding>) -> Option<Place> {
        let seen = if item == self.from.item { self.from.before } else { 0 };
        for (before, finding) in findings.into_iter().enumerate().skip(seen) {
            if self.least.is_some_and(|least| finding.severity < least) {
                continue;
            }
            let bytes = (self.weigh)(&finding);
            let is_heavy = bytes > self.room && !self.findings.is_empty();
            if self.findings.len() == self.limit || is_heavy {
                return Some(Place { item, before });
            }
            self.room = self.room.saturating_sub(bytes);
            self.findings.push(finding);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &str, severity: Severity) -> Finding {
        Finding {
            input: "a".into(),
            rule: rule.into(),
            severity,
            message: "m".into(),
            suggestion: None,
            quote: "q".into(),
            anchored: false,
            file: None,
            line: None,
            end_line: None,
            page: None,
        }
    }

    /// Two items with findings.
    fn items() -> [(u32, Vec<Finding>); 2] {
        let of = |rules: [(&str, Severity); 3]| {
            rules.map(|(rule, severity)| finding(rule, severity)).to_vec()
        };
        [
            (1, of([("a", Severity::Low), ("b", Severity::High), ("c", Severity::Info)])),
            (4, of([("d", Severity::High), ("e", Severity::Critical), ("f", Severity::Low)])),
        ]
    }

    /// The rules of a part from a place on, and where the next one begins.
    fn part(from: Place, least: Option<Severity>, room: (usize, usize)) -> (String, Option<Place>) {
        let mut part = Part::new(from, least, room, |_| 10);
        // The items before the place are not read.
        let rest = items().into_iter().filter(|(item, _)| *item >= from.item);
        let mut next = None;
        for (item, findings) in rest {
            next = part.add(item, findings);
            if next.is_some() {
                break;
            }
        }
        (part.findings.iter().map(|finding| finding.rule.as_str()).collect(), next)
    }

    #[test]
    fn parts_have_each_finding_once() {
        for least in [None, Some(Severity::Info), Some(Severity::High), Some(Severity::Critical)] {
            let all = part(Place::default(), least, (100, usize::MAX)).0;
            for (limit, bytes) in [(1, usize::MAX), (2, usize::MAX), (4, usize::MAX), (100, 25)] {
                let (mut found, mut from) = (String::new(), Some(Place::default()));
                while let Some(place) = from {
                    let (more, next) = part(place, least, (limit, bytes));
                    found += &more;
                    from = next;
                }
                assert_eq!(found, all, "{least:?} {limit} {bytes}");
            }
        }
    }

    #[test]
    fn a_part_begins_and_ends_where_it_must() {
        let at = |item, before| Place { item, before };
        for (from, least, room, rules, next) in [
            (at(0, 0), None, (100, 1_000), "abcdef", None),
            (at(1, 2), None, (100, 1_000), "cdef", None),
            (at(4, 0), None, (100, 1_000), "def", None),
            (at(0, 0), None, (3, 1_000), "abc", Some(at(4, 0))),
            (at(0, 0), None, (4, 1_000), "abcd", Some(at(4, 1))),
            (at(1, 1), None, (100, 20), "bc", Some(at(4, 0))),
            (at(0, 0), None, (100, 5), "a", Some(at(1, 1))),
            (at(0, 0), Some(Severity::High), (100, 1_000), "bde", None),
            (at(0, 0), Some(Severity::High), (1, 1_000), "b", Some(at(4, 0))),
            (at(0, 0), Some(Severity::Critical), (1, 1_000), "e", None),
        ] {
            let found = part(from, least, room);
            assert_eq!(found, (rules.to_owned(), next), "{from:?} {least:?} {room:?}");
        }
    }
}
