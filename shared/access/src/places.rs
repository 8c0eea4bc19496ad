//! The columns that formulas of a range can name, as the registers were when the range was
//! completed. Columns move later, and a formula still means those that it read then.

use std::collections::{BTreeMap, BTreeSet};

use cells::formula::{Sources, Span};
use serde::{Deserialize, Serialize};

use crate::domain::{Sheet, folded};

/// The ids of columns by their numbers, from zero.
type Columns = BTreeMap<u32, String>;

/// The columns that formulas of a range can name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// Those of the range's own sheet.
    own: Columns,
    /// Those of sheets, by their folded names.
    named: BTreeMap<String, Columns>,
}

/// The numbers of the columns that are open, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenPlaces {
    /// Those of the range's own sheet.
    own: Vec<u32>,
    /// Those of sheets, by their folded names.
    named: BTreeMap<String, Vec<u32>>,
}

impl Places {
    /// The places that these sources name, for a range of the sheet `own` that has the columns
    /// `ids` from `first` on. A name that two sheets have leads nowhere, and so do one that no
    /// manager has seen and a letter that two other columns have.
    pub fn of<'a>(
        sources: impl IntoIterator<Item = &'a Sources>,
        sheets: &[Sheet],
        own: &Sheet,
        (first, ids): (u32, &[String]),
    ) -> Self {
        let mut here = columns(own);
        here.extend((first..).zip(ids.iter().cloned()));
        let spans = sources.into_iter().flat_map(|sources| &sources.columns);
        let names: BTreeSet<_> = spans.filter_map(|span| span.sheet.as_deref()).collect();
        let names: BTreeSet<_> = names.into_iter().map(folded).collect();
        let place = |name: String| {
            let mut found = sheets.iter().filter(|sheet| folded(&sheet.name) == name);
            let sheet = found.next().filter(|_| found.next().is_none());
            let sheet = sheet.filter(|sheet| !sheet.is_renamed)?;
            let columns = if sheet.id == own.id { here.clone() } else { columns(sheet) };
            Some((name, columns))
        };
        Self { named: names.into_iter().filter_map(place).collect(), own: here }
    }

    /// The ids of the columns that are named. `None` if one leads nowhere, or the sources are
    /// unresolved.
    pub fn ids<'p>(&'p self, sources: &Sources) -> Option<BTreeSet<&'p str>> {
        if sources.is_unresolved {
            return None;
        }
        let mut ids = BTreeSet::new();
        let mut before: Option<(&Span, u32)> = None;
        for span in &sources.columns {
            // Spans of a sheet follow one another by their first columns. So each column is looked
            // up once, however many spans have it.
            let next = before.filter(|(other, _)| other.sheet == span.sheet);
            let from = next.map_or(span.first, |(_, next)| next.max(span.first));
            let columns = match &span.sheet {
                None => &self.own,
                Some(name) => self.named.get(&folded(name))?,
            };
            for number in from..=span.last {
                ids.insert(columns.get(&number)?.as_str());
            }
            before = Some((span, from.max(span.last.saturating_add(1))));
        }
        Some(ids)
    }

    /// The places whose columns are open.
    pub fn open(&self, is_open: impl Fn(&str) -> bool) -> OpenPlaces {
        let numbers = |columns: &Columns| {
            let open = columns.iter().filter(|(_, id)| is_open(id));
            open.map(|(number, _)| *number).collect()
        };
        let named = self.named.iter().map(|(name, columns)| (name.clone(), numbers(columns)));
        OpenPlaces { named: named.collect(), own: numbers(&self.own) }
    }
}

impl OpenPlaces {
    /// Whether all columns that sources name are open. Unresolved sources name others too.
    pub fn have_all(&self, sources: &Sources) -> bool {
        let is_open = |span: &Span| {
            let numbers = match &span.sheet {
                None => Some(&self.own),
                Some(name) => self.named.get(&folded(name)),
            };
            numbers.is_some_and(|numbers| has_run(numbers, span.first, span.last))
        };
        !sources.is_unresolved && sources.columns.iter().all(is_open)
    }
}

/// Whether all numbers from the first to the last are among these, which are in order. A workbook
/// may have 500,000 spans of 1,000 columns, so it does not look at each number.
fn has_run(numbers: &[u32], first: u32, last: u32) -> bool {
    let Some(further) = last.checked_sub(first).and_then(|run| usize::try_from(run).ok()) else {
        return false;
    };
    let from = numbers.partition_point(|number| *number < first);
    numbers.get(from) == Some(&first) && numbers.get(from + further) == Some(&last)
}

/// The columns of a sheet. Of two columns with one letter, neither is known to be there.
fn columns(sheet: &Sheet) -> Columns {
    let mut columns = Columns::new();
    let mut twice = BTreeSet::new();
    for column in &sheet.columns {
        let number = column.letter.number();
        if columns.insert(number, column.id.clone()).is_some() {
            twice.insert(number);
        }
    }
    columns.retain(|number, _| !twice.contains(number));
    columns
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn sheet(id: &str, name: &str, columns: &[(&str, &str)]) -> Sheet {
        let column = |(id, letter): &(&str, &str)| {
            let names: [&str; 0] = [];
            json!({"id": id, "letter": letter, "header": "", "names": names})
        };
        let columns: Vec<_> = columns.iter().map(column).collect();
        serde_json::from_value(json!({"id": id, "name": name, "version": 1, "columns": columns}))
            .unwrap()
    }

    #[test]
    fn a_column_is_found_where_only_one_can_be_meant() {
        let sheets = [
            sheet("s", "P&L", &[("s-a", "A"), ("s-b", "B"), ("s-x", "C"), ("s-y", "C")]),
            sheet("t", "Rates", &[("t-a", "A"), ("t-b", "A"), ("t-c", "B")]),
            sheet("u", "Twin", &[("u-a", "A")]),
            sheet("v", "TWIN", &[("v-a", "A")]),
            Sheet { is_renamed: true, ..sheet("x", "Salaries", &[("x-a", "A")]) },
        ];
        let span = |sheet: Option<&str>, first, last| {
            let columns = [Span { sheet: sheet.map(Box::from), first, last }].into();
            Sources { columns, ..Sources::default() }
        };
        let cases = [
            (span(None, 0, 0), Some("s-a")),
            // The range has the column now.
            (span(None, 1, 1), Some("new")),
            (span(Some("p&l"), 0, 1), Some("new s-a")),
            (span(None, 2, 2), None),
            (span(None, 0, 16_383), None),
            (span(Some("Rates"), 1, 1), Some("t-c")),
            (span(Some("rates"), 0, 0), None),
            (span(Some("Twin"), 0, 0), None),
            (span(Some("Gone"), 0, 0), None),
            (span(Some("Salaries"), 0, 0), None),
            (Sources { is_unresolved: true, ..Sources::default() }, None),
            (Sources::default(), Some("")),
        ];
        let sources = cases.iter().map(|(sources, _)| sources);
        let places = Places::of(sources, &sheets, &sheets[0], (1, &["new".to_owned()]));
        let stored = serde_json::to_string(&places).unwrap();
        assert_eq!(serde_json::from_str::<Places>(&stored).unwrap(), places);
        for (sources, expected) in &cases {
            let found = places.ids(sources);
            let found = found.map(|ids| ids.into_iter().collect::<Vec<_>>().join(" "));
            assert_eq!(found.as_deref(), *expected, "{sources:?}");
            assert_eq!(places.open(|_| true).have_all(sources), expected.is_some(), "{sources:?}");
        }
    }

    #[test]
    fn a_run_is_open_if_each_of_its_columns_is() {
        let ids: Vec<_> = (0..6).map(|number| format!("id-{number}")).collect();
        let places = Places::of([], &[], &sheet("s", "S", &[]), (2, ids.as_slice()));
        // D to H but for F.
        let open = places.open(|id| !["id-0", "id-3"].contains(&id));
        let spans = |spans: &[(u32, u32)]| {
            let span = |&(first, last): &(u32, u32)| Span { sheet: None, first, last };
            Sources { columns: spans.iter().map(span).collect(), ..Sources::default() }
        };
        for (named, expected, ids) in [
            (&[(3, 4)][..], true, Some(2)),
            (&[(6, 7)], true, Some(2)),
            (&[(3, 3), (6, 6)], true, Some(2)),
            (&[(3, 7)], false, Some(5)),
            (&[(2, 4)], false, Some(3)),
            (&[(5, 5)], false, Some(1)),
            (&[(7, 8)], false, None),
            (&[(0, 3)], false, None),
            // Spans that overlap.
            (&[(3, 4), (4, 7), (5, 6)], false, Some(5)),
            (&[(2, 7), (3, 4)], false, Some(6)),
            (&[(3, 4), (4, 4), (4, 8)], false, None),
            (&[(4, 3)], false, Some(0)),
        ] {
            let sources = spans(named);
            assert_eq!(open.have_all(&sources), expected, "{named:?}");
            assert_eq!(places.ids(&sources).map(|ids| ids.len()), ids, "{named:?}");
        }
    }
}
