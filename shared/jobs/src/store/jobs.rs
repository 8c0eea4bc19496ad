//! The table of jobs.
//!
//! Key: `user_id`, `id` (UUIDv7). A job is only ever looked for under its user, so another user's is
//! not found. Items expire by `expires_at`.
//!
//! The item `#open` counts the jobs of a user that have not ended. The transactions that start and
//! end a job change it.
//!
//! The index `unfinished` (`shard`, `due_at`; keys only) has the jobs that have not ended. An ended
//! job has neither attribute.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::Deserialize;

use super::head::Head;

/// Jobs of a user that have not ended, at most.
pub const MOST_OPEN: u32 = 5;

/// The id of the item that counts them.
const OPEN: &str = "#open";

/// Jobs that one query of the index gives, at most.
const DUE: i32 = 100;

/// Jobs that are purged together.
const PURGED: i32 = 10;

/// The table of jobs.
#[derive(Debug, Clone)]
pub struct Jobs {
    pub(super) database: Database,
    pub(super) table: String,
}

/// A job that needs a worker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Due {
    /// Id of its user.
    pub user_id: String,
    /// Its id.
    pub id: String,
    /// Seconds since 1970 since which it needs one.
    pub due_at: i64,
}

/// The result of [`Jobs::save`].
#[derive(Debug, Clone, PartialEq)]
pub enum Saved {
    /// It is stored.
    Stored,
    /// Another writer was faster. This is the job now; `None` if it is gone.
    Changed(Option<Box<Head>>),
}

#[derive(Deserialize)]
struct Place {
    id: String,
}

impl Jobs {
    /// Partitions of the index.
    pub const SHARDS: u8 = 8;

    /// Uses the table that `JOBS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("JOBS_TABLE")?.to_owned(),
        })
    }

    /// The partition of the index for a job.
    pub fn shard(id: &str) -> String {
        let sum = id.bytes().fold(0_u8, u8::wrapping_add);
        (sum % Self::SHARDS).to_string()
    }

    /// A job of a user as it is now, if it has neither expired nor been deleted.
    pub async fn get(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Head>, StoreError> {
        let found: Option<Head> = self.database.get(&self.table, place(user_id, id), true).await?;
        Ok(found.filter(|head| head.is_kept(now)))
    }

    /// The job of an item of this table.
    pub fn read(&self, item: Item) -> Result<Head, StoreError> {
        read(item)
    }

    /// A new job.
    pub fn create(&self, head: &Head) -> Result<Write, StoreError> {
        let new = "attribute_not_exists(id)";
        Ok(Write::put(&self.table, item(head)?, new, &Expression::default()))
    }

    /// Replaces a job. The condition fails if it no longer has the revision `before`.
    pub fn replace(&self, before: u64, after: &Head) -> Result<Write, StoreError> {
        let expression = Expression::default().value("before", n(before));
        Ok(Write::put(&self.table, item(after)?, "revision = :before", &expression))
    }

    /// Replaces a job by a write of its own, unless it no longer has the revision `before`.
    pub fn save<'a>(
        &'a self,
        before: u64,
        after: &'a Head,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Saved, StoreError>> {
        async move {
            let expression = Expression::default().value("before", n(before));
            let stored =
                self.database.put_if(&self.table, item(after)?, "revision = :before", &expression);
            if stored.await? {
                return Ok(Saved::Stored);
            }
            let found = self.get(&after.user_id, &after.id, now).await?;
            Ok(Saved::Changed(found.map(Box::new)))
        }
        .boxed()
    }

    /// One more job of a user that has not ended. The condition fails if there are [`MOST_OPEN`].
    pub fn open(&self, user_id: &str) -> Write {
        let expression = Expression::default()
            .name("open", "open")
            .value("one", n(1))
            .value("most", n(MOST_OPEN));
        let room = "attribute_not_exists(#open) OR #open < :most";
        Write::update(&self.table, place(user_id, OPEN), "ADD #open :one", room, &expression)
    }

    /// One less of them.
    pub fn close(&self, user_id: &str) -> Write {
        let expression = Expression::default().name("open", "open").value("one", n(-1));
        Write::update(&self.table, place(user_id, OPEN), "ADD #open :one", None, &expression)
    }

    /// The next jobs of a partition that need a worker, those that wait longest first.
    pub async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        after: Option<&Due>,
    ) -> Result<Vec<Due>, StoreError> {
        let start = after.map(|due| {
            let mut key = place(&due.user_id, &due.id);
            key.insert("shard".to_owned(), s(shard.to_string()));
            key.insert("due_at".to_owned(), n(due.due_at));
            key
        });
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .index_name("unfinished")
                .key_condition_expression("#shard = :shard AND due_at < :now")
                .expression_attribute_names("#shard", "shard")
                .expression_attribute_values(":shard", s(shard.to_string()))
                .expression_attribute_values(":now", n(now.as_second()))
                .set_exclusive_start_key(start)
                .limit(DUE),
        )
        .await?;
        page.items.unwrap_or_default().into_iter().map(read).collect()
    }

    /// The ids of some jobs of a deleted account, expired and deleted ones too, and at last that of
    /// the counter. Empty if there are none.
    pub async fn some_of(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("user_id = :user")
                .expression_attribute_values(":user", s(user_id))
                .projection_expression("id")
                .consistent_read(true)
                .scan_index_forward(false)
                .limit(PURGED),
        )
        .await?;
        let places = page.items.unwrap_or_default().into_iter().map(read::<Place>);
        places.map(|place| Ok(place?.id)).collect()
    }

    /// Whether an id of [`Jobs::some_of`] is that of a job.
    pub fn is_job(id: &str) -> bool {
        id != OPEN
    }

    /// Deletes the items with these ids, at most 25.
    pub async fn delete_each(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        let keys = ids.iter().map(|id| place(user_id, id)).collect();
        self.database.delete_all(&self.table, keys).await
    }
}

pub(super) fn place(user_id: &str, id: &str) -> Item {
    key2(("user_id", user_id), ("id", id))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn jobs_are_spread_over_all_partitions() {
        let ids = (0..100).map(|number| format!("019a0000-0000-7000-8000-{number:012x}"));
        let shards: BTreeSet<_> = ids.map(|id| Jobs::shard(&id)).collect();
        let all: BTreeSet<_> = (0..Jobs::SHARDS).map(|shard| shard.to_string()).collect();
        assert_eq!(shards, all);
    }

    #[test]
    fn the_counter_is_no_job() {
        assert!(!Jobs::is_job(OPEN) && Jobs::is_job("019a0000-0000-7000-8000-000000000000"));
    }
}
