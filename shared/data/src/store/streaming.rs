//! The requests of the worker that streams a chart: it claims its subscription, counts the frames
//! and ends it.

use jiff::Timestamp;
use platform::clock::rfc3339;
use platform::database::{StoreError, n, s};

use super::subscription::{StreamStart, Subscription, SubscriptionState};
use super::subscriptions::{AS_HELD, END, Subscriptions, as_held, subscription_key};

impl Subscriptions {
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
}
