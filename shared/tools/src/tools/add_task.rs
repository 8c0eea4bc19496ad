//! `add_task`: a new task of the user.

use platform::idempotency::IdempotencyKey;
use platform::identity::Scope;
use platform::limits::Policy;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_tasks::{NewTask, Task, Tasks};

use crate::input::Keyed;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// The tool.
pub struct AddTask {
    tasks: Tasks,
}

impl Tool for AddTask {
    const ABOUT: About = About {
        name: "add_task",
        title: "Add a task",
        description: "Adds a task to the tasks of the user, and gives it with its id. The user can \
                      have 1,000 open tasks. Set `due_date` only if the user has named a day. If \
                      you have to send a call again, send the same `idempotency_key` with it: then \
                      it adds no second task.",
        scope: Scope::TasksWrite,
        roles: &[],
        effect: Effect::Write,
        idempotent: false,
        action: "task.created",
        limits: &[Policy::TASKS_WRITE],
    };
    type Input = Keyed<NewTask>;
    type Output = Task;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn preview(&self, _: Given<'_>, input: &Keyed<NewTask>) -> Result<String, Problem> {
        let NewTask { title, due_date, .. } = &input.input;
        let due = due_date.map(|day| format!(", due on {day}")).unwrap_or_default();
        Ok(format!("Add the task {}{due}.", quoted(title)))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        input: Keyed<NewTask>,
    ) -> Result<Plan<Found<Task>>, Problem> {
        let plan = self.tasks.create(&given.caller.user_id, input.input, given.now)?;
        Ok(plan.map(|reply| reply.map(Found::from)))
    }

    fn repetition(input: &Keyed<NewTask>) -> Option<&IdempotencyKey> {
        input.key.as_ref()
    }

    async fn repeat(
        &self,
        given: Given<'_>,
        _: Keyed<NewTask>,
        id: &str,
    ) -> Result<Plan<Found<Task>>, Problem> {
        let plan = self.tasks.created(&given.caller.user_id, id).await?;
        Ok(plan.map(|reply| reply.map(Found::from)))
    }

    fn summary(task: &Task) -> Option<String> {
        Some(format!("Added the task {}.", quoted(&task.title)))
    }
}
