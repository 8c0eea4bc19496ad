//! `update_task`: another title, description or day of a task of the user.

use platform::domain::ResourceId;
use platform::http::{IfMatch, Schemas};
use platform::identity::Scope;
use platform::input::{Fields, Input};
use platform::limits::Policy;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_tasks::{Task, TaskChange, Tasks};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::task::{TaskId, title_of};
use crate::schema::together;
use crate::sentence::quoted;
use crate::tool::{About, Effect, Found, Given, Tool};

/// The tool.
pub struct UpdateTask {
    tasks: Tasks,
}

/// The task, and what changes of it.
pub struct TaskUpdate {
    id: ResourceId,
    change: TaskChange,
}

impl Tool for UpdateTask {
    const ABOUT: About = About {
        name: "update_task",
        title: "Change a task",
        description: "Changes the title, the description or the due date of a task of the user, \
                      and gives the task. The former values are lost. A field that you leave out \
                      stays as it is; null removes a description or a due date. `list_tasks` gives \
                      the ids of tasks.",
        scope: Scope::TasksWrite,
        roles: &[],
        effect: Effect::Destroy,
        idempotent: false,
        action: "task.updated",
        limits: &[Policy::TASKS_WRITE],
    };
    type Input = TaskUpdate;
    type Output = Task;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)? })
    }

    async fn preview(&self, given: Given<'_>, input: &TaskUpdate) -> Result<String, Problem> {
        let title = title_of(&self.tasks, given, &input.id).await?;
        Ok(format!("Change the task {title}: {}.", changes(&input.change)))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        TaskUpdate { id, change }: TaskUpdate,
    ) -> Result<Plan<Found<Task>>, Problem> {
        let (user_id, any) = (&given.caller.user_id, IfMatch::Absent);
        let plan = self.tasks.change(user_id, &id, change, any, given.now).await?;
        Ok(plan.map(|reply| reply.map(Found::from)))
    }

    fn summary(task: &Task) -> Option<String> {
        Some(format!("Changed the task {}.", quoted(&task.title)))
    }
}

impl Input for TaskUpdate {
    fn read(fields: &mut Fields) -> Option<Self> {
        let task = TaskId::read(fields);
        let change = TaskChange::read(fields);
        Some(Self { id: task?.id, change: change? })
    }
}

impl ToSchema for TaskUpdate {
    fn schemas(schemas: &mut Schemas) {
        TaskChange::schemas(schemas);
    }
}

impl PartialSchema for TaskUpdate {
    fn schema() -> RefOr<Schema> {
        together([TaskId::schema(), TaskChange::schema()])
    }
}

/// The changes in words. The person who confirms them sees a new description with the arguments.
fn changes(change: &TaskChange) -> String {
    let title = change.title.as_ref().map(|title| format!("title {}", quoted(title)));
    let description = change.description.as_ref().map(|text| {
        let which = if text.is_empty() { "no" } else { "another" };
        format!("{which} description")
    });
    let day = change.due_date.map(|day| match day {
        None => "no due date".to_owned(),
        Some(day) => format!("due on {day}"),
    });
    let changes: Vec<_> = title.into_iter().chain(description).chain(day).collect();
    if changes.is_empty() { "nothing".to_owned() } else { changes.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_told_in_words_as_they_will_be_stored() {
        for (arguments, expected) in [
            ("{}", "nothing"),
            (r#"{"title": " a\u202e “b” "}"#, "title “a \"b\"”"),
            (r#"{"description": "Long\ntext"}"#, "another description"),
            (r#"{"description": " \u0000"}"#, "no description"),
            (
                r#"{"title": "b", "description": null, "due_date": "2026-01-31"}"#,
                "title “b”, no description, due on 2026-01-31",
            ),
            (r#"{"due_date": null}"#, "no due date"),
        ] {
            let arguments = serde_json::from_str(arguments).unwrap();
            let change = Fields::json(arguments).read().unwrap();
            assert_eq!(changes(&change), expected);
        }
    }
}
