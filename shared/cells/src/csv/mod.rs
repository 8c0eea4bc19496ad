//! Comma-separated values, in and out.

mod line;
mod page;
mod table;

pub use line::Line;
pub use page::{MAX_BYTES, MAX_ROWS, Page, weigh};
pub use table::{CsvError, Table};
