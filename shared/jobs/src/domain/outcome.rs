//! What a job as a whole gives, beside the results of its items.

use std::collections::BTreeMap;

use assistant::domain::Cost;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::finding::Severity;

/// What a job as a whole gives. A batch gives nothing of this kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Of an analysis.
    Analysis(AnalysisOutcome),
    /// Of an evaluation.
    Evaluation(EvaluationOutcome),
}

/// What an analysis as a whole gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnalysisOutcome {
    /// The summary, by a last call. Absent if that call failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "Two sums may overflow.")]
    pub summary: Option<String>,
    /// Number of findings by severity.
    #[schema(example = json!({"high": 2}))]
    pub findings: BTreeMap<Severity, u32>,
}

/// What an evaluation as a whole gives.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EvaluationOutcome {
    /// The versions, in the order in which they were asked for.
    pub versions: Vec<VersionScores>,
}

/// The scores of a version of the prompt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VersionScores {
    /// The version.
    #[schema(example = 7)]
    pub version: u32,
    /// Calls that were answered.
    #[schema(example = 40)]
    pub answered: u32,
    /// Calls that failed. They count in no score.
    #[schema(example = 0)]
    pub failed: u32,
    /// The scores by check.
    pub scores: BTreeMap<String, Score>,
    /// Cost of its calls, in US dollars.
    #[schema(value_type = String, example = "0.0125")]
    pub cost_usd: Cost,
    /// Time of its calls in milliseconds.
    pub latency_ms: Score,
}

/// The mean and the standard deviation of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// Their mean.
    #[schema(example = 0.95)]
    pub mean: f64,
    /// Their standard deviation.
    #[schema(example = 0.05)]
    pub spread: f64,
}
