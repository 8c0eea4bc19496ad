//! `list_tasks`: tasks of the user, page by page.

use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page};
use platform::identity::Scope;
use platform::{ConfigError, Plan, Platform, Problem};
use tally_tasks::{Task, TaskFilters, Tasks};

use crate::cut::{Cut, LIST_BYTES};
use crate::input::Paged;
use crate::tool::{About, CALLED, Effect, Found, Given, Tool};

/// More bytes than the JSON of a task has, whose title has up to 200 characters and whose
/// description has up to 2,000.
const LARGEST: usize = 10 * 1_024;

/// The tool.
pub struct ListTasks {
    tasks: Tasks,
    cursors: Cursors,
}

impl Tool for ListTasks {
    const ABOUT: About = About {
        name: "list_tasks",
        title: "List tasks",
        description: "Lists tasks of the user: by default the open ones, the newest first. `query` \
                      finds tasks by their titles. The list goes on if `next_cursor` is not null: \
                      call again with it as `cursor`, and with the same filters. `truncated` says \
                      that the answer was cut to 32 KB.",
        scope: Scope::TasksRead,
        roles: &[],
        effect: Effect::Read,
        idempotent: false,
        action: CALLED,
        limits: &[],
    };
    type Input = Paged<TaskFilters>;
    type Output = Cut<Page<Task>>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tasks: Tasks::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn preview(&self, _: Given<'_>, _: &Paged<TaskFilters>) -> Result<String, Problem> {
        Ok("Read your tasks.".to_owned())
    }

    async fn handle(
        &self,
        given: Given<'_>,
        Paged { filters, paging }: Paged<TaskFilters>,
    ) -> Result<Plan<Found<Cut<Page<Task>>>>, Problem> {
        let Given { caller, arguments, .. } = given;
        let (user_id, name) = (caller.user_id.as_str(), Self::ABOUT.name);
        let after = self.cursors.open_for_tool(user_id, name, arguments).await?;
        let (items, next) =
            self.tasks.list(user_id, &filters, after, paging.limit, LIST_BYTES).await?;
        let truncated = next.is_some() && items.len() < paging.limit && is_full(&items);
        let next_cursor =
            self.cursors.seal_for_tool(next.as_ref(), user_id, name, arguments).await?;
        let details = AuditDetails::default().detail("rows", items.len());
        let output = Cut::page(Page { items, next_cursor }, truncated);
        Ok(Plan::reply(Found::from(output)).details(details))
    }
}

/// Whether another task might have no room. A page with room for every task has ended for another
/// reason: a search reads a bounded piece.
fn is_full(items: &[Task]) -> bool {
    let bytes = serde_json::to_vec(items).map_or(0, |json| json.len());
    bytes + LARGEST > LIST_BYTES
}
