//! Chart subscriptions. `charts.subscribe`, a `$connect` that subscribes at once, and the streaming
//! worker share this code.

use futures_util::FutureExt as _;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::socket::ServerMessage;
use platform::store::Connection;
use platform::worker::Invoker;
use platform::{ConfigError, Plan, Platform, Problem, ids};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::{ChartType, Interval, Seq};
use crate::store::{StreamStart, Subscription, SubscriptionState, Subscriptions};

/// Begins subscriptions and changes their interval.
#[derive(Debug, Clone)]
pub struct Charts {
    subscriptions: Subscriptions,
    stream: Invoker,
}

/// A stream of frames has begun, or its interval has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Subscribed {
    /// UUIDv7, in every frame of the stream.
    #[schema(format = "uuid")]
    pub subscription_id: String,
    /// Chart.
    pub chart_type: ChartType,
    /// Milliseconds between frames.
    #[schema(example = 2000)]
    pub interval_ms: u64,
}

impl ServerMessage for Subscribed {
    const TYPE: &'static str = "charts.subscribed";
}

/// How a client learns that its stream has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// As the answer to its message.
    Answer,
    /// By the worker: nothing can be posted to a connection that is still opening.
    Worker,
}

impl From<&Subscription> for Subscribed {
    fn from(subscription: &Subscription) -> Self {
        Self {
            subscription_id: subscription.subscription_id.clone(),
            chart_type: subscription.chart_type,
            interval_ms: subscription.interval_ms,
        }
    }
}

impl Charts {
    /// Uses the tables and the worker that `SUBSCRIPTIONS_TABLE` and `CHART_STREAM_ARN` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            subscriptions: Subscriptions::new(platform)?,
            stream: Invoker::new(&platform.config, "CHART_STREAM_ARN")?,
        })
    }

    /// Subscribes a connection to a chart, or changes the interval if it has subscribed before.
    /// Either way a new worker starts, and a worker that streams already stops before its next
    /// frame. `seq` is the client's number of its message. A message that is older than one that
    /// has been processed is refused.
    pub fn subscribe(
        &self,
        connection: &Connection,
        (chart_type, interval): (ChartType, Interval),
        seq: Option<Seq>,
        announce: Announce,
        now: Timestamp,
    ) -> Result<Plan<Option<Subscribed>>, Problem> {
        let subscription = Subscription {
            connection_id: connection.connection_id.clone(),
            chart_type,
            subscription_id: ids::new_id(now),
            interval_ms: interval.milliseconds(),
            generation: 1,
            sequence: 0,
            framed_at: None,
            seq,
            expires_at: Connection::expiry(connection.connected_at),
        };
        self.clone().plan(connection.connected_at, subscription, None, announce)
    }

    /// Writes the subscription in place of the one that was `found`. If the stored one has changed
    /// by then, it plans again from that.
    #[allow(clippy::unnecessary_wraps, reason = "a plan that is made again may fail")]
    fn plan(
        self,
        connected_at: i64,
        mut subscription: Subscription,
        found: Option<Subscription>,
        announce: Announce,
    ) -> Result<Plan<Option<Subscribed>>, Problem> {
        let write = match found {
            None => self.subscriptions.begin(&subscription),
            Some(found) => {
                let write =
                    self.subscriptions.change(&found, subscription.interval_ms, subscription.seq);
                subscription.subscription_id = found.subscription_id;
                subscription.generation = found.generation + 1;
                write
            }
        };
        let details = AuditDetails::default()
            .resource("subscription", &subscription.subscription_id)
            .detail("chart_type", subscription.chart_type.as_str())
            .detail("interval_ms", subscription.interval_ms);
        let start = StreamStart {
            connection_id: subscription.connection_id.clone(),
            connected_at,
            chart_type: subscription.chart_type,
            subscription_id: subscription.subscription_id.clone(),
            generation: subscription.generation,
            announce: announce == Announce::Worker,
        };
        let stream = self.stream.clone();
        let subscribed = Subscribed::from(&subscription);
        let retry = move |old| {
            async move {
                let found = Option::map(old, |item| self.subscriptions.read(item)).transpose()?;
                if let Some(newest) = found
                    .as_ref()
                    .and_then(SubscriptionState::seq)
                    .filter(|newest| subscription.seq.is_some_and(|seq| seq < *newest))
                {
                    return Err(Problem::overtaken(newest.number()));
                }
                self.plan(
                    connected_at,
                    subscription,
                    found.and_then(SubscriptionState::subscription),
                    announce,
                )
            }
            .boxed()
        };
        let then = move || {
            async move {
                stream.start(&start).await?;
                Ok(None)
            }
            .boxed()
        };
        Ok(Plan::reply(Some(subscribed))
            .write_or_retry(write, Box::new(retry))
            .details(details)
            .after_commit(Box::new(then)))
    }
}
