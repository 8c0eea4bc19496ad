//! The table of drafts: replies while a worker writes them, and for a day after. So a user can stop
//! a reply, and a connection can subscribe to it.
//!
//! Key: `message_id`, `sequence`. Sequence 0 is the head, see [`Head`](super::Head): whose reply it
//! is, which connections subscribe to it, whether it is to stop, and how it goes. The other items
//! are its text, see [`Frames`](super::Frames). Index `unfinished`: `open`, `sweep_at`. It has the
//! heads of replies that have not ended, or whose subscribers have not all been told of the end.
//! The worker `expire-replies` reads it, see [`Overdue`](super::Overdue).

use platform::database::{Database, Expression, Item, StoreError, n, s, unavailable};
use platform::{ConfigError, Platform};

/// Seconds for which a reply can be resumed after it has ended.
pub(super) const KEPT_SECONDS: i64 = 86_400;

/// Items deleted in one call: what one `BatchWriteItem` takes.
const DELETED_AT_ONCE: usize = 25;

/// The table of drafts.
#[derive(Debug, Clone)]
pub struct Drafts {
    pub(super) database: Database,
    pub(super) table: String,
}

impl Drafts {
    /// Number of shards.
    pub const SHARDS: u8 = 8;

    /// Uses the table that `DRAFTS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("DRAFTS_TABLE")?.to_owned(),
        })
    }

    /// The items of a reply from the sequence `from` on, in order, as they are now. With
    /// `attributes`, only those are read.
    pub(super) async fn items(
        &self,
        message_id: &str,
        from: u64,
        attributes: Option<&str>,
    ) -> Result<Vec<Item>, StoreError> {
        let expression = Expression::default()
            .name("sequence", "sequence")
            .value("message", s(message_id))
            .value("from", n(from));
        let mut pages = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("message_id = :message AND #sequence >= :from")
            .set_projection_expression(attributes.map(str::to_owned))
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(found) = pages.next().await {
            items.push(found.map_err(unavailable)?);
        }
        Ok(items)
    }

    /// Deletes a reply's draft.
    pub async fn delete(&self, message_id: &str) -> Result<(), StoreError> {
        let keys = self.items(message_id, 0, Some("message_id, #sequence")).await?;
        for keys in keys.chunks(DELETED_AT_ONCE) {
            self.database.delete_all(&self.table, keys.to_vec()).await?;
        }
        Ok(())
    }
}

pub(super) fn key(message_id: &str, sequence: u64) -> Item {
    [("message_id".to_owned(), s(message_id)), ("sequence".to_owned(), n(sequence))].into()
}

/// Name of a reply's shard in the index. The last digit of an id is as good as random.
pub(super) fn open(message_id: &str) -> String {
    shard_name(message_id.bytes().next_back().unwrap_or_default() % Drafts::SHARDS)
}

pub(super) fn shard_name(shard: u8) -> String {
    format!("open#{shard}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Drafts, open, shard_name};

    #[test]
    fn every_reply_is_in_one_of_the_shards_and_every_shard_has_some() {
        let used: BTreeSet<_> = "0123456789abcdef"
            .chars()
            .map(|digit| open(&format!("019a0000-0000-7000-8000-00000000000{digit}")))
            .collect();
        assert_eq!(used, (0..Drafts::SHARDS).map(shard_name).collect());
    }
}
