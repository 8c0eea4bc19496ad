//! Tools by which a model reads ranges. They are functions of cleared cells without I/O, so a tool
//! gives no more than its user may have. [`fence`] is the form for a model: texts from cells stand
//! in delimiters, as in prompts. Errors are for the model: they say what would be right, and have
//! nothing of a cell.

mod aggregate;
mod condition;
mod fence;
mod find;
mod input;
mod list_range;
mod read_cells;
mod view;

use cells::grid::{Cleared, Grid};

pub use aggregate::{Aggregate, Function, Statistic, Statistics, aggregate};
pub use condition::{Condition, Op};
pub use fence::{fence, shown, weigh};
pub use find::{Find, FoundCell, FoundCells, find};
pub use list_range::{ListedRange, list_range};
pub use read_cells::{CellRow, CellRows, ReadCells, read_cells, rectangle};
pub use view::{ListedColumn, address_of};

/// A range that a tool may read.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Its id.
    pub id: &'a str,
    /// The name of its sheet.
    pub sheet: &'a str,
    /// The cells that a model may have on behalf of the user.
    pub cells: &'a Cleared<Grid>,
    /// Whether hidden rows and columns may be read.
    pub include_hidden: bool,
}

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<O> {
    /// The output.
    pub output: O,
    /// The columns of the range that it came from.
    pub columns: Vec<u32>,
}

#[cfg(test)]
mod tests;
