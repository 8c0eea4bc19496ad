//! `GET /tasks/{id}`.

use platform::http::{PathParameter, WithETag, unless_known};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tasks::{Task, Tasks};

use crate::PATH;

/// `GET /tasks/{id}`.
pub struct ReadTask {
    tasks: Tasks,
}

impl Endpoint for ReadTask {
    const ROUTE: Route = routes::TASK;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = WithETag<Task>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<WithETag<Task>>, Problem> {
        let id = request.call.path_id("id")?;
        let task = self.tasks.get(&request.caller.user_id, &id).await?;
        let task = task.ok_or_else(Problem::not_found)?;
        let version = task.version;
        Ok(Plan::reply(unless_known(request.call, task, version)))
    }
}
