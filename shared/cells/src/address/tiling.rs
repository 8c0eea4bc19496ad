//! Parts that cover an area without a gap and without an overlap.

use super::{Area, Cell};

/// Why parts don't tile an area. Parts count from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// A part has a cell outside the area.
    #[error("part {part} has the cell {cell}, which is outside the range")]
    Outside {
        /// The part.
        part: usize,
        /// Its first such cell.
        cell: Cell,
    },
    /// Two parts have the same cell.
    #[error("parts {first} and {second} both have the cell {cell}")]
    Overlap {
        /// The earlier part.
        first: usize,
        /// The later part.
        second: usize,
        /// The first cell that both have.
        cell: Cell,
    },
    /// No part has a cell.
    #[error("no part has the cell {cell}")]
    Gap {
        /// The first such cell by rows.
        cell: Cell,
    },
}

/// Checks that parts cover each cell of an area once.
pub fn tile(area: Area, parts: &[Area]) -> Result<(), Misfit> {
    for (index, &part) in parts.iter().enumerate() {
        if !area.covers(part) {
            let cell = if area.contains(part.first()) { part.last() } else { part.first() };
            return Err(Misfit::Outside { part: index + 1, cell });
        }
        let earlier = parts[..index].iter().enumerate();
        for (other, &earlier) in earlier {
            if let Some(shared) = part.intersection(earlier) {
                let cell = shared.first();
                return Err(Misfit::Overlap { first: other + 1, second: index + 1, cell });
            }
        }
    }
    // Without overlaps the parts cover the area if they have as many cells.
    if parts.iter().map(|part| part.cells()).sum::<u64>() == area.cells() {
        return Ok(());
    }
    Err(Misfit::Gap { cell: gap(area, parts) })
}

/// The first cell by rows that no part has. A gap begins at an edge of the area or behind a part.
fn gap(area: Area, parts: &[Area]) -> Cell {
    let rows = parts.iter().map(|part| part.last().row + 1).chain([area.first().row]);
    let columns = parts.iter().map(|part| part.last().column + 1).chain([area.first().column]);
    let mut rows: Vec<_> = rows.collect();
    let mut columns: Vec<_> = columns.collect();
    rows.sort_unstable();
    columns.sort_unstable();
    let cells =
        rows.into_iter().flat_map(|row| columns.iter().map(move |&column| Cell { row, column }));
    let is_free =
        |cell: &Cell| area.contains(*cell) && !parts.iter().any(|part| part.contains(*cell));
    cells.into_iter().find(is_free).unwrap_or(area.last())
}

#[cfg(test)]
mod tests {
    use super::super::Address;
    use super::*;

    fn area(text: &str) -> Area {
        text.parse::<Address>().unwrap().area
    }

    #[test]
    fn parts_cover_each_cell_once() {
        for (whole, parts, expected) in [
            ("A1:D10", &["A1:D10"][..], ""),
            ("A1:D10", &["A1:D5", "A6:D10"], ""),
            ("A1:D10", &["A6:D10", "A1:B5", "C1:D5"], ""),
            ("B2:D4", &["B2:C2", "D2:D3", "C4:D4", "B3:B4", "C3"], ""),
            ("A1:D10", &[], "no part has the cell A1"),
            ("A1:D10", &["A1:D5", "A7:D10"], "no part has the cell A6"),
            ("A1:D10", &["A1:C10"], "no part has the cell D1"),
            ("A1:D10", &["A1:C10", "D2:D10"], "no part has the cell D1"),
            ("B2:D4", &["B2:C2", "D2:D3", "C4:D4", "B3:B4"], "no part has the cell C3"),
            ("A1:D10", &["A1:D5", "D5:D10"], "parts 1 and 2 both have the cell D5"),
            ("A1:D10", &["A1:D10", "A1:D10"], "parts 1 and 2 both have the cell A1"),
            ("A1:D10", &["A1:D11"], "part 1 has the cell D11, which is outside the range"),
            ("B2:D10", &["B2:D10", "A1"], "part 2 has the cell A1, which is outside the range"),
        ] {
            let parts: Vec<_> = parts.iter().map(|part| area(part)).collect();
            let found = tile(area(whole), &parts)
                .map_or_else(|misfit| misfit.to_string(), |()| String::new());
            assert_eq!(found, expected, "{whole} {parts:?}");
        }
    }

    #[test]
    fn a_cell_has_one_index() {
        let area = area("B2:D4");
        for index in 0..9 {
            assert_eq!(area.index(area.cell(index).unwrap()), Some(index));
        }
        assert_eq!(area.cell(9), None);
        assert_eq!(area.index(Cell { row: 0, column: 1 }), None);
        assert_eq!(area.index(Cell { row: 1, column: 4 }), None);
    }
}
