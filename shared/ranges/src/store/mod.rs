//! The table of ranges, and the graph of each workbook in it.

mod graphs;
mod heads;
mod pieces;

pub use graphs::{Graph, Graphs};
pub use heads::Heads;
pub use pieces::{Pieces, Place};
