//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod cost;
mod model;

pub use cost::{Budget, Cost};
pub use model::{MessageRole, PromptName, StopReason, Usage};
