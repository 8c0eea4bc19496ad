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
//!
//! The requests of a worker are in `streaming.rs`.

use platform::database::{Database, Expression, Item, StoreError, Write, key2, n, query, read, s};
use platform::{ConfigError, Platform};
use serde::de::IgnoredAny;

use super::subscription::{Subscription, SubscriptionState};
use crate::domain::{ChartType, Seq};

/// The subscriptions' table.
#[derive(Debug, Clone)]
pub struct Subscriptions {
    pub(super) database: Database,
    pub(super) table: String,
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

/// Removes all that makes an item a subscription.
pub(super) const END: &str =
    " REMOVE subscription_id, interval_ms, generation, #sequence, framed_at, claim";

pub(super) const AS_HELD: &str = "subscription_id = :subscription AND generation = :generation";

pub(super) fn as_held(subscription_id: &str, generation: u64) -> Expression {
    Expression::default()
        .value("subscription", s(subscription_id))
        .value("generation", n(generation))
}

pub(super) fn subscription_key(connection_id: &str, chart_type: ChartType) -> Item {
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
