//! What the tools of one task share.

use platform::Problem;
use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use tally_tasks::Tasks;
use utoipa::ToSchema;

use crate::sentence::quoted;
use crate::tool::Given;

/// A task of the user.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct TaskId {
    /// Id of the task, as `list_tasks` gives it.
    #[schema(
        value_type = String, format = "uuid", example = "019a0000-0000-7000-8000-000000000000"
    )]
    pub id: ResourceId,
}

impl Input for TaskId {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("id").map(|id| Self { id })
    }
}

/// The title of a task of the user, as a quotation.
pub async fn title_of(tasks: &Tasks, given: Given<'_>, id: &str) -> Result<String, Problem> {
    let task = tasks.get(&given.caller.user_id, id).await?.ok_or_else(Problem::not_found)?;
    Ok(quoted(&task.title))
}
