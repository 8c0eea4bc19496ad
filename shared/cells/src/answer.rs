//! Cells in an answer of the API.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::{Area, Cell};
use crate::grid::{Cleared, Grid};

/// Most cells of an answer.
pub const MAX_CELLS: u64 = 20_000;

/// Cells of a range. A withheld cell is null in each matrix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cells {
    /// The rectangle.
    pub address: String,
    /// Values as text; an empty cell has an empty one.
    pub values: Vec<Vec<Option<String>>>,
    /// Formulas. Null for a cell that has none.
    pub formulas: Vec<Vec<Option<String>>>,
    /// Types of the values.
    pub value_types: Vec<Vec<Option<&'static str>>>,
    /// Addresses of withheld cells.
    pub withheld: Vec<String>,
}

/// Why cells can't be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CellsError {
    /// There are too many.
    #[error("address has {0} cells; an answer has at most 20000")]
    TooMany(u64),
    /// Not all of them are in the range.
    #[error("address reaches beyond the range {0}")]
    Outside(Area),
}

impl Cleared<Grid> {
    /// The cells of an area.
    pub fn cells(&self, area: Area) -> Result<Cells, CellsError> {
        if area.cells() > MAX_CELLS {
            return Err(CellsError::TooMany(area.cells()));
        }
        if !self.area().covers(area) {
            return Err(CellsError::Outside(self.area()));
        }
        let (first, last) = (area.first(), area.last());
        let withheld = self.withheld_areas(area);
        Ok(Cells {
            address: area.to_string(),
            values: matrix(first, last, |cell| self.value(cell).map(ToString::to_string)),
            formulas: matrix(first, last, |cell| self.formula(cell).map(str::to_owned)),
            value_types: matrix(first, last, |cell| {
                self.value(cell).map(|value| value.kind().name())
            }),
            withheld: withheld.iter().map(ToString::to_string).collect(),
        })
    }

    /// The withheld cells of an area, as rectangles: runs in each column, joined with those of the
    /// column before if they have the same rows.
    fn withheld_areas(&self, area: Area) -> Vec<Area> {
        let rectangle = |((top, bottom), left): ((u32, u32), u32), right: u32| {
            Area::new(Cell { row: top, column: left }, Cell { row: bottom, column: right })
        };
        let mut done = Vec::new();
        // The first columns of rectangles, by their rows.
        let mut open: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for column in area.first().column..=area.last().column {
            let runs = self.withheld_runs(area, column).into_iter();
            let runs = runs.map(|rows| (rows, open.remove(&rows).unwrap_or(column))).collect();
            // The other rectangles end before this column.
            let ended = std::mem::replace(&mut open, runs);
            done.extend(ended.into_iter().filter_map(|run| rectangle(run, column - 1)));
        }
        done.extend(open.into_iter().filter_map(|run| rectangle(run, area.last().column)));
        done
    }

    /// The first and the last row of each run of withheld cells in a column.
    fn withheld_runs(&self, area: Area, column: u32) -> Vec<(u32, u32)> {
        let mut runs: Vec<(u32, u32)> = Vec::new();
        for row in area.first().row..=area.last().row {
            if self.value(Cell { row, column }).is_none() {
                match runs.last_mut() {
                    Some((_, end)) if *end + 1 == row => *end = row,
                    _ => runs.push((row, row)),
                }
            }
        }
        runs
    }
}

fn matrix<T>(first: Cell, last: Cell, of: impl Fn(Cell) -> T) -> Vec<Vec<T>> {
    let row = |row| (first.column..=last.column).map(|column| of(Cell { row, column })).collect();
    (first.row..=last.row).map(row).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::address::Address;
    use crate::grid::{Denied, grid};
    use crate::layout::Layout;

    fn area(text: &str) -> Area {
        text.parse::<Address>().unwrap().area
    }

    #[test]
    fn a_withheld_cell_is_null_everywhere() {
        let body = json!({
            "address": "B2:D3",
            "values": [[5, 10, "Ann"], [0.5, 1, ""]],
            "formulas": [[5, "=B2*2", "Ann"], [0.5, "=B3*2", ""]],
        });
        let whole = grid(body, 0, Layout::default());
        let all = whole.clone().clear(&Denied(&[])).cells(area("B2:D3")).unwrap();
        let expected = json!({
            "address": "B2:D3",
            "values": [["5", "10", "Ann"], ["0.5", "1", ""]],
            "formulas": [[null, "=B2*2", null], [null, "=B3*2", null]],
            "value_types": [["integer", "integer", "text"], ["number", "integer", "empty"]],
            "withheld": [],
        });
        assert_eq!(serde_json::to_value(all).unwrap(), expected);
        let some = whole.clear(&Denied(&[1])).cells(area("B2:D2")).unwrap();
        let expected = json!({
            "address": "B2:D2",
            "values": [[null, null, "Ann"]],
            "formulas": [[null, null, null]],
            "value_types": [[null, null, "text"]],
            "withheld": ["B2:C2"],
        });
        assert_eq!(serde_json::to_value(some).unwrap(), expected);
    }

    #[test]
    fn withheld_cells_are_named_by_rectangles() {
        let formulas =
            [["1", "=B1", "=B2"], ["=B1", "=B1", "=B1"], ["=B1", "=B1", "1"], ["1", "1", "=B1"]];
        let mut body = json!({"address": "C1:E4", "values": 0});
        body["formulas"] = json!(formulas);
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[1]));
        let found = cleared.cells(area("C1:E4")).unwrap().withheld;
        assert_eq!(found, ["C2:C3", "D1:D3", "E1:E2", "E4"]);
        let body =
            json!({"address": "A1:D2", "values": 0, "formulas": [[0, 0, 0, 0], [0, 0, 0, 0]]});
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[1, 2]));
        assert_eq!(cleared.cells(area("A1:D2")).unwrap().withheld, ["B1:C2"]);
    }

    #[test]
    fn an_answer_is_bounded() {
        let body = json!({"address": "A1:B2", "values": 0});
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[]));
        let error = cleared.cells(area("A:A")).unwrap_err().to_string();
        assert_eq!(error, "address has 1048576 cells; an answer has at most 20000");
        let error = cleared.cells(area("A1:C1")).unwrap_err().to_string();
        assert_eq!(error, "address reaches beyond the range A1:B2");
    }
}
