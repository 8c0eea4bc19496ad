//! The names of columns in the rows at the top.

use std::collections::HashMap;
use std::ops::Range;

use crate::address::{Area, Cell};
use crate::formula::NONE;
use crate::grid::{Cleared, Grid};
use crate::layout::Layout;
use crate::names::fold;
use crate::value::{Kind, Value};

/// Rows below the first one that tell whether it has headers.
const SAMPLE: u32 = 100;

/// Between the names of a column that has several.
const JOIN: &str = " / ";

impl Grid {
    /// How many rows have headers, if the uploader does not say: the first one, or none. In a row
    /// of headers each filled cell is text, and half of the cells are filled. The rows below have
    /// another type, or at least other texts.
    pub fn detect_header_rows(&self) -> u32 {
        let (first, last) = (self.area.first(), self.area.last());
        let columns = first.column..=last.column;
        let at = |row, column| self.value(Cell { row, column }).unwrap_or(&Value::Empty);
        let names: Vec<_> = columns.map(|column| (column, at(first.row, column))).collect();
        let filled: Vec<_> = names.iter().filter(|(_, value)| !value.is_empty()).collect();
        let is_text = filled.iter().all(|(_, value)| value.kind() == Kind::Text);
        if self.area.rows() < 2 || filled.is_empty() || !is_text || filled.len() * 2 < names.len() {
            return 0;
        }
        let rows = || first.row + 1..=last.row.min(first.row + SAMPLE);
        let has_other = names.iter().any(|&(column, _)| {
            rows().any(|row| !matches!(at(row, column).kind(), Kind::Text | Kind::Empty))
        });
        let has_same =
            || filled.iter().any(|&&(column, name)| rows().any(|row| at(row, column) == name));
        u32::from(has_other || !has_same())
    }

    /// The header of each column, from the left, for the register of columns.
    pub fn headers(&self) -> Vec<Option<String>> {
        headers(self.area, &self.layout, |cell| self.value(cell))
    }

    /// Whether the header of each column, from the left, may tell of other columns: a formula made
    /// it, or it stands in a merged cell of another column. Without formulas that is not known.
    pub fn computed_headers(&self) -> Vec<bool> {
        let (first, last) = (self.area.first(), self.area.last());
        let rows = header_rows(self.area, &self.layout);
        let merged = merged_headers(self.area, &self.layout);
        let is_computed = |cell: Cell| {
            let shown = merged.get(&cell).copied().unwrap_or(cell);
            let group = self.area.index(shown).and_then(|index| self.groups.ids.get(index));
            shown.column != cell.column || group.is_some_and(|&group| group != NONE)
        };
        let of_column = |column: u32| {
            !self.has_formulas || rows.clone().any(|row| is_computed(Cell { row, column }))
        };
        (first.column..=last.column).map(of_column).collect()
    }
}

impl Cleared<Grid> {
    /// The header of each column, from the left, from the cells that the caller sees.
    pub fn headers(&self) -> Vec<Option<String>> {
        headers(self.area(), self.layout(), |cell| self.value(cell))
    }
}

/// A header is the text of its cells from top to bottom. A cell that is merged with others has the
/// text of the first of them.
fn headers<'a>(
    area: Area,
    layout: &Layout,
    value: impl Fn(Cell) -> Option<&'a Value>,
) -> Vec<Option<String>> {
    let rows = header_rows(area, layout);
    let merged = merged_headers(area, layout);
    let header = |column: u32| {
        let mut names: Vec<String> = Vec::new();
        for row in rows.clone() {
            let cell = Cell { row, column };
            let cell = merged.get(&cell).copied().unwrap_or(cell);
            let name = value(cell).map(|value| value.to_string().trim().to_owned());
            let name = name.filter(|name| !fold(name).is_empty());
            if let Some(name) = name.filter(|name| names.last() != Some(name)) {
                names.push(name);
            }
        }
        (!names.is_empty()).then(|| names.join(JOIN))
    };
    (area.first().column..=area.last().column).map(header).collect()
}

/// The rows that have the headers.
fn header_rows(area: Area, layout: &Layout) -> Range<u32> {
    let first = area.first().row;
    first..first + layout.header_rows.min(area.rows())
}

/// The first of the merged cells, for each cell of the headers that is merged.
fn merged_headers(area: Area, layout: &Layout) -> HashMap<Cell, Cell> {
    let rows = header_rows(area, layout);
    let mut merged = HashMap::new();
    for &all in &layout.merged {
        let Some(shared) = all.intersection(area) else { continue };
        for row in rows.clone().filter(|row| (shared.first().row..=shared.last().row).contains(row))
        {
            for column in shared.first().column..=shared.last().column {
                merged.insert(Cell { row, column }, all.first());
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::address::Address;
    use crate::grid::{Denied, grid};

    #[test]
    fn the_first_row_has_headers_if_the_others_differ() {
        for (address, values, expected) in [
            ("A1:B3", json!([["Name", "Pay"], ["Ann", 5], ["Bob", 7]]), 1),
            ("A1:B2", json!([["Name", "City"], ["Ann", "Rome"]]), 1),
            ("A1:B2", json!([["Name", "City"], ["Ann", "City"]]), 0),
            ("A1:B2", json!([["Name", 2026], ["Ann", 5]]), 0),
            ("A1:B2", json!([["Name", "1,234"], ["Ann", 5]]), 0),
            ("A1:B1", json!([["Name", "Pay"]]), 0),
            ("A1:B2", json!([["", ""], ["Ann", 5]]), 0),
            ("A1:D2", json!([["Name", "", "", ""], ["Ann", 5, 6, 7]]), 0),
            ("A1:B2", json!([["Name", ""], ["Ann", 5]]), 1),
            ("A1:A2", json!([[1], [2]]), 0),
        ] {
            let whole = grid(json!({"address": address, "values": values}), 0, Layout::default());
            assert_eq!(whole.detect_header_rows(), expected, "{address}");
        }
    }

    fn sample(values: &Json, header_rows: u32, merged: &[&str]) -> Grid {
        let merged = merged.iter().map(|text| text.parse::<Address>().unwrap().area).collect();
        let layout = Layout { merged, ..Layout::default() };
        let body = json!({"address": "B2:D4", "values": values, "formulas": values});
        grid(body, header_rows, layout)
    }

    #[test]
    fn a_header_is_the_text_of_its_rows() {
        let values = json!([["Pay", "", " Name "], ["Base", "Bonus", "\u{200b}"], [1, 2, "Ann"]]);
        let headers = |rows, merged: &[&str]| {
            let all = sample(&values, rows, merged).headers();
            all.into_iter().map(|name| name.unwrap_or("-".to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(headers(0, &[]), ["-", "-", "-"]);
        assert_eq!(headers(1, &[]), ["Pay", "-", "Name"]);
        assert_eq!(headers(2, &[]), ["Pay / Base", "Bonus", "Name"]);
        assert_eq!(headers(2, &["B2:C2"]), ["Pay / Base", "Pay / Bonus", "Name"]);
        assert_eq!(headers(2, &["D2:D3"]), ["Pay / Base", "Bonus", "Name"]);
    }

    #[test]
    fn a_header_that_tells_of_other_columns_is_known() {
        let values = json!([["Pay", "Sum: 3", "Name"], ["Base", "Bonus", ""], [1, 2, "Ann"]]);
        let mut formulas = values.clone();
        formulas[0][1] = json!("=\"Sum: \"&SUM(B4:C4)");
        formulas[2][0] = json!("=C4-1");
        for (rows, merged, spills, expected) in [
            (0, None, None, [false, false, false]),
            // The formula below the headers is none of theirs.
            (1, None, None, [false, true, false]),
            (2, None, None, [false, true, false]),
            (2, Some("B3:C3"), None, [false, true, false]),
            (2, Some("C3:D3"), None, [false, true, true]),
            (2, Some("D2:D3"), None, [false, true, false]),
            (2, None, Some("C2:D2"), [false, true, true]),
        ] {
            let area = |text: &str| text.parse::<Address>().unwrap().area;
            let layout = Layout {
                merged: merged.map(area).into_iter().collect(),
                spills: spills.map(area).into_iter().collect(),
                ..Layout::default()
            };
            let body = json!({"address": "B2:D4", "values": values, "formulas": formulas});
            let found = grid(body, rows, layout).computed_headers();
            assert_eq!(found, expected, "{rows} {merged:?} {spills:?}");
        }
        let without = grid(json!({"address": "B2:D4", "values": values}), 1, Layout::default());
        assert_eq!(without.computed_headers(), [true, true, true]);
    }

    #[test]
    fn the_header_of_a_denied_column_names_no_other_column() {
        let values = json!([["Salary", "", "Name"], ["Base", "Bonus", ""], [1, 2, "Ann"]]);
        let cleared = sample(&values, 2, &["B2:C2"]).clear(&Denied(&[1]));
        let names = [None, Some("Bonus".to_owned()), Some("Name".to_owned())];
        assert_eq!(cleared.headers(), names);
    }
}
