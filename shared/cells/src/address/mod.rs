//! Addresses of one rectangle: `B2:D14`, `'P&L'!$A$1`, `A:C`, `1:5`, and the same in R1C1 style.

mod parse;
mod print;
mod sheet;
mod tiling;

pub use parse::AddressError;
pub(crate) use parse::column_number;
pub use print::column_letters;
pub use sheet::is_sheet_name;
pub use tiling::{Misfit, tile};

/// Rows of a sheet.
pub const ROWS: u32 = 1_048_576;

/// Columns of a sheet.
pub const COLUMNS: u32 = 16_384;

/// A cell by row and column, both from zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Row, from zero.
    pub row: u32,
    /// Column, from zero.
    pub column: u32,
}

/// A rectangle of cells. Rows and columns count from zero; the last ones belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Area {
    top: u32,
    left: u32,
    bottom: u32,
    right: u32,
}

/// An area of a sheet. Without a sheet's name, the context says which one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Name of the sheet, unquoted.
    pub sheet: Option<String>,
    /// The rectangle.
    pub area: Area,
}

/// How an address is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// `B2:D14`
    #[default]
    A1,
    /// `R2C2:R14C4`
    R1C1,
}

impl Area {
    /// The rectangle between two corners, in any order. None outside a sheet.
    pub fn new(one: Cell, other: Cell) -> Option<Self> {
        let fits = |cell: Cell| cell.row < ROWS && cell.column < COLUMNS;
        (fits(one) && fits(other)).then(|| Self {
            top: one.row.min(other.row),
            left: one.column.min(other.column),
            bottom: one.row.max(other.row),
            right: one.column.max(other.column),
        })
    }

    /// The first cell.
    pub fn first(self) -> Cell {
        Cell { row: self.top, column: self.left }
    }

    /// The last cell.
    pub fn last(self) -> Cell {
        Cell { row: self.bottom, column: self.right }
    }

    /// How many rows it has.
    pub fn rows(self) -> u32 {
        self.bottom - self.top + 1
    }

    /// How many columns it has.
    pub fn columns(self) -> u32 {
        self.right - self.left + 1
    }

    /// How many cells it has.
    pub fn cells(self) -> u64 {
        u64::from(self.rows()) * u64::from(self.columns())
    }

    /// Whether it has a cell.
    pub fn contains(self, cell: Cell) -> bool {
        (self.top..=self.bottom).contains(&cell.row)
            && (self.left..=self.right).contains(&cell.column)
    }

    /// Whether it has each cell of another area.
    pub fn covers(self, other: Self) -> bool {
        self.contains(other.first()) && self.contains(other.last())
    }

    /// The cells that two areas share.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let shared = Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.min(other.bottom),
            right: self.right.min(other.right),
        };
        (shared.top <= shared.bottom && shared.left <= shared.right).then_some(shared)
    }

    /// Where a cell stands in a row-major list of the area's cells. None outside the area.
    pub fn index(self, cell: Cell) -> Option<usize> {
        let row = usize::try_from(cell.row - self.top.min(cell.row)).ok()?;
        let column = usize::try_from(cell.column - self.left.min(cell.column)).ok()?;
        let columns = usize::try_from(self.columns()).ok()?;
        self.contains(cell).then_some(row * columns + column)
    }

    /// The cell at an index of a row-major list.
    pub fn cell(self, index: usize) -> Option<Cell> {
        let index = u64::try_from(index).ok().filter(|&index| index < self.cells())?;
        let columns = u64::from(self.columns());
        let row = u32::try_from(index / columns).ok()?;
        let column = u32::try_from(index % columns).ok()?;
        Some(Cell { row: self.top + row, column: self.left + column })
    }
}
