//! The typed cells of a range, and those that a caller may see.
//!
//! A [`Grid`] has all cells. Answers, files and prompts take a [`Cleared`] one. Only
//! [`Grid::clear`] makes it, and takes out the cells that the caller may not see.

mod cleared;
#[cfg(test)]
mod samples;

use std::collections::HashMap;
use std::sync::Arc;

pub use cleared::{Cleared, Withheld};
#[cfg(test)]
pub(crate) use samples::{Denied, grid};

use crate::address::{Area, Cell};
use crate::formula::{Book, Groups, NONE, Sources, UNRESOLVED};
use crate::issue::{Code, Codes};
use crate::layout::Layout;
use crate::part::Part;
use crate::read::{Read, Settings};
use crate::value::Value;

/// The cells of a range, or of some of its rows.
#[derive(Clone, Debug)]
pub struct Grid {
    pub(crate) area: Area,
    pub(crate) values: Vec<Value>,
    pub(crate) codes: Vec<Codes>,
    pub(crate) formulas: Vec<Option<Arc<str>>>,
    pub(crate) groups: Groups,
    pub(crate) layout: Layout,
    /// Columns of the area that were not uploaded, since the uploader could not read them.
    pub(crate) dropped: Vec<u32>,
    /// Whether each part came with its formulas.
    pub(crate) has_formulas: bool,
}

/// The cells that a caller may see. The access rules decide it.
pub trait Verdict {
    /// Whether the caller is denied nothing in the workbook.
    fn is_unrestricted(&self) -> bool;

    /// Whether the caller may see a column of the sheet. Columns count from zero.
    fn shows_column(&self, column: u32) -> bool;

    /// Whether the caller may see results of formulas with these sources. They are resolved.
    fn shows_results(&self, sources: &Sources) -> bool;

    /// Whether the caller may see the formulas themselves.
    fn shows_formulas(&self, sources: &Sources) -> bool;
}

impl Grid {
    /// A grid of empty cells.
    pub fn new(area: Area, mut layout: Layout, dropped: Vec<u32>) -> Self {
        layout.header_rows = layout.header_rows.min(area.rows());
        let cells = usize::try_from(area.cells()).unwrap_or_default();
        let groups = Groups { ids: vec![NONE; cells], sources: Vec::new() };
        Self {
            area,
            values: vec![Value::Empty; cells],
            codes: vec![Codes::default(); cells],
            formulas: vec![None; cells],
            groups,
            layout,
            dropped,
            has_formulas: true,
        }
    }

    /// Types the cells of a part, and takes those of the grid's area.
    pub fn add(&mut self, part: &Part, settings: Settings) {
        self.has_formulas &= part.has_formulas;
        let formats: Vec<_> = part.formats.iter().map(|code| Read::new(code)).collect();
        let general = Read::new("");
        for (index, raw) in part.cells.iter().enumerate() {
            let at = part.area.cell(index).and_then(|cell| self.area.index(cell));
            let Some(at) = at.filter(|&at| at < self.values.len()) else { continue };
            let format = formats.get(usize::from(raw.format)).copied().unwrap_or(general);
            (self.values[at], self.codes[at]) = settings.read(raw, format);
            self.formulas[at].clone_from(&raw.formula);
        }
    }

    /// Groups the formulas once all parts are there, and marks the cells that deserve it.
    pub fn complete(&mut self, book: &Book) {
        self.groups = Groups::of(self.area, &self.formulas, &self.layout, book);
        self.mark();
    }

    /// Takes the groups that [`Grid::complete`] made. Their cells are those of the grid.
    pub fn restore(&mut self, groups: Groups) {
        let is_whole = groups.ids.len() == self.values.len();
        self.has_formulas &= is_whole;
        if is_whole {
            self.groups = groups;
        }
        self.mark();
    }

    /// The rectangle.
    pub fn area(&self) -> Area {
        self.area
    }

    /// The surroundings of the cells.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// How many rows at the top have the headers.
    pub fn set_header_rows(&mut self, rows: u32) {
        self.layout.header_rows = rows.min(self.area.rows());
    }

    /// The groups of the formulas.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// The value of a cell.
    pub fn value(&self, cell: Cell) -> Option<&Value> {
        self.values.get(self.area.index(cell)?)
    }

    /// The cells of an area of the grid. `None` if the grid has none of them.
    pub fn part(&self, area: Area) -> Option<Self> {
        let area = self.area.intersection(area)?;
        let above = area.first().row - self.area.first().row;
        let header_rows = self.layout.header_rows.saturating_sub(above);
        let mut part = Self::new(area, self.layout.within(area, header_rows), self.dropped.clone());
        part.has_formulas = self.has_formulas;
        // The groups that the part has, by their numbers in the grid.
        let mut known: HashMap<u32, u32> = HashMap::new();
        let mut sources: Vec<Sources> = Vec::new();
        for at in 0..part.values.len() {
            let Some(from) = area.cell(at).and_then(|cell| self.area.index(cell)) else { continue };
            part.values[at].clone_from(&self.values[from]);
            part.codes[at] = self.codes[from];
            part.formulas[at].clone_from(&self.formulas[from]);
            let id = self.groups.ids[from];
            part.groups.ids[at] = match self.groups.sources(id) {
                None if id == NONE => NONE,
                None => UNRESOLVED,
                Some(found) => *known.entry(id).or_insert_with(|| {
                    sources.push(found.clone());
                    u32::try_from(sources.len()).unwrap_or(UNRESOLVED)
                }),
            };
        }
        part.groups.sources = sources;
        Some(part)
    }

    /// Adds the issues that formulas and the layout bring.
    fn mark(&mut self) {
        for (codes, &id) in self.codes.iter_mut().zip(&self.groups.ids) {
            let sources = self.groups.sources(id);
            let is = |of: fn(&Sources) -> bool| sources.is_some_and(of);
            codes.add_if(Code::ExternalReference, is(|sources| sources.is_external));
            codes.add_if(Code::UnsafeFunction, is(|sources| sources.is_unsafe));
            let is_unknown = sources.is_none() && id != NONE;
            codes.add_if(
                Code::UnresolvedReference,
                is_unknown || is(|sources| sources.is_unresolved),
            );
        }
        let layout = std::mem::take(&mut self.layout);
        for (code, areas) in [
            (Code::Merged, &layout.merged),
            (Code::Spilled, &layout.spills),
            (Code::Hidden, &layout.hidden_rows),
            (Code::Hidden, &layout.hidden_columns),
        ] {
            // The first cell stands for all.
            for shared in areas.iter().filter_map(|area| area.intersection(self.area)) {
                let index = self.area.index(shared.first());
                if let Some(codes) = index.and_then(|index| self.codes.get_mut(index)) {
                    codes.add(code);
                }
            }
        }
        self.layout = layout;
    }

    /// Takes out the cells that a caller may not see.
    pub fn clear(mut self, verdict: &impl Verdict) -> Cleared<Self> {
        let is_free = verdict.is_unrestricted();
        let columns = (self.area.first().column..=self.area.last().column).map(|column| {
            !self.dropped.contains(&column) && (is_free || verdict.shows_column(column))
        });
        let columns: Vec<bool> = columns.collect();
        // Once for each group, not for each cell.
        let decisions = self.groups.sources.iter().map(|sources| {
            let is_known = !sources.is_unresolved;
            let shows_results = is_free || is_known && verdict.shows_results(sources);
            let shows_formulas = is_free || is_known && verdict.shows_formulas(sources);
            (shows_results, shows_results && shows_formulas)
        });
        let decisions: Vec<_> = decisions.collect();
        let decide = |id: u32| match id {
            _ if !is_free && !self.has_formulas => (false, false),
            NONE => (true, true),
            _ => {
                let place = usize::try_from(id).ok().and_then(|id| id.checked_sub(1));
                let decision = place.and_then(|place| decisions.get(place)).copied();
                decision.unwrap_or((is_free, is_free))
            }
        };
        let mut withheld = Vec::with_capacity(self.values.len());
        let ids = self.groups.ids.iter();
        for ((index, &id), &shows_column) in ids.enumerate().zip(columns.iter().cycle()) {
            let (shows_result, shows_formula) = decide(id);
            let is_shown = shows_column && shows_result;
            if !is_shown {
                self.values[index] = Value::Empty;
                self.codes[index] = Codes::default();
            }
            if !is_shown || !shows_formula {
                self.formulas[index] = None;
            }
            withheld.push(!is_shown);
        }
        // The caller learns neither the sources of formulas nor those of pivot tables.
        self.groups = Groups::default();
        self.layout.pivots.clear();
        Cleared::new(self, columns, withheld)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::Address;
    use crate::layout::Pivot;

    fn sample() -> Grid {
        let body = json!({
            "address": "A1:D3",
            "values": [
                ["Name", "Salary", "Double", "Note"],
                ["Ann", 5, 10, "x"],
                ["Bob", 7, 14, 3],
            ],
            "formulas": [
                ["Name", "Salary", "Double", "Note"],
                ["Ann", 5, "=B2*2", "x"],
                ["Bob", 7, "=B3*2", "=INDIRECT(\"B3\")-4"],
            ],
        });
        grid(body, 1, Layout::default())
    }

    fn shown(cleared: &Cleared<Grid>) -> String {
        let cells = (0..12).map(|index| {
            let cell = cleared.area().cell(index).unwrap();
            let formula = if cleared.formula(cell).is_some() { "=" } else { "" };
            cleared.value(cell).map_or("-".to_owned(), |value| format!("{value}{formula}"))
        });
        cells.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_is_denied_nothing_sees_all() {
        let cleared = sample().clear(&Denied(&[]));
        assert_eq!(shown(&cleared), "Name Salary Double Note Ann 5 10= x Bob 7 14= 3=");
        assert_eq!(cleared.withheld(), Withheld::default());
    }

    #[test]
    fn a_denied_column_goes_with_what_reads_it() {
        let cleared = sample().clear(&Denied(&[1]));
        assert_eq!(shown(&cleared), "Name - Double Note Ann - - x Bob - - -");
        assert_eq!(cleared.withheld(), Withheld { columns: 1, cells: 3 });
        // The cells are gone, not only hidden.
        let left = format!("{cleared:?}");
        for gone in ["Salary", "INDIRECT", "B2*2"] {
            assert!(!left.contains(gone), "{gone}");
        }
    }

    #[test]
    fn who_is_denied_another_column_sees_no_unresolved_result() {
        let cleared = sample().clear(&Denied(&[99]));
        assert_eq!(shown(&cleared), "Name Salary Double Note Ann 5 10= x Bob 7 14= -");
    }

    #[test]
    fn without_formulas_all_is_unresolved() {
        let body = json!({"address": "A1:B1", "values": [[1, 2]]});
        let whole = grid(body, 0, Layout::default());
        let cleared = whole.clone().clear(&Denied(&[99]));
        assert_eq!(cleared.withheld(), Withheld { columns: 0, cells: 2 });
        assert_eq!(whole.clear(&Denied(&[])).withheld(), Withheld::default());
    }

    #[test]
    fn a_column_that_was_never_uploaded_is_withheld_from_all() {
        let mut whole = sample();
        whole.dropped = vec![3];
        let cleared = whole.clear(&Denied(&[]));
        assert_eq!(cleared.withheld().columns, 1);
        assert_eq!(cleared.shown_columns().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn the_source_of_a_pivot_table_is_not_for_the_caller() {
        let mut whole = sample();
        let source = "Layoffs!A1:B9".parse().ok();
        whole.layout.pivots = vec![Pivot { area: whole.area, source }];
        assert!(!format!("{:?}", whole.clear(&Denied(&[1]))).contains("Layoffs"));
    }

    #[test]
    fn restored_groups_decide_as_the_first_ones() {
        let whole = sample();
        let mut again = sample();
        again.restore(whole.groups.clone());
        assert_eq!(shown(&again.clear(&Denied(&[1]))), shown(&whole.clone().clear(&Denied(&[1]))));
        // Groups of other cells decide nothing.
        let mut other = sample();
        other.restore(Groups::default());
        assert_eq!(other.clear(&Denied(&[1])).withheld().cells, 9);
    }

    #[test]
    fn a_part_shows_what_the_whole_shows() {
        let whole = sample();
        for denied in [&[][..], &[1], &[2], &[99]] {
            let cleared = whole.clone().clear(&Denied(denied));
            for text in ["A1:D3", "A2:D2", "C1:D3", "B3", "D2:D3"] {
                let area = text.parse::<Address>().unwrap().area;
                let part = whole.part(area).unwrap();
                assert_eq!(
                    (part.area, part.layout.header_rows),
                    (area, u32::from(text.contains('1')))
                );
                let part = part.clear(&Denied(denied));
                for cell in (0..).map_while(|index| area.cell(index)) {
                    assert_eq!(part.value(cell), cleared.value(cell), "{denied:?} {text} {cell}");
                    assert_eq!(
                        part.formula(cell),
                        cleared.formula(cell),
                        "{denied:?} {text} {cell}"
                    );
                }
            }
        }
        // A part has no sources of formulas that it does not have.
        let part = whole.part("A2:C3".parse::<Address>().unwrap().area).unwrap();
        assert_eq!(part.groups.sources.len(), 1);
        assert!(whole.part("F9".parse::<Address>().unwrap().area).is_none());
        // Without formulas, a part has none either.
        let body = json!({"address": "A1:B1", "values": [[1, 2]]});
        let part = grid(body, 0, Layout::default()).part(whole.area).unwrap();
        assert_eq!(part.clear(&Denied(&[99])).withheld().cells, 2);
    }

    #[test]
    fn formulas_and_the_layout_mark_cells() {
        let area = |text: &str| text.parse::<Address>().unwrap().area;
        let layout = Layout {
            merged: vec![area("A1:B1")],
            hidden_rows: vec![area("2:2")],
            hidden_columns: vec![area("D:D")],
            ..Layout::default()
        };
        let body = json!({
            "address": "A1:D2",
            "values": 1,
            "formulas": [["=[1]S!A1", "=IMAGE(A1)", "=A1#", "=A1"], ["=A1", "", "", ""]],
        });
        let whole = grid(body, 0, layout);
        let codes =
            whole.codes.iter().map(|codes| codes.iter().map(Code::name).collect::<Vec<_>>());
        let expected = [
            &["external_reference", "unresolved_reference", "merged"][..],
            &["unsafe_function", "unresolved_reference"],
            &["unresolved_reference"],
            &["hidden"],
            &["hidden"],
            &[],
            &[],
            &[],
        ];
        assert_eq!(codes.collect::<Vec<_>>(), expected);
    }
}
