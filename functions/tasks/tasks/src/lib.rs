//! `POST|GET /tasks`, `GET|PATCH|DELETE /tasks/{id}`, `POST /tasks/{id}/complete`: the tasks of a
//! user.

mod create;
mod delete;
mod list;
mod read;
mod update;

use platform::http::PathParameter;

pub use create::CreateTask;
pub use delete::DeleteTask;
pub use list::{ListTasks, TasksQuery};
pub use read::ReadTask;
pub use update::{CompleteTask, UpdateTask};

/// The endpoints of this function.
pub type Endpoints = (CreateTask, ListTasks, ReadTask, UpdateTask, DeleteTask, CompleteTask);

/// The parameter of the paths below `/tasks`.
const PATH: &[PathParameter] = &[PathParameter::id("id", "Id of the task.")];
