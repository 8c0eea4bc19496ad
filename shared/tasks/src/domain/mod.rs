//! Types that parse once at the edge. They do no I/O, and a value that exists is a valid one.

mod filters;
mod new_task;
mod place;
mod task;
mod text;

pub use filters::{StatusFilter, TaskFilters, TaskSort};
pub use new_task::{NewTask, TaskChange};
pub use place::TaskPlace;
pub use task::{Task, TaskStatus};
pub use text::{Description, Title};
