//! Replies in the table of [`Drafts`] that wait for a confirmation. No worker writes such a reply:
//! its head says until when it waits (`waits_until`), and the sweep is due then.

use std::collections::BTreeMap;

use jiff::Timestamp;
use platform::database::{Expression, StoreError, Write, n, value};
use serde::de::IgnoredAny;

use super::drafts::key;
use super::{Drafts, Head, Spent, Subscriber};

/// Seconds in which a worker has to go on with a reply. Lambda tries for sixty seconds to start it.
const START_SECONDS: i64 = 90;

impl Drafts {
    /// The reply waits until this time, in seconds since 1970. The condition fails where it has
    /// ended or waits already, or where other functions have written commands since `revision`.
    pub fn wait(
        &self,
        message_id: &str,
        revision: u64,
        subscribers: &BTreeMap<String, Subscriber>,
        spent: &Spent,
        until: i64,
    ) -> Result<Write, StoreError> {
        let expression = Expression::default()
            .value("until", n(until))
            .value("spent", value(spent)?)
            .value("subscribers", value(subscribers)?)
            .value("revision", n(revision));
        Ok(Write::update(
            &self.table,
            key(message_id, 0),
            "SET waits_until = :until, sweep_at = :until, spent = :spent, listeners = :subscribers \
             REMOVE restarted",
            "wishes = :revision AND attribute_not_exists(ended_at) AND \
             attribute_not_exists(waits_until)",
            &expression,
        ))
    }

    /// The reply goes on: a worker has to begin within 90 s. The condition fails where the reply
    /// does not wait until the time that the head has, or was to stop.
    pub fn go_on(&self, head: &Head, now: Timestamp) -> Write {
        let update = "SET sweep_at = :sweep REMOVE waits_until";
        self.end_wait(head, now, update, Expression::default())
    }

    /// The same for a reply that its user stops: the worker only ends it.
    pub fn go_on_to_stop(&self, head: &Head, now: Timestamp) -> Write {
        let update =
            "SET cancelled_at = :now, sweep_at = :sweep REMOVE waits_until ADD wishes :one";
        let expression =
            Expression::default().value("now", n(now.as_millisecond())).value("one", n(1));
        self.end_wait(head, now, update, expression)
    }

    fn end_wait(&self, head: &Head, now: Timestamp, update: &str, expression: Expression) -> Write {
        let expression = expression
            .value("until", n(head.waits_until.unwrap_or_default()))
            .value("sweep", n(now.as_second() + START_SECONDS));
        let condition = "waits_until = :until AND attribute_not_exists(ended_at) AND \
                         attribute_not_exists(cancelled_at)";
        Write::update(&self.table, key(&head.message_id, 0), update, condition, &expression)
    }

    /// Gives the worker of an overdue reply another 90 s, once after each confirmation. Returns
    /// whether it has them.
    pub async fn give_another_start(
        &self,
        head: &Head,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(overdue) = head.sweep_at.filter(|_| !head.restarted) else { return Ok(false) };
        let expression = Expression::default()
            .value("overdue", n(overdue))
            .value("sweep", n(now.as_second() + START_SECONDS))
            .value("yes", value(true)?);
        let (id, update) = (key(&head.message_id, 0), "SET sweep_at = :sweep, restarted = :yes");
        let condition = "sweep_at = :overdue AND attribute_not_exists(ended_at) AND \
                         attribute_not_exists(restarted)";
        let given: Option<IgnoredAny> =
            self.database.update_if(&self.table, id, update, condition, &expression).await?;
        Ok(given.is_some())
    }
}
