//! The commands that other functions write to the head of a draft: a connection joins the reply, or
//! the reply is to stop.
//!
//! Each command raises the revision of the head (`wishes`). The worker reads the head as it goes
//! and applies the commands. The end is written only over the revision that the worker has seen. So
//! every connection that joins a reply is told of its end, and no reply that was to stop is
//! complete. A head expires only once its reply has ended, because the function that ends the reply
//! needs it until then.

use jiff::Timestamp;
use platform::backoff;
use platform::database::{Expression, StoreError, Write, n, s, value};
use serde::de::IgnoredAny;

use super::drafts::key;
use super::{Drafts, Head, Subscriber};

/// Most subscribers of one reply. One more evicts the subscriber that joined first.
const MAX_SUBSCRIBERS: usize = 10;

/// Attempts at joining a reply while other functions write commands to its head.
const JOIN_ATTEMPTS: u32 = 8;

/// Result of an attempt to join a reply.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined {
    /// The connection is a subscriber. The worker sends the frames that are missing, and those to
    /// come. If the reply waits for a confirmation, the function that asked has to send the frames
    /// that are there.
    Live,
    /// The reply has ended: the function that asked has to send it.
    Ended,
    /// The reply has begun to wait for a confirmation, or has ceased to. This is its head now.
    Changed(Box<Head>),
}

impl Drafts {
    /// Subscribes a connection to a reply whose head has just been read, from the frame after
    /// `after` on. A worker takes over the subscribers of a reply that waits when it goes on. So
    /// `after` has to be the number of all frames then.
    pub async fn join(
        &self,
        mut head: Head,
        connection_id: &str,
        after: u64,
    ) -> Result<Joined, StoreError> {
        let mut asked = None;
        let waits_until = head.waits_until;
        for attempt in 1..=JOIN_ATTEMPTS {
            // The write was done and only its answer was lost: the worker sends the reply, or has
            // sent it.
            if asked.is_some() && head.subscribers.get(connection_id) == asked.as_ref() {
                return Ok(Joined::Live);
            }
            if head.ended_at.is_some() {
                return Ok(Joined::Ended);
            }
            if head.waits_until != waits_until {
                return Ok(Joined::Changed(Box::new(head)));
            }
            let subscriber = Subscriber { after, joined: head.revision + 1 };
            let mut expression = Expression::default()
                .name("connection", connection_id)
                .value("subscriber", value(&subscriber)?)
                .value("revision", n(head.revision))
                .value("next", n(head.revision + 1));
            let mut update = "SET listeners.#connection = :subscriber, wishes = :next".to_owned();
            if let Some(first) = evicted(&head, connection_id) {
                update.push_str(" REMOVE listeners.#first");
                expression = expression.name("first", first);
            }
            let mut condition = "wishes = :revision AND attribute_not_exists(ended_at)".to_owned();
            match waits_until {
                Some(until) => {
                    condition.push_str(" AND waits_until = :until");
                    expression = expression.value("until", n(until));
                }
                None => condition.push_str(" AND attribute_not_exists(waits_until)"),
            }
            let id = key(&head.message_id, 0);
            let joined: Option<Head> =
                self.database.update_if(&self.table, id, &update, &condition, &expression).await?;
            if joined.is_some() {
                return Ok(Joined::Live);
            }
            asked = Some(subscriber);
            // The reply has ended, or another function has written a command: try again with the
            // head as it is then.
            backoff::pause(attempt).await;
            head = self
                .head(&head.message_id)
                .await?
                .ok_or_else(|| StoreError::Unavailable("a draft has gone".to_owned()))?;
        }
        Err(StoreError::Unavailable(
            "other functions write commands to a reply all the time".to_owned(),
        ))
    }

    /// Asks a reply to stop. The condition fails where it has ended, waits for a confirmation, or
    /// was to stop already. It also fails where it is not this user's.
    pub fn cancel(&self, message_id: &str, user_id: &str, now: Timestamp) -> Write {
        let expression = Expression::default()
            .value("now", n(now.as_millisecond()))
            .value("user", s(user_id))
            .value("one", n(1));
        Write::update(
            &self.table,
            key(message_id, 0),
            "SET cancelled_at = :now ADD wishes :one",
            "user_id = :user AND attribute_not_exists(cancelled_at) AND \
             attribute_not_exists(ended_at) AND attribute_not_exists(waits_until)",
            &expression,
        )
    }

    /// Asks a reply to stop because its conversation is gone. One that waits for a confirmation has
    /// no worker, so the next sweep ends it. Nothing happens where it has ended, or was to stop
    /// already.
    pub async fn stop(&self, message_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let expression =
            Expression::default().value("now", n(now.as_millisecond())).value("one", n(1));
        let condition = "attribute_exists(message_id) AND attribute_not_exists(cancelled_at) AND \
                         attribute_not_exists(ended_at)";
        let id = key(message_id, 0);
        let update = "SET cancelled_at = :now ADD wishes :one";
        let stopped: Option<Head> =
            self.database.update_if(&self.table, id, update, condition, &expression).await?;
        match stopped.and_then(|head| head.waits_until) {
            Some(until) => self.wait_no_more(message_id, until, now).await,
            None => Ok(()),
        }
    }

    /// Makes the sweep of a reply due that waits until this time.
    async fn wait_no_more(
        &self,
        message_id: &str,
        until: i64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let expression =
            Expression::default().value("now", n(now.as_second())).value("until", n(until));
        let condition = "waits_until = :until AND attribute_not_exists(ended_at)";
        let (id, update) = (key(message_id, 0), "SET sweep_at = :now");
        let _: Option<IgnoredAny> =
            self.database.update_if(&self.table, id, update, condition, &expression).await?;
        Ok(())
    }
}

/// The subscriber that a connection evicts, if the reply has as many as it may.
fn evicted<'a>(head: &'a Head, connection_id: &str) -> Option<&'a str> {
    let full =
        head.subscribers.len() >= MAX_SUBSCRIBERS && !head.subscribers.contains_key(connection_id);
    head.subscribers
        .iter()
        .min_by_key(|(_, subscriber)| subscriber.joined)
        .filter(|_| full)
        .map(|(id, _)| id.as_str())
}
