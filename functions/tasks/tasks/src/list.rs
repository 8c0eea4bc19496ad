//! `GET /tasks`.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_tasks::{Task, TaskFilters, Tasks};
use utoipa::openapi::path::Parameter;

/// `GET /tasks`.
pub struct ListTasks {
    tasks: Tasks,
    cursors: Cursors,
}

/// The query parameters.
#[derive(Debug)]
pub struct TasksQuery {
    /// Which tasks are wanted, and in which order.
    pub filters: TaskFilters,
    /// The page to return.
    pub paging: Paging,
}

impl Input for TasksQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let filters = TaskFilters::read(fields);
        let paging = Paging::read(fields);
        Some(Self { filters: filters?, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for TasksQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<TaskFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListTasks {
    const ROUTE: Route = routes::TASKS;
    type Caller = Principal;
    type Body = ();
    type Query = TasksQuery;
    type Output = Page<Task>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<Task>>, Problem> {
        let (TasksQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open(paging, user_id, request.call).await?;
        // A hundred of the longest tasks have less than 1 MB, and Lambda takes 6 MB.
        let (tasks, next) =
            self.tasks.list(user_id, filters, after, paging.limit, usize::MAX).await?;
        Ok(Plan::reply(self.cursors.page(tasks, next, user_id, request.call).await?))
    }
}
