//! The table of this area: its key shape, item conversion and queries.

mod list;
mod purge;
mod tasks;

pub use purge::TasksPurge;
pub use tasks::{MOST_OPEN, Record, TaskTable};
