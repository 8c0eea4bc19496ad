//! Differences that a walk finds.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::ArchiveError;

/// A difference between the table and the log, or in the log itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuditFinding)]
pub struct Finding {
    /// Number of the entry in the log, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub index: Option<u64>,
    /// Id of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uuid")]
    pub id: Option<String>,
    /// The kind of difference.
    pub what: What,
}

/// The kind of a difference. `edited`: the table has another event than the log. `deleted`: the
/// table has lost an event. `inserted`: the log does not have an event of the table. `damaged`: a
/// file of the log is missing, or does not lead to the checkpoint. `truncated`: the first bundles
/// have gone before their time. `stale`: the newest checkpoint is missing, or older than ten
/// minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuditFindingKind)]
pub enum What {
    /// The table has another event than the log.
    Edited,
    /// The table has lost an event.
    Deleted,
    /// The log does not have an event of the table.
    Inserted,
    /// A file of the log is missing, or does not lead to the checkpoint.
    Damaged,
    /// The first bundles have gone before their time.
    Truncated,
    /// The newest checkpoint is missing, or older than ten minutes.
    Stale,
}

/// Why a walk ends early.
pub(crate) enum Stop {
    Found(Finding),
    Failed(ArchiveError),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Failed(error)
    }
}

/// The walk has found a difference at an entry.
pub(crate) fn found(index: u64, id: Option<&str>, what: What) -> Stop {
    Stop::Found(Finding { index: Some(index), id: id.map(str::to_owned), what })
}

/// A file of the log is missing, or is not what it should be.
pub(crate) fn damaged(error: &ArchiveError) -> Finding {
    tracing::error!(%error, "the sealed log is damaged");
    Finding { index: None, id: None, what: What::Damaged }
}
