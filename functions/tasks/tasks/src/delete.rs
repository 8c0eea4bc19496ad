//! `DELETE /tasks/{id}`.

use platform::http::{IfMatch, PathParameter};
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tasks::Tasks;

use crate::PATH;

/// `DELETE /tasks/{id}`.
pub struct DeleteTask {
    tasks: Tasks,
}

impl Endpoint for DeleteTask {
    const ROUTE: Route = routes::TASK_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::PreconditionFailed];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        self.tasks.delete(&request.caller.user_id, &id, IfMatch::of(request.call)).await
    }
}
