//! The columns that one formula reads.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Columns next to each other, from zero, the last one with them. Without a sheet they are of the
/// formula's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Span {
    /// The sheet's name.
    pub sheet: Option<Box<str>>,
    /// First column.
    pub first: u32,
    /// Last column.
    pub last: u32,
}

/// The sources of a formula: the columns that it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Sources {
    /// The columns.
    pub columns: BTreeSet<Span>,
    /// Whether it reads, or may read, something that is not among the columns.
    pub is_unresolved: bool,
    /// Whether it names another workbook.
    pub is_external: bool,
    /// Whether it has a function that sends data out or runs a program.
    pub is_unsafe: bool,
}

impl Sources {
    /// The columns by their ids, which another knows by the sheet's name and the column from zero.
    /// None if the sources are unresolved, or a column has no id.
    pub fn ids<K: Ord>(&self, id: impl Fn(Option<&str>, u32) -> Option<K>) -> Option<BTreeSet<K>> {
        let mut ids = BTreeSet::new();
        for span in self.columns.iter().filter(|_| !self.is_unresolved) {
            for column in span.first..=span.last {
                ids.insert(id(span.sheet.as_deref(), column)?);
            }
        }
        (!self.is_unresolved).then_some(ids)
    }

    /// Adds the sources of another formula.
    pub fn add(&mut self, other: &Self) {
        self.columns.extend(other.columns.iter().cloned());
        self.is_unresolved |= other.is_unresolved;
        self.is_external |= other.is_external;
        self.is_unsafe |= other.is_unsafe;
    }

    /// Joins columns of a sheet that overlap or stand next to each other.
    pub(super) fn join(&mut self) {
        let mut joined: Vec<Span> = Vec::new();
        for span in std::mem::take(&mut self.columns) {
            match joined.last_mut() {
                Some(last)
                    if last.sheet == span.sheet && span.first <= last.last.saturating_add(1) =>
                {
                    last.last = last.last.max(span.last);
                }
                _ => joined.push(span),
            }
        }
        self.columns = joined.into_iter().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_without_an_id_makes_all_unresolved() {
        let span =
            |sheet: Option<&str>, first, last| Span { sheet: sheet.map(Box::from), first, last };
        let columns = [span(None, 0, 1), span(Some("Rates"), 2, 2)].into();
        let sources = Sources { columns, ..Sources::default() };
        let id = |sheet: Option<&str>, column: u32| {
            (column < 3).then(|| format!("{}{column}", sheet.unwrap_or("-")))
        };
        let ids = ["-0", "-1", "Rates2"].map(str::to_owned);
        assert_eq!(sources.ids(id), Some(ids.into()));
        let mut more = Sources { columns: [span(None, 3, 16_383)].into(), ..Sources::default() };
        assert_eq!(more.ids(id), None);
        more = Sources { is_unresolved: true, ..Sources::default() };
        assert_eq!(more.ids(id), None);
        more.add(&sources);
        assert_eq!(more.columns, sources.columns);
        assert!(more.is_unresolved);
    }

    #[test]
    fn columns_next_to_each_other_are_one_span() {
        let spans = |spans: &[(&str, u32, u32)]| {
            let span = |&(sheet, first, last): &(&str, u32, u32)| Span {
                sheet: (!sheet.is_empty()).then(|| sheet.into()),
                first,
                last,
            };
            Sources { columns: spans.iter().map(span).collect(), ..Sources::default() }
        };
        let mut found = spans(&[("", 0, 9), ("", 2, 3), ("", 10, 10), ("", 12, 12), ("S", 11, 11)]);
        found.join();
        assert_eq!(found, spans(&[("", 0, 10), ("", 12, 12), ("S", 11, 11)]));
    }
}
