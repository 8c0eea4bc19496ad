//! Tasks: what users have to do, and by when.
//!
//! - [`domain`]: a task, its texts, and the filters of a list
//! - [`Tasks`]: makes, reads, lists, changes, completes and deletes the tasks of a user
//! - [`TasksPurge`]: removal of the tasks of deleted accounts

pub mod domain;
mod store;
mod tasks;

pub use domain::{
    Description, NewTask, StatusFilter, Task, TaskChange, TaskFilters, TaskPlace, TaskSort,
    TaskStatus, Title,
};
pub use store::TasksPurge;
pub use tasks::Tasks;
