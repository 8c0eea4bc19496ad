//! `delete_task`: the end of a task of the user.

use platform::http::IfMatch;
use platform::identity::Scope;
use platform::limits::Policy;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_tasks::Tasks;
use utoipa::ToSchema;

use super::task::{TaskId, title_of};
use crate::tool::{About, Effect, Found, Given, Tool};

/// The tool.
pub struct DeleteTask {
    tasks: Tasks,
}

/// The task that there is no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct DeletedTask {
    /// Its id.
    #[schema(format = "uuid")]
    pub id: String,
    /// True.
    pub deleted: bool,
}

impl Tool for DeleteTask {
    const ABOUT: About = About {
        name: "delete_task",
        title: "Delete a task",
        description: "Deletes a task of the user for good. Use `complete_task` for a task that is \
                      done. `list_tasks` gives the ids of tasks.",
        scope: Scope::TasksWrite,
        roles: &[],
        effect: Effect::Destroy,
        idempotent: true,
        action: "task.deleted",
        limits: &[Policy::TASKS_WRITE],
    };
    type Input = TaskId;
    type Output = DeletedTask;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn preview(&self, given: Given<'_>, input: &TaskId) -> Result<String, Problem> {
        let title = title_of(&self.tasks, given, &input.id).await?;
        Ok(format!("Delete the task {title}."))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        input: TaskId,
    ) -> Result<Plan<Found<DeletedTask>>, Problem> {
        let plan = self.tasks.delete(&given.caller.user_id, &input.id, IfMatch::Absent).await?;
        let id = String::from(input.id);
        Ok(plan.map(move |reply| {
            reply.map(|()| Found::from(DeletedTask { id: id.clone(), deleted: true }))
        }))
    }

    fn summary(_: &DeletedTask) -> Option<String> {
        Some("Deleted the task.".to_owned())
    }
}
