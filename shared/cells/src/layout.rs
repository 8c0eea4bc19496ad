//! The surroundings of the cells of a range: headers, hidden rows, merged cells, spilled results.

use crate::address::{Address, Area, Cell};
use crate::part::MAX_CELLS;

/// The surroundings of the cells of a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Rows at the top that have the headers.
    pub header_rows: u32,
    /// Hidden rows, in no order.
    pub hidden_rows: Vec<Area>,
    /// Hidden columns, in no order.
    pub hidden_columns: Vec<Area>,
    /// Merged cells.
    pub merged: Vec<Area>,
    /// Results of one formula each, which stands in the first cell.
    pub spills: Vec<Area>,
    /// Pivot tables.
    pub pivots: Vec<Pivot>,
}

/// A pivot table.
#[derive(Clone, Debug, PartialEq)]
pub struct Pivot {
    /// Its cells.
    pub area: Area,
    /// The cells it summarises, if known.
    pub source: Option<Address>,
}

/// A list of areas is too long. The message begins with the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// It has too many entries.
    #[error("{0} has more than 10000 entries")]
    Entries(&'static str),
    /// Its areas overlap.
    #[error("{0} has areas that overlap")]
    Overlap(&'static str),
}

/// Most entries of a list.
const MAX_ENTRIES: usize = 10_000;

impl Layout {
    /// Checks that the lists can be worked through in bounded time for the cells of a range.
    pub fn check(&self, area: Area) -> Result<(), LayoutError> {
        let pivots: Vec<_> = self.pivots.iter().map(|pivot| pivot.area).collect();
        for (field, areas) in [
            ("hidden_rows", &self.hidden_rows),
            ("hidden_columns", &self.hidden_columns),
            ("merged", &self.merged),
            ("spills", &self.spills),
            ("pivots", &pivots),
        ] {
            if areas.len() > MAX_ENTRIES {
                return Err(LayoutError::Entries(field));
            }
            let inside = areas.iter().filter_map(|other| other.intersection(area));
            if inside.map(Area::cells).sum::<u64>() > area.cells().min(MAX_CELLS) {
                return Err(LayoutError::Overlap(field));
            }
        }
        Ok(())
    }

    /// The surroundings of the cells of an area, which begins with so many rows of headers.
    #[must_use]
    pub fn within(&self, area: Area, header_rows: u32) -> Self {
        let is_near = |other: Area| other.intersection(area).is_some();
        let near = |areas: &[Area]| areas.iter().copied().filter(|area| is_near(*area)).collect();
        let pivots = self.pivots.iter().filter(|pivot| is_near(pivot.area));
        Self {
            header_rows,
            hidden_rows: near(&self.hidden_rows),
            hidden_columns: near(&self.hidden_columns),
            merged: near(&self.merged),
            spills: near(&self.spills),
            pivots: pivots.cloned().collect(),
        }
    }

    /// Whether each row of an area is hidden, from the top.
    pub fn hidden_rows_of(&self, area: Area) -> Vec<bool> {
        hidden(&self.hidden_rows, area, area.rows(), |cell| cell.row)
    }

    /// Whether each column of an area is hidden, from the left.
    pub fn hidden_columns_of(&self, area: Area) -> Vec<bool> {
        hidden(&self.hidden_columns, area, area.columns(), |cell| cell.column)
    }
}

fn hidden(areas: &[Area], area: Area, count: u32, place: fn(Cell) -> u32) -> Vec<bool> {
    let mut all = vec![false; usize::try_from(count).unwrap_or_default()];
    for shared in areas.iter().filter_map(|hidden| hidden.intersection(area)) {
        for at in place(shared.first())..=place(shared.last()) {
            let at = usize::try_from(at - place(area.first())).unwrap_or_default();
            if let Some(is_hidden) = all.get_mut(at) {
                *is_hidden = true;
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(text: &str) -> Area {
        text.parse::<Address>().unwrap().area
    }

    #[test]
    fn lists_that_would_cost_too_much_are_refused() {
        let range = area("A1:C10");
        let mut layout = Layout { merged: vec![area("A1:B1"), area("A2:B2")], ..Layout::default() };
        assert_eq!(layout.check(range), Ok(()));
        layout.hidden_columns = vec![area("C:XFD")];
        assert_eq!(layout.check(range), Ok(()));
        layout.spills = vec![area("A1:C10"), area("A1")];
        assert_eq!(layout.check(range), Err(LayoutError::Overlap("spills")));
        layout.merged = vec![area("Z1"); 10_001];
        assert_eq!(layout.check(range), Err(LayoutError::Entries("merged")));
    }

    #[test]
    fn rows_and_columns_are_hidden_by_their_areas() {
        let hidden_rows = vec![area("3:5"), area("9:20")];
        let layout = Layout { hidden_rows, hidden_columns: vec![area("B:B")], ..Layout::default() };
        assert_eq!(layout.hidden_rows_of(area("A4:C9")), [true, true, false, false, false, true]);
        assert_eq!(layout.hidden_columns_of(area("A4:C9")), [false, true, false]);
        let within = layout.within(area("A6:B9"), 0);
        assert_eq!((within.hidden_rows.len(), within.hidden_columns.len()), (1, 1));
        assert_eq!(within.hidden_rows_of(area("A6:B9")), [false, false, false, true]);
    }
}
