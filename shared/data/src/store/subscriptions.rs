//! The table of chart subscriptions.
//!
//! Key: `connection_id`, `chart_type`. `subscription_id` and `generation` say which worker streams
//! it. Each change of pace raises the generation, and so does each worker that claims the
//! subscription. So a worker that has been replaced learns of it by its next update. A second
//! delivery of the same start finds nothing to claim. `sequence` numbers the last frame begun.
//!
//! API Gateway does not keep the order of messages, so `seq` is the client's own number of the
//! newest message that was processed. A subscription that ends leaves its item without a
//! `subscription_id`. That item keeps `seq` until the connection's expiry, so an older message that
//! arrives later cannot begin the stream again.

use jiff::Timestamp;
use platform::clock::rfc3339;
use platform::database::{Database, Expression, Item, StoreError, Write, key2, n, query, read, s};
use platform::domain::Peer;
use platform::{ConfigError, Platform};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::{ChartType, Seq};

/// The subscriptions' table.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    database: Database,
    table: String,
}

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

impl Subscriptions {
    /// Uses the table that `SUBSCRIPTIONS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("SUBSCRIPTIONS_TABLE")?.to_owned(),
        })
    }

    /// A new subscription. The condition fails where the connection has one to this chart, or has
    /// sent a newer message about it; see [`Subscriptions::read`].
    pub fn begin(&self, subscription: &Subscription) -> Write {
        let expression = Expression::default()
            .name("sequence", "sequence")
            .value("subscription", s(&subscription.subscription_id))
            .value("interval", n(subscription.interval_ms))
            .value("generation", n(subscription.generation))
            .value("none", n(subscription.sequence))
            .value("expires", n(subscription.expires_at));
        let update = "SET subscription_id = :subscription, interval_ms = :interval, generation = \
                      :generation, #sequence = :none, \
                      expires_at = :expires";
        let (update, condition, expression) = numbered(
            subscription.seq,
            update,
            Some("attribute_not_exists(subscription_id)"),
            expression,
        );
        let key = subscription_key(&subscription.connection_id, subscription.chart_type);
        Write::update(&self.table, key, &update, condition.as_deref(), &expression)
    }

    /// Gives a subscription another pace and its next generation, if nothing has changed it since
    /// it was `found`. Its sequence stays, because a worker may be counting at this moment.
    pub fn change(&self, found: &Subscription, interval_ms: u64, seq: Option<Seq>) -> Write {
        let expression = as_held(&found.subscription_id, found.generation)
            .value("next", n(found.generation + 1))
            .value("interval", n(interval_ms));
        let key = subscription_key(&found.connection_id, found.chart_type);
        let (update, condition, expression) = numbered(
            seq,
            "SET generation = :next, interval_ms = :interval",
            Some(AS_HELD),
            expression,
        );
        Write::update(&self.table, key, &update, condition.as_deref(), &expression)
    }

    /// The state that a failed condition found: a subscription, or what one has left.
    pub fn read(&self, item: Item) -> Result<SubscriptionState, StoreError> {
        read(item)
    }

    /// Ends a subscription, if there is one and the client has sent no newer message about it.
    /// `expires_at` is that of the connection.
    pub fn end(
        &self,
        connection_id: &str,
        chart_type: ChartType,
        seq: Option<Seq>,
        expires_at: i64,
    ) -> Write {
        let expression =
            Expression::default().name("sequence", "sequence").value("expires", n(expires_at));
        let (update, condition, expression) =
            numbered(seq, "SET expires_at = :expires", None, expression);
        let key = subscription_key(connection_id, chart_type);
        Write::update(
            &self.table,
            key,
            &format!("{update}{END}"),
            condition.as_deref(),
            &expression,
        )
    }

    /// Makes a worker the one that streams a subscription, and moves the generation on to the
    /// worker's own. `None`: another worker has claimed it, or it has changed or ended. `claim` is
    /// the worker's own random text, with which it can repeat a claim whose answer was lost.
    pub async fn claim(
        &self,
        start: &StreamStart,
        claim: &str,
    ) -> Result<Option<Subscription>, StoreError> {
        let expression = as_held(&start.subscription_id, start.generation)
            .value("next", n(start.generation + 1))
            .value("claim", s(claim));
        let key = subscription_key(&start.connection_id, start.chart_type);
        let condition = "subscription_id = :subscription AND (generation = :generation OR \
                         (generation = :next AND claim = :claim))";
        self.database
            .update_if(
                &self.table,
                key,
                "SET generation = :next, claim = :claim",
                condition,
                &expression,
            )
            .await
    }

    /// Whether a worker still holds its stream.
    pub async fn is_held(&self, held: &Subscription) -> Result<bool, StoreError> {
        let key = subscription_key(&held.connection_id, held.chart_type);
        let found: Option<SubscriptionState> = self.database.get(&self.table, key, true).await?;
        let is_held = |found: Subscription| {
            found.subscription_id == held.subscription_id && found.generation == held.generation
        };
        Ok(found.and_then(SubscriptionState::subscription).is_some_and(is_held))
    }

    /// Begins the next frame of a worker's stream. `None`: the stream is not the worker's any more.
    /// The number is set, not added to. So the worker can repeat a request whose answer was lost,
    /// and no number is missing.
    pub async fn advance(
        &self,
        held: &Subscription,
        now: Timestamp,
    ) -> Result<Option<Subscription>, StoreError> {
        let expression = as_held(&held.subscription_id, held.generation)
            .name("sequence", "sequence")
            .value("next", n(held.sequence + 1))
            .value("at", s(rfc3339(now)))
            .value("now", n(now.as_second()));
        let key = subscription_key(&held.connection_id, held.chart_type);
        let condition = format!("{AS_HELD} AND #sequence <= :next AND expires_at > :now");
        self.database
            .update_if(
                &self.table,
                key,
                "SET framed_at = :at, #sequence = :next",
                &condition,
                &expression,
            )
            .await
    }

    /// Ends a worker's own subscription. `false`: it is another worker's by now, or the connection
    /// has been forgotten. One that has ended counts as the worker's own: the worker may have ended
    /// it by a request whose answer was lost.
    pub async fn give_up(&self, held: &Subscription) -> Result<bool, StoreError> {
        let key = subscription_key(&held.connection_id, held.chart_type);
        let condition = format!(
            "attribute_exists(connection_id) AND (attribute_not_exists(subscription_id) OR \
             ({AS_HELD}))"
        );
        let expression =
            as_held(&held.subscription_id, held.generation).name("sequence", "sequence");
        let ended: Option<SubscriptionState> = self
            .database
            .update_if(&self.table, key, END.trim_start(), &condition, &expression)
            .await?;
        Ok(ended.is_some())
    }

    /// Ends every subscription of a connection. There is one per chart at most, so one page holds
    /// them.
    pub async fn end_all(&self, connection_id: &str) -> Result<(), StoreError> {
        let expression = Expression::default().value("connection", s(connection_id));
        let found = query(
            self.database
                .client()
                .query()
                .table_name(&self.table)
                .key_condition_expression("connection_id = :connection")
                .projection_expression("connection_id, chart_type")
                .set_expression_attribute_values(expression.values())
                .consistent_read(true),
        )
        .await?;
        for key in found.items.unwrap_or_default() {
            self.database.delete::<IgnoredAny>(&self.table, key).await?;
        }
        Ok(())
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

/// Removes all that makes an item a subscription.
const END: &str = " REMOVE subscription_id, interval_ms, generation, #sequence, framed_at, claim";

const AS_HELD: &str = "subscription_id = :subscription AND generation = :generation";

fn as_held(subscription_id: &str, generation: u64) -> Expression {
    Expression::default()
        .value("subscription", s(subscription_id))
        .value("generation", n(generation))
}

fn subscription_key(connection_id: &str, chart_type: ChartType) -> Item {
    key2(("connection_id", connection_id), ("chart_type", chart_type.as_str()))
}

/// An update with its condition, for a message that the client may have numbered. It overwrites
/// nothing from a newer message.
fn numbered(
    seq: Option<Seq>,
    update: &str,
    condition: Option<&str>,
    expression: Expression,
) -> (String, Option<String>, Expression) {
    let Some(seq) = seq else {
        return (update.to_owned(), condition.map(str::to_owned), expression);
    };
    let newest = "(attribute_not_exists(seq) OR seq <= :seq)";
    let condition = condition
        .map_or_else(|| newest.to_owned(), |condition| format!("{condition} AND {newest}"));
    (format!("{update}, seq = :seq"), Some(condition), expression.value("seq", n(seq.number())))
}
