//! An item as its user sees it.

use assistant::domain::{Cost, Usage};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::error::JobError;
use super::kind::ItemStatus;

/// An item of a job: one call of a model, with its attempts.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct JobItem {
    /// Its index in the job, from 0.
    #[schema(example = 7)]
    pub index: u32,
    /// Its state.
    pub status: ItemStatus,
    /// Attempts at its call in this round. One that the provider turned away, as in an outage, does
    /// not count.
    #[schema(example = 1)]
    pub attempts: u32,
    /// The result. Absent unless it has succeeded. A piece of an analysis has `findings`; with a
    /// prompt of another form it has `output` (JSON) or `text`. The last item of an analysis has
    /// `summary`. An item of an evaluation has `version`, `case`, `repetition`, `text`, `scores` and
    /// `latency_ms`. Items of a batch have none: read `GET /batches/{id}/results`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<std::collections::HashMap<String, Value>>)]
    pub result: Option<Value>,
    /// Why it has none. Absent unless it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<JobError>,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Cost of all attempts, in US dollars.
    #[schema(value_type = String, example = "0.0125")]
    pub cost_usd: Cost,
    /// Whether tokens and cost are estimated, because a call did not end. Absent if they are not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub estimated: bool,
}
