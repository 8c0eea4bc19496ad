//! Uploaded ranges of cells, and the cells that a caller may have.
//!
//! - [`domain`]: the head of a range, and the data of an upload; [`events`]: details of events
//! - [`Ranges`]: uploads: `start`, `put_part`, `complete`, `delete`, `list`
//! - [`Reader`]: the cells of a range for a caller, cleared; [`Block`]: cells that a worker keeps, to
//!   clear some of them at each call
//! - [`RangesPurge`]: removal of the ranges of deleted accounts and workbooks
//! - [`tools`]: functions of cleared cells by which a model reads ranges
//!
//! A range is made of parts, and it never changes once it is complete. `store` keeps its head and
//! its cells in deflated pieces. For each workbook it keeps the graph of the columns that formulas
//! read.

mod about;
mod blob;
mod complete;
pub mod domain;
pub mod events;
mod profile;
mod purge;
mod put_part;
mod ranges;
mod reader;
mod start;
mod store;
mod stored_cells;
pub mod tools;

pub use profile::Profile;
pub use purge::RangesPurge;
pub use put_part::Arrival;
pub use ranges::Ranges;
pub use reader::{Block, CellReason, Opened, Reader, Sight};
