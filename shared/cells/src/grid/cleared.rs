//! Cells without those that a caller may not see.

use super::Grid;
use crate::address::{Area, Cell};
use crate::issue::Codes;
use crate::layout::Layout;
use crate::value::Value;

/// The part of a grid that a caller may see. [`Grid::clear`] alone makes it, and nothing reads it
/// from storage.
#[derive(Clone, Debug)]
pub struct Cleared<G> {
    inner: G,
    /// Whether each column is shown, from the left.
    columns: Vec<bool>,
    /// Whether each cell is withheld, row by row.
    withheld: Vec<bool>,
}

/// The number of withheld columns and cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Withheld {
    /// Columns.
    pub columns: usize,
    /// Cells of other columns.
    pub cells: usize,
}

impl<G> Cleared<G> {
    pub(super) fn new(inner: G, columns: Vec<bool>, withheld: Vec<bool>) -> Self {
        Self { inner, columns, withheld }
    }
}

impl Cleared<Grid> {
    /// The rectangle.
    pub fn area(&self) -> Area {
        self.inner.area
    }

    /// How many rows at the top have the headers.
    pub fn header_rows(&self) -> u32 {
        self.inner.layout.header_rows
    }

    /// The surroundings of the cells.
    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// Whether the caller sees a column of the area.
    pub fn shows_column(&self, column: u32) -> bool {
        let place = column.checked_sub(self.area().first().column);
        let place = place.and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.columns.get(place)).copied().unwrap_or_default()
    }

    /// The value of a cell. None for a withheld one.
    pub fn value(&self, cell: Cell) -> Option<&Value> {
        let index = self.index(cell)?;
        (!self.withheld[index]).then(|| &self.inner.values[index])
    }

    /// The formula of a cell, if the caller may see it.
    pub fn formula(&self, cell: Cell) -> Option<&str> {
        self.inner.formulas[self.index(cell)?].as_deref()
    }

    /// The issues of a cell by itself.
    pub(crate) fn codes(&self, cell: Cell) -> Codes {
        self.index(cell).map_or_else(Codes::default, |index| self.inner.codes[index])
    }

    /// The number of withheld columns and cells.
    pub fn withheld(&self) -> Withheld {
        let columns = self.columns.iter().filter(|&&is_shown| !is_shown).count();
        let cells = self.withheld.iter().zip(self.columns.iter().cycle());
        let cells = cells.filter(|&(&is_withheld, &is_shown)| is_withheld && is_shown).count();
        Withheld { columns, cells }
    }

    /// The columns of the area that the caller sees.
    pub fn shown_columns(&self) -> impl Iterator<Item = u32> {
        let columns = self.area().first().column..=self.area().last().column;
        columns.filter(|&column| self.shows_column(column))
    }

    /// The rows below the headers.
    pub fn data_rows(&self) -> std::ops::RangeInclusive<u32> {
        self.area().first().row + self.header_rows()..=self.area().last().row
    }

    fn index(&self, cell: Cell) -> Option<usize> {
        self.area().index(cell).filter(|&index| index < self.withheld.len())
    }
}
