//! A subscription, and the payload that starts its worker.

use platform::domain::Peer;
use serde::{Deserialize, Serialize};

use crate::domain::{ChartType, Seq};

/// One subscription.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// API Gateway's id of the connection.
    pub connection_id: String,
    /// Chart.
    pub chart_type: ChartType,
    /// UUIDv7.
    pub subscription_id: String,
    /// Milliseconds between frames.
    pub interval_ms: u64,
    /// Which worker streams it.
    pub generation: u64,
    /// Number of the last frame that was begun; zero before the first.
    pub sequence: u64,
    /// When that frame was begun, RFC 3339: a worker that takes the stream over can make the same
    /// frame again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framed_at: Option<String>,
    /// Number of the client's newest message about this chart, where it numbers them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Time to live, seconds since 1970.
    pub expires_at: i64,
}

/// The payload that starts the worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamStart {
    /// API Gateway's id of the connection.
    pub connection_id: String,
    /// When the connection opened, milliseconds since 1970.
    pub connected_at: i64,
    /// Chart.
    pub chart_type: ChartType,
    /// The subscription to claim.
    pub subscription_id: String,
    /// The generation in which to claim it.
    pub generation: u64,
    /// Whether the worker has to announce the stream, because the function that started it could
    /// not.
    pub announce: bool,
}

impl StreamStart {
    /// The connection, as a sender has to know it.
    pub fn peer(&self) -> Peer<'_> {
        Peer { connection_id: &self.connection_id, connected_at: self.connected_at }
    }
}

/// State of an item that was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum SubscriptionState {
    /// A subscription.
    Live(Subscription),
    /// The rest of a subscription that has ended.
    Ended {
        /// Number of the client's newest message about this chart, where it numbers them.
        seq: Option<Seq>,
    },
}

impl SubscriptionState {
    /// Number of the client's newest message about this chart, where it numbers them.
    pub fn seq(&self) -> Option<Seq> {
        match self {
            Self::Live(subscription) => subscription.seq,
            Self::Ended { seq } => *seq,
        }
    }

    /// The subscription, if it has not ended.
    pub fn subscription(self) -> Option<Subscription> {
        match self {
            Self::Live(subscription) => Some(subscription),
            Self::Ended { .. } => None,
        }
    }
}
