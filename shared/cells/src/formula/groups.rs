//! Formulas of a range in groups that read the same columns.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;

use super::book::Book;
use super::key::write_key;
use super::sources::{Sources, Span};
use crate::address::{Address, Area};
use crate::layout::Layout;

/// Most formulas of a range that differ in more than the row. Cells of further ones are unresolved.
pub const MAX_FORMULAS: usize = 50_000;

/// Most runs of columns that all groups read. Cells of further groups are unresolved.
const MAX_SPANS: usize = 500_000;

/// The group of a cell without a formula.
pub const NONE: u32 = 0;

/// The group of a cell with unknown sources.
pub const UNRESOLVED: u32 = u32::MAX;

/// The group of each cell, and the sources of the groups.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    /// Group of each cell, row by row: [`NONE`], [`UNRESOLVED`], or a place in `sources` from one.
    pub ids: Vec<u32>,
    /// The sources of each group. No two groups have the same.
    pub sources: Vec<Sources>,
}

impl Groups {
    /// Groups formulas that stand row by row in an area. A spilled cell is in the group of the
    /// formula that spills, and a cell of a pivot table reads the table's source.
    pub fn of(area: Area, formulas: &[Option<Arc<str>>], layout: &Layout, book: &Book) -> Self {
        let mut builder = Builder { ids: vec![NONE; formulas.len()], ..Builder::default() };
        let mut known: HashMap<String, u32> = HashMap::new();
        let mut key = String::new();
        for (index, formula) in formulas.iter().enumerate() {
            if let (Some(formula), Some(cell)) = (formula, area.cell(index)) {
                key.clear();
                // Keys are of one column, so that their sources need no shift.
                let _ = write!(key, "{}\u{1}", cell.column);
                builder.ids[index] = if !write_key(&mut key, formula, cell.row) {
                    UNRESOLVED
                } else if let Some(&id) = known.get(&key) {
                    id
                } else if known.len() >= MAX_FORMULAS {
                    UNRESOLVED
                } else {
                    let id = builder.group(Sources::of(formula, cell.column, book));
                    known.insert(key.clone(), id);
                    id
                };
            }
        }
        for &spill in &layout.spills {
            let anchor =
                area.index(spill.first()).and_then(|index| builder.ids.get(index).copied());
            builder.fill(area, spill, anchor.filter(|&id| id != NONE).unwrap_or(UNRESOLVED));
        }
        for pivot in &layout.pivots {
            let source = pivot.source.as_ref().map(of_pivot);
            let id = source.map_or(UNRESOLVED, |source| builder.group(source));
            builder.fill(area, pivot.area, id);
        }
        builder.build()
    }

    /// The sources of a group. None for [`NONE`] and [`UNRESOLVED`].
    pub fn sources(&self, id: u32) -> Option<&Sources> {
        self.sources.get(usize::try_from(id).ok()?.checked_sub(1)?)
    }

    /// The sources of the cells of each column together, from the left of the groups' area. For a
    /// column that was dropped, and in a range without formulas, these are empty. The caller has to
    /// treat such columns as unresolved.
    pub fn by_column(&self, area: Area) -> Vec<Sources> {
        let columns = usize::try_from(area.columns()).unwrap_or_default();
        let mut all = vec![Sources::default(); columns];
        let mut seen = HashSet::new();
        for (index, &id) in self.ids.iter().enumerate().filter(|&(_, &id)| id != NONE) {
            let column = index % columns;
            if seen.insert((column, id)) {
                match self.sources(id) {
                    Some(sources) => all[column].add(sources),
                    None => all[column].is_unresolved = true,
                }
            }
        }
        all
    }
}

#[derive(Default)]
struct Builder {
    ids: Vec<u32>,
    groups: HashMap<Sources, u32>,
    /// Runs of columns that all groups read.
    spans: usize,
}

impl Builder {
    /// The group with the same sources.
    fn group(&mut self, mut sources: Sources) -> u32 {
        if sources.is_unresolved {
            // They decide nothing then.
            sources.columns.clear();
        }
        if let Some(&id) = self.groups.get(&sources) {
            return id;
        }
        let spans = self.spans + sources.columns.len();
        if spans > MAX_SPANS {
            return UNRESOLVED;
        }
        self.spans = spans;
        let id = u32::try_from(self.groups.len() + 1).unwrap_or(UNRESOLVED);
        self.groups.insert(sources, id);
        id
    }

    /// Puts the cells of an area into a group. A cell that is in another one is unresolved.
    fn fill(&mut self, area: Area, filled: Area, id: u32) {
        let Some(shared) = area.intersection(filled) else { return };
        for cell in (0..).map_while(|index| shared.cell(index)) {
            if let Some(found) = area.index(cell).and_then(|index| self.ids.get_mut(index)) {
                *found = if *found == NONE || *found == id { id } else { UNRESOLVED };
            }
        }
    }

    fn build(self) -> Groups {
        let mut groups: Vec<_> = self.groups.into_iter().collect();
        groups.sort_unstable_by_key(|&(_, id)| id);
        Groups { ids: self.ids, sources: groups.into_iter().map(|(sources, _)| sources).collect() }
    }
}

fn of_pivot(source: &Address) -> Sources {
    let (first, last) = (source.area.first().column, source.area.last().column);
    let sheet = source.sheet.as_deref().map(Box::from);
    Sources { columns: [Span { sheet, first, last }].into(), ..Sources::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Pivot;

    fn area(text: &str) -> Area {
        text.parse::<Address>().unwrap().area
    }

    fn groups(range: &str, formulas: &[&str], layout: &Layout) -> Groups {
        let formulas: Vec<_> =
            formulas.iter().map(|&text| (!text.is_empty()).then(|| text.into())).collect();
        Groups::of(area(range), &formulas, layout, &Book::default())
    }

    #[test]
    fn a_formula_that_is_filled_down_is_one_group() {
        let found = groups("A1:B3", &["=C1", "=D1", "=C2", "=E2", "", "=D3"], &Layout::default());
        assert_eq!(found.ids, [1, 2, 1, 3, NONE, 2]);
        let columns = found.sources.iter().map(|sources| sources.columns.first().unwrap().first);
        assert_eq!(columns.collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(found.sources(NONE), None);
        assert_eq!(found.sources(UNRESOLVED), None);
        assert_eq!(found.sources(2), found.sources.get(1));
        let by_column = found.by_column(area("A1:B3"));
        let columns = by_column.iter().map(|all| all.columns.iter().map(|span| span.first));
        let columns: Vec<Vec<_>> = columns.map(Iterator::collect).collect();
        assert_eq!(columns, [vec![2], vec![3, 4]]);
    }

    #[test]
    fn spilled_cells_and_pivots_have_the_sources_of_what_fills_them() {
        let layout = Layout {
            spills: vec![area("A1:A3"), area("Z1:B1")],
            pivots: vec![
                Pivot { area: area("C1:C2"), source: "Data!F1:G9".parse().ok() },
                Pivot { area: area("C3:D9"), source: None },
            ],
            ..Layout::default()
        };
        let formulas = ["=SORT(E1:E3)", "", "", "", "", "", "", "", ""];
        let found = groups("A1:C3", &formulas, &layout);
        let (one, two, no) = (1, 2, UNRESOLVED);
        // The area Z1:B1 has its first cell in B1, which has no formula.
        assert_eq!(found.ids, [one, no, no, one, NONE, two, one, NONE, no]);
        let unresolved = found.by_column(area("A1:C3")).into_iter().map(|all| all.is_unresolved);
        assert_eq!(unresolved.collect::<Vec<_>>(), [false, true, true]);
    }

    #[test]
    fn formulas_that_read_the_same_are_one_group() {
        let formulas =
            ["=C1+1", "=SUM(C:C)", "=C9&C8", "=INDIRECT(C1)", "=OFFSET(D1,1,1)", "=C1+D1"];
        let found = groups("A1:B3", &formulas, &Layout::default());
        assert_eq!(found.ids, [1, 1, 1, 2, 2, 3]);
        assert!(found.sources[1].is_unresolved);
        let columns = found.by_column(area("A1:B3")).into_iter().map(|all| all.columns.len());
        assert_eq!(columns.collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn too_many_formulas_are_unresolved() {
        let formulas: Vec<_> = (0..=MAX_FORMULAS).map(|n| format!("={n}")).collect();
        let formulas: Vec<_> = formulas.iter().map(String::as_str).collect();
        let found = groups("A1:A50001", &formulas, &Layout::default());
        assert_eq!(found.sources.len(), 1);
        assert_eq!(found.ids.last(), Some(&UNRESOLVED));
        assert_eq!(found.ids[MAX_FORMULAS - 1], 1);
    }

    #[test]
    fn groups_that_read_too_much_are_unresolved() {
        let mut builder = Builder::default();
        let wide = |sheet: u32| {
            let spans = (0..1_000).map(|column| Span {
                sheet: Some(sheet.to_string().into()),
                first: column * 2,
                last: column * 2,
            });
            Sources { columns: spans.collect(), ..Sources::default() }
        };
        let ids: Vec<_> = (0..=500).map(|sheet| builder.group(wide(sheet))).collect();
        assert_eq!(ids[..500], (1..=500).collect::<Vec<_>>());
        assert_eq!(ids[500], UNRESOLVED);
        assert_eq!(builder.group(wide(3)), 4);
    }
}
