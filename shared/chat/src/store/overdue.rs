//! The index of [`Drafts`] by the worker's deadline: `expire-replies` takes a reply over if its
//! worker dies. The index is in shards, which follow from the replies' ids. So the end of one reply
//! waits for that of few others.

use jiff::Timestamp;
use platform::database::{Expression, StoreError, item, n, query, read, s};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::Drafts;
use super::drafts::{KEPT_SECONDS, key, shard_name};

/// Replies that one query finds, at most.
const PAGE: i32 = 25;

/// A reply whose deadline has passed, as the index has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdue {
    /// The reply.
    pub message_id: String,
    sequence: u64,
    open: String,
    sweep_at: i64,
}

impl Drafts {
    /// Some of the replies of a shard whose deadline passed before `now`, after one of them, the
    /// oldest first; none where there are no more. The newest may be missing, and some that have
    /// been dealt with may be there.
    pub async fn overdue(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&Overdue>,
    ) -> Result<Vec<Overdue>, StoreError> {
        let expression = Expression::default()
            .name("open", "open")
            .value("open", s(shard_name(shard)))
            .value("now", n(now.as_second()));
        let request =
            self.database.client().query().table_name(&self.table).index_name("unfinished");
        let found = query(
            request
                .key_condition_expression("#open = :open AND sweep_at < :now")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(after.map(item).transpose()?)
                .limit(PAGE),
        )
        .await?;
        found.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// Puts off a reply that `expire-replies` could not deal with, until `sweep_at`, seconds since
    /// 1970. Gives `false` where another worker has dealt with it.
    pub async fn put_off(&self, overdue: &Overdue, sweep_at: i64) -> Result<bool, StoreError> {
        let expression = Expression::default()
            .name("open", "open")
            .value("found", n(overdue.sweep_at))
            .value("sweep", n(sweep_at));
        let condition = "attribute_exists(#open) AND sweep_at = :found";
        let id = key(&overdue.message_id, 0);
        let waits: Option<IgnoredAny> = self
            .database
            .update_if(&self.table, id, "SET sweep_at = :sweep", condition, &expression)
            .await?;
        Ok(waits.is_some())
    }

    /// Takes a reply out of the index: it has ended and its subscribers have been told, or its
    /// message is not there any more.
    pub async fn close(&self, message_id: &str, now: Timestamp) -> Result<(), StoreError> {
        let expression = Expression::default()
            .name("open", "open")
            .value("expires", n(now.as_second() + KEPT_SECONDS));
        let update = "SET expires_at = if_not_exists(expires_at, :expires) REMOVE #open, sweep_at";
        let _: Option<IgnoredAny> = self
            .database
            .update_if(
                &self.table,
                key(message_id, 0),
                update,
                "attribute_exists(message_id)",
                &expression,
            )
            .await?;
        Ok(())
    }
}
