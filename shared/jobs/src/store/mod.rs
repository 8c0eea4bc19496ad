//! The tables of jobs.

mod head;
mod items;
mod jobs;
mod list;

pub use head::{Head, Origin, ROUND_MS, Rest, Spent};
pub use items::{Item, ItemState, Items};
pub use jobs::{Due, Jobs, MOST_OPEN, Saved};
pub use list::JobPlace;
