//! A job as its user sees it.

use assistant::domain::{Cost, Usage};
use serde::Serialize;
use tally_prompts::domain::Pinned;
use utoipa::ToSchema;

use super::counts::Counts;
use super::error::JobError;
use super::kind::{JobKind, JobStatus};
use super::outcome::{AnalysisOutcome, EvaluationOutcome};

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// Its kind.
    pub kind: JobKind,
    /// Its state.
    pub status: JobStatus,
    /// Its title.
    #[schema(example = "Review of the contract")]
    pub title: String,
    /// The version of the prompt. Of an evaluation, the first one.
    pub prompt: Pinned,
    /// How many items are in which state.
    pub counts: Counts,
    /// Tokens so far.
    pub usage: Usage,
    /// Cost so far, in US dollars.
    #[schema(value_type = String, example = "0.0125")]
    pub cost_usd: Cost,
    /// Amount of your budget that is held for it, in US dollars.
    #[schema(value_type = String, example = "0.25")]
    pub held_usd: Cost,
    /// Why it ended before all of its items were tried. Absent if there was no such reason, and
    /// after a cancel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<JobError>,
    /// The analysis that it repeats. Absent if it repeats none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = "uuid")]
    pub rerun_of: Option<String>,
    /// What the analysis as a whole gives. Absent until it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub analysis: Option<AnalysisOutcome>,
    /// What the evaluation as a whole gives. Absent until it has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub evaluation: Option<EvaluationOutcome>,
    /// Grows with each change of the job.
    #[schema(example = 12)]
    pub revision: u64,
    /// Time of its request, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// Time at which a worker first began it. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:30:00.120Z")]
    pub started_at: Option<String>,
    /// Time at which it ended. Absent until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = DateTime, example = "2026-01-31T09:30:12.000Z")]
    pub ended_at: Option<String>,
    /// Time from which on it is gone, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-05-01T09:30:00.000Z")]
    pub expires_at: String,
}
