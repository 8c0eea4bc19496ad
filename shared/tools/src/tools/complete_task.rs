//! `complete_task`: a task of the user is done.

use platform::identity::Scope;
use platform::limits::Policy;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_tasks::{Task, Tasks};

use super::task::{TaskId, title_of};
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// The tool.
pub struct CompleteTask {
    tasks: Tasks,
}

impl Tool for CompleteTask {
    const ABOUT: About = About {
        name: "complete_task",
        title: "Complete a task",
        description: "Marks a task of the user as completed, and gives it. A task that is \
                      completed already stays as it is. `list_tasks` gives the ids of tasks.",
        scope: Scope::TasksWrite,
        roles: &[],
        effect: Effect::Write,
        idempotent: true,
        action: "task.completed",
        limits: &[Policy::TASKS_WRITE],
    };
    type Input = TaskId;
    type Output = Task;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn preview(&self, given: Given<'_>, input: &TaskId) -> Result<String, Problem> {
        let title = title_of(&self.tasks, given, &input.id).await?;
        Ok(format!("Complete the task {title}."))
    }

    async fn handle(&self, given: Given<'_>, input: TaskId) -> Result<Plan<Found<Task>>, Problem> {
        let plan = self.tasks.complete(&given.caller.user_id, &input.id, given.now).await?;
        Ok(plan.map(|reply| reply.map(Found::from)))
    }

    fn summary(task: &Task) -> Option<String> {
        Some(format!("Completed the task {}.", quoted(&task.title)))
    }
}
