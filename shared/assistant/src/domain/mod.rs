//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod cost;
mod effort;
mod model;
mod model_name;

pub use cost::{Budget, Cost};
pub use effort::Effort;
pub use model::{MessageRole, StopReason, Usage};
pub use model_name::ModelName;
