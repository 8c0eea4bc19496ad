//! The table of prompts.

mod head;
mod prompts;

pub use head::{Head, MOST_LABELS, Move};
pub use prompts::{Current, Prompts};
