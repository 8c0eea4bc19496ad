//! `PATCH /tasks/{id}`, `POST /tasks/{id}/complete`.

use platform::http::{IfMatch, PathParameter, Versioned, with_version};
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tasks::{Task, TaskChange, Tasks};

use crate::PATH;

/// `PATCH /tasks/{id}`. A completed task can be changed too, and stays completed.
pub struct UpdateTask {
    tasks: Tasks,
}

/// `POST /tasks/{id}/complete`. A second call answers like the first one.
pub struct CompleteTask {
    tasks: Tasks,
}

impl Endpoint for UpdateTask {
    const ROUTE: Route = routes::TASK_UPDATE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::PreconditionFailed];
    type Caller = Principal;
    type Body = TaskChange;
    type Query = ();
    type Output = Versioned<Task>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Versioned<Task>>, Problem> {
        let id = request.call.path_id("id")?;
        let (user_id, if_match) = (&request.caller.user_id, IfMatch::of(request.call));
        let plan = self.tasks.change(user_id, &id, request.body, if_match, request.now).await?;
        Ok(plan.map(versioned))
    }
}

impl Endpoint for CompleteTask {
    const ROUTE: Route = routes::TASK_COMPLETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = Versioned<Task>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Versioned<Task>>, Problem> {
        let id = request.call.path_id("id")?;
        let plan = self.tasks.complete(&request.caller.user_id, &id, request.now).await?;
        Ok(plan.map(versioned))
    }
}

/// The answer with the version of the task as `ETag`.
fn versioned(reply: Reply<Task>) -> Reply<Versioned<Task>> {
    with_version(reply, |task| task.version)
}
