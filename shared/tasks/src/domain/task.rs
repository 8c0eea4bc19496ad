//! A task as its user sees it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that a user has to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Task {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// For people, on one line. It may have markup, as it was typed.
    #[schema(example = "Close the books of May")]
    pub title: String,
    /// For people. Empty if there is none.
    #[schema(example = "Accruals first, then the intercompany accounts.")]
    pub description: String,
    /// The day on which it is due, or null.
    #[schema(format = Date, required, example = "2026-06-05")]
    pub due_date: Option<String>,
    /// Whether it is done.
    pub status: TaskStatus,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time of the last change, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub updated_at: String,
    /// Time of its completion, RFC 3339 in UTC, or null.
    #[schema(format = DateTime, required)]
    pub completed_at: Option<String>,
    /// Counts its changes, from 1. The `ETag` has it.
    #[schema(example = 1)]
    pub version: u64,
}

/// Whether a task is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    /// It has still to be done.
    Open,
    /// It is done.
    Completed,
}

impl TaskStatus {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_stored_and_sent_by_the_same_word() {
        for status in [TaskStatus::Open, TaskStatus::Completed] {
            assert_eq!(json!(status), status.as_str());
        }
    }
}
