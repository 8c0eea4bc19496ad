//! `POST /tasks`.

use platform::http::{Created, Versioned, with_version};
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tasks::{NewTask, Task, Tasks};

/// `POST /tasks`. A repeated request whose task has gone is answered 404.
pub struct CreateTask {
    tasks: Tasks,
}

impl Endpoint for CreateTask {
    const ROUTE: Route = routes::TASK_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound, Code::TaskLimit];
    type Caller = Principal;
    type Body = NewTask;
    type Query = ();
    type Output = Created<Versioned<Task>>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<Versioned<Task>>>, Problem> {
        let plan = self.tasks.create(&request.caller.user_id, request.body, request.now)?;
        Ok(plan.map(created))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created_id: &str,
    ) -> Result<Plan<Created<Versioned<Task>>>, Problem> {
        let plan = self.tasks.created(&request.caller.user_id, created_id).await?;
        Ok(plan.map(created))
    }
}

/// The answer with the path of the task, and its version.
fn created(reply: Reply<Task>) -> Reply<Created<Versioned<Task>>> {
    let path = format!("/tasks/{}", reply.output().id);
    with_version(reply, |task| task.version).map(Created).location(&path)
}
