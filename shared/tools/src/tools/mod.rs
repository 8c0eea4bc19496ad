//! The tools, each in a file of its own.

mod add_task;
mod aggregate;
mod complete_task;
mod delete_task;
mod find;
mod list_ranges;
mod list_tasks;
mod profits;
mod query_audit;
mod query_profits;
mod ranges;
mod read_cells;
mod summarize_profits;
mod task;
mod update_task;

use add_task::AddTask;
use aggregate::Aggregate;
use complete_task::CompleteTask;
use delete_task::DeleteTask;
use find::Find;
use list_ranges::ListRanges;
use list_tasks::ListTasks;
use query_audit::QueryAudit;
use query_profits::QueryProfits;
use read_cells::ReadCells;
use summarize_profits::SummarizeProfits;
use update_task::UpdateTask;

use crate::tool::Tool;

/// The names of all tools that an agent can have. A chat alone has `remember` and `forget`.
pub const NAMES: [&str; 14] = [
    "add_task",
    "aggregate",
    "complete_task",
    "delete_task",
    "find",
    "forget",
    "list_ranges",
    "list_tasks",
    "query_audit",
    "query_profits",
    "read_cells",
    "remember",
    "summarize_profits",
    "update_task",
];

/// Does something with each tool.
pub trait Visitor: Sized {
    /// The error that stops it.
    type Error;

    /// Visits one tool.
    fn tool<T: Tool>(self) -> Result<Self, Self::Error>;
}

/// Shows each tool but those of a chat alone to a visitor.
pub fn visit<V: Visitor>(visitor: V) -> Result<V, V::Error> {
    visitor
        .tool::<AddTask>()?
        .tool::<Aggregate>()?
        .tool::<CompleteTask>()?
        .tool::<DeleteTask>()?
        .tool::<Find>()?
        .tool::<ListRanges>()?
        .tool::<ListTasks>()?
        .tool::<QueryAudit>()?
        .tool::<QueryProfits>()?
        .tool::<ReadCells>()?
        .tool::<SummarizeProfits>()?
        .tool::<UpdateTask>()
}

#[cfg(test)]
mod tests;
