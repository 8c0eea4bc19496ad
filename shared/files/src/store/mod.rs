//! The table of this area: its key shape, item conversion and queries.

mod files;
mod list;
mod record;

pub use files::{FilesTable, Held};
pub use record::{Origin, Record, Terms};
