//! The messages that a stream sends.

use platform::socket::ServerMessage;
use serde::Serialize;
use tally_data::domain::ChartType;
use tally_data::store::Subscription;
use utoipa::ToSchema;

use crate::figures::{Figures, Point, Slice, figures};

/// One frame of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Data {
    /// Id of the stream.
    #[schema(format = "uuid")]
    pub subscription_id: String,
    /// Chart.
    pub chart_type: ChartType,
    /// Time at which the frame was made, RFC 3339 in UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub timestamp: String,
    /// Number of the frame: 1, 2, 3… without a gap, at any interval.
    pub sequence: u64,
    /// Points of a line or bar chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Point>, required = false)]
    pub points: Option<Vec<Point>>,
    /// Slices of a pie chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<Slice>, required = false)]
    pub slices: Option<Vec<Slice>>,
}

/// The server has ended a stream. A new subscription begins another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Ended {
    /// Id of the stream.
    #[schema(format = "uuid")]
    pub subscription_id: String,
    /// Why.
    pub reason: Reason,
}

/// Why a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The function that sends the stream has reached its time limit.
    Deadline,
    /// The session has ended, or the token of the connection has expired too long ago.
    SessionEnded,
    /// A part of the service did not answer for too long.
    Unavailable,
}

impl ServerMessage for Data {
    const TYPE: &'static str = "charts.data";
}

impl ServerMessage for Ended {
    const TYPE: &'static str = "charts.ended";
}

/// The current frame of a subscription. Every worker makes the same one.
impl From<&Subscription> for Data {
    fn from(held: &Subscription) -> Self {
        let (points, slices) = match figures(held.chart_type, held.sequence, &held.subscription_id)
        {
            Figures::Points(points) => (Some(points), None),
            Figures::Slices(slices) => (None, Some(slices)),
        };
        Self {
            subscription_id: held.subscription_id.clone(),
            chart_type: held.chart_type,
            timestamp: held.framed_at.clone().unwrap_or_default(),
            sequence: held.sequence,
            points,
            slices,
        }
    }
}
