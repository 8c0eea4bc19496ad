//! The table of the sequence: which event has which place in the log.
//!
//! Key: `id`. The item `head` has the size of the sequence, and how much of it the files have. The
//! item `from#<index>` has the ids that one transaction has appended at this index, in their order.
//! The item `<event id>` has the index and the text of an entry. Each transaction moves the head
//! under the condition that it is where it was, so no index is given twice. It puts each entry
//! under the condition that there is none, so no event comes twice.

use std::collections::HashMap;

use jiff::Timestamp;
use platform::backoff;
use platform::database::{
    CommitError, Database, Expression, Item, StoreError, Write, item, key, n, s,
};
use platform::store::Retention;
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use transparency::Hash;

use crate::entry::Entry;
use crate::error::ArchiveError;

/// Key of the head.
const HEAD: &str = "head";

/// Seconds that an item is kept at least, so that it is there until the files have its entry.
const KEPT_AT_LEAST: i64 = 7 * 86_400;

/// Attempts at a transaction while other sealers move the head.
const ATTEMPTS: u32 = 20;

/// The table of the sequence.
#[derive(Debug, Clone)]
pub struct Sequence {
    database: Database,
    table: String,
    retention: Retention,
}

/// How far the log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Entries of the sequence.
    pub size: u64,
    /// Entries that the files have: the first ones of the sequence.
    pub integrated: u64,
    /// The root of the log at that size.
    pub root: Hash,
    /// When the first entry got its place.
    pub started_at: Option<Timestamp>,
    /// The time up to which reconciliation has looked for events without a place.
    pub reconciled_to: Option<Timestamp>,
}

/// An entry with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placed {
    id: String,
    /// Number of the entry, from 0.
    pub index: u64,
    /// The entry.
    pub entry: String,
    /// Whether reconciliation has found the event.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    expires_at: i64,
}

#[derive(Deserialize)]
struct StoredHead {
    #[serde(default)]
    size: u64,
    #[serde(default)]
    integrated: u64,
    root: Option<String>,
    started_at: Option<i64>,
    reconciled_to: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct Batch {
    id: String,
    ids: Vec<String>,
    expires_at: i64,
}

impl Sequence {
    /// Uses the table that `AUDIT_SEQUENCE_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("AUDIT_SEQUENCE_TABLE")?.to_owned(),
            retention: Retention::new(&platform.config)?,
        })
    }

    /// The head as it is now.
    pub async fn head(&self) -> Result<Head, ArchiveError> {
        let stored: Option<StoredHead> =
            self.database.get(&self.table, key("id", HEAD), true).await?;
        let time = |milliseconds: i64| Timestamp::from_millisecond(milliseconds).ok();
        let root = |stored: &StoredHead| match &stored.root {
            Some(text) => text.parse::<Hash>().map_err(|error| {
                ArchiveError::Contradiction(format!("the root of the head: {error}"))
            }),
            None => Ok(Hash::EMPTY),
        };
        Ok(Head {
            size: stored.as_ref().map_or(0, |head| head.size),
            integrated: stored.as_ref().map_or(0, |head| head.integrated),
            root: stored.as_ref().map_or(Ok(Hash::EMPTY), root)?,
            started_at: stored.as_ref().and_then(|head| time(head.started_at?)),
            reconciled_to: stored.as_ref().and_then(|head| time(head.reconciled_to?)),
        })
    }

    /// Gives entries their places, at most 90 of them and 3 MB, in one transaction. Entries that
    /// have a place are left out.
    pub async fn append(&self, entries: &[Entry], now: Timestamp) -> Result<(), ArchiveError> {
        let mut rest: Vec<&Entry> = entries.iter().collect();
        for attempt in 1..=ATTEMPTS {
            if rest.is_empty() {
                return Ok(());
            }
            let head = self.head().await?;
            match self.database.commit(self.writes(&head, &rest, now)?).await {
                Ok(()) => return Ok(()),
                Err(CommitError::Store(error)) => return Err(error.into()),
                Err(CommitError::Condition { .. }) => {
                    let ids: Vec<&str> = rest.iter().map(|entry| entry.id.as_str()).collect();
                    let known = self.places(&ids).await?;
                    rest.retain(|entry| !known.contains_key(&entry.id));
                    backoff::pause(attempt).await;
                }
            }
        }
        Err(ArchiveError::Overtaken)
    }

    /// The places of these events, at most a hundred, by their ids. An event without a place is
    /// left out.
    pub async fn places(&self, ids: &[&str]) -> Result<HashMap<String, Placed>, ArchiveError> {
        let keys: Vec<Item> = ids.iter().map(|id| key("id", id)).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found: Vec<Placed> = self.database.get_all(&self.table, keys).await?;
        Ok(found.into_iter().map(|placed| (placed.id.clone(), placed)).collect())
    }

    /// The texts of the entries that one transaction has appended at this index.
    pub async fn appended_at(&self, index: u64) -> Result<Vec<String>, ArchiveError> {
        let batch: Option<Batch> =
            self.database.get(&self.table, key("id", &batch_id(index)), true).await?;
        let ids = batch.ok_or(ArchiveError::Lost(index))?.ids;
        let named: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut placed = self.places(&named).await?;
        let text = |(index, id): (u64, &String)| {
            let placed = placed.remove(id).filter(|placed| placed.index == index);
            placed.map(|placed| placed.entry).ok_or(ArchiveError::Lost(index))
        };
        (index..).zip(&ids).map(text).collect()
    }

    /// Notes that the files have `size` entries with this root. Gives `false` if another sealer
    /// has moved the head since it was read.
    pub async fn integrated(
        &self,
        head: &Head,
        size: u64,
        root: Hash,
    ) -> Result<bool, ArchiveError> {
        let expression =
            Expression::default().value("new", n(size)).value("root", s(root.to_string()));
        let (condition, expression) = if head.integrated == 0 {
            ("attribute_not_exists(integrated)", expression)
        } else {
            ("integrated = :old", expression.value("old", n(head.integrated)))
        };
        let update = "SET integrated = :new, root = :root";
        self.update_head(update, condition, &expression).await
    }

    /// Notes that reconciliation has looked at all events before this time.
    pub async fn reconciled(&self, to: Timestamp) -> Result<(), ArchiveError> {
        let expression = Expression::default().value("to", n(to.as_millisecond()));
        // A log without entries has no head, and is looked at again.
        let condition = "attribute_exists(id)";
        self.update_head("SET reconciled_to = :to", condition, &expression).await?;
        Ok(())
    }

    async fn update_head(
        &self,
        update: &str,
        condition: &str,
        expression: &Expression,
    ) -> Result<bool, ArchiveError> {
        let head = key("id", HEAD);
        let updated: Option<StoredHead> =
            self.database.update_if(&self.table, head, update, condition, expression).await?;
        Ok(updated.is_some())
    }

    /// The transaction that appends entries to this head.
    fn writes(
        &self,
        head: &Head,
        entries: &[&Entry],
        now: Timestamp,
    ) -> Result<Vec<Write>, StoreError> {
        let expression = Expression::default()
            .name("size", "size")
            .value("new", n(head.size + entries.len() as u64))
            .value("now", n(now.as_millisecond()));
        let (condition, expression) = if head.size == 0 {
            ("attribute_not_exists(#size)", expression)
        } else {
            ("#size = :old", expression.value("old", n(head.size)))
        };
        let update = "SET #size = :new, started_at = if_not_exists(started_at, :now)";
        let table = &self.table;
        let mut writes =
            vec![Write::update(table, key("id", HEAD), update, condition, &expression)];
        let is_new = "attribute_not_exists(id)";
        let kept = now.as_second().saturating_add(KEPT_AT_LEAST);
        let expires_at = |entry: &&Entry| self.retention.expires_at(entry.made_at);
        let mut put = |item| writes.push(Write::put(table, item, is_new, &Expression::default()));
        put(item(Batch {
            id: batch_id(head.size),
            ids: entries.iter().map(|entry| entry.id.clone()).collect(),
            expires_at: entries.iter().map(expires_at).fold(kept, i64::max),
        })?);
        for (index, entry) in (head.size..).zip(entries) {
            put(item(Placed {
                id: entry.id.clone(),
                index,
                entry: entry.text.clone(),
                late: entry.is_late,
                expires_at: expires_at(entry).max(kept),
            })?);
        }
        Ok(writes)
    }
}

fn batch_id(index: u64) -> String {
    format!("from#{index}")
}
