//! Addresses as text, which parses to the same address again.

use std::fmt;

use super::sheet::write_sheet;
use super::{Address, Area, COLUMNS, Cell, ROWS, Style};

/// The letters of a column that counts from zero: `A` of 0, `XFD` of 16,383.
pub fn column_letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let letter = u8::try_from((rest - 1) % 26).unwrap_or_default();
        letters.push(char::from(b'A' + letter));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().rev().collect()
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", column_letters(self.column), self.row + 1)
    }
}

impl fmt::Display for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first(), self.last());
        if self.is_whole_columns() {
            write!(f, "{}:{}", column_letters(first.column), column_letters(last.column))
        } else if self.is_whole_rows() {
            write!(f, "{}:{}", first.row + 1, last.row + 1)
        } else if first == last {
            write!(f, "{first}")
        } else {
            write!(f, "{first}:{last}")
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(sheet) = &self.sheet {
            write_sheet(f, sheet)?;
        }
        write!(f, "{}", self.area)
    }
}

impl Address {
    /// The address in a style.
    pub fn styled(&self, style: Style) -> impl fmt::Display {
        fmt::from_fn(move |f| match style {
            Style::A1 => write!(f, "{self}"),
            Style::R1C1 => {
                if let Some(sheet) = &self.sheet {
                    write_sheet(f, sheet)?;
                }
                self.area.write_r1c1(f)
            }
        })
    }
}

impl Area {
    fn is_whole_columns(self) -> bool {
        self.rows() == ROWS
    }

    fn is_whole_rows(self) -> bool {
        self.columns() == COLUMNS
    }

    fn write_r1c1(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (self.first(), self.last());
        let corner = |cell: Cell| {
            if self.is_whole_columns() {
                format!("C{}", cell.column + 1)
            } else if self.is_whole_rows() {
                format!("R{}", cell.row + 1)
            } else {
                format!("R{}C{}", cell.row + 1, cell.column + 1)
            }
        };
        let (first, last) = (corner(first), corner(last));
        if first == last { f.write_str(&first) } else { write!(f, "{first}:{last}") }
    }
}
