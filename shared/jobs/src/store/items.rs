//! The table of items: the calls of jobs.
//!
//! Key: `job_id`, `index` (six digits, so the order is that of the numbers). An item is there from
//! its first attempt on. A writer of an item replaces the head of its job in the same transaction,
//! under the revision of the head. So the items need no conditions of their own. They expire by
//! `expires_at`, with their job.

use assistant::domain::{Cost, Usage};
use platform::database::{
    Database, Expression, Item as Stored, StoreError, Write, item, key2, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{ItemStatus, JobError, JobItem};

/// The attributes of [`ItemState`].
const STATE: [&str; 11] = [
    "index",
    "status",
    "epoch",
    "round",
    "attempts",
    "worst",
    "succeeded",
    "failed",
    "usage",
    "cost",
    "estimated",
];

/// The table of items.
#[derive(Debug, Clone)]
pub struct Items {
    database: Database,
    table: String,
}

/// A call of a job, with its attempts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// Id of the job.
    pub job_id: String,
    /// Its state.
    #[serde(flatten)]
    pub state: ItemState,
    /// The result, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Why it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<JobError>,
    /// The model of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Milliseconds of the last attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u64>,
    /// Time to live, seconds since 1970.
    pub expires_at: i64,
}

platform::opaque!(Item);

/// The part of an item by which the worker goes on with a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemState {
    /// Its index, from 0.
    #[serde(with = "digits")]
    pub index: u32,
    /// Its state. A pending one has lost its worker, and is tried again.
    pub status: ItemStatus,
    /// Epoch of the worker that began its last attempt.
    pub epoch: u64,
    /// Round of the last attempt.
    pub round: u32,
    /// How often its call has been begun in this round, without attempts that do not count.
    pub attempts: u32,
    /// What the attempt under way costs at worst.
    pub worst: Cost,
    /// Rows, or 1, with a result.
    pub succeeded: u32,
    /// Rows, or 1, without one.
    pub failed: u32,
    /// Tokens of all attempts.
    pub usage: Usage,
    /// Cost of all attempts.
    pub cost: Cost,
    /// Whether tokens and cost are estimated, because a call did not end.
    pub estimated: bool,
}

impl Items {
    /// Uses the table that `JOB_ITEMS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("JOB_ITEMS_TABLE")?.to_owned(),
        })
    }

    /// Writes an item, and replaces what was there.
    pub fn put(&self, item_: &Item) -> Result<Write, StoreError> {
        Ok(Write::put(&self.table, item(item_)?, None, &Expression::default()))
    }

    /// An item as it is now.
    pub async fn get(&self, job_id: &str, index: u32) -> Result<Option<Item>, StoreError> {
        self.database.get(&self.table, place(job_id, index), true).await
    }

    /// Items of a job from an index on, in their order, as they are now. Gives as many as a query
    /// gives, at most `limit`, and the index after which there may be more.
    pub async fn page(
        &self,
        job_id: &str,
        from: u32,
        limit: usize,
    ) -> Result<(Vec<Item>, Option<u32>), StoreError> {
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("job_id = :job AND #index >= :from")
                .expression_attribute_names("#index", "index")
                .expression_attribute_values(":job", s(job_id))
                .expression_attribute_values(":from", s(digits::of(from)))
                .consistent_read(true)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX)),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let items = page.items.unwrap_or_default().into_iter().map(read::<Item>);
        let items = items.collect::<Result<Vec<_>, _>>()?;
        let last = items.last().map(|item| item.state.index).filter(|_| more);
        Ok((items, last))
    }

    /// Gives `take` each item of a job that has been begun, in their order, as they are now. Reads
    /// so many at once.
    pub async fn each(
        &self,
        job_id: &str,
        at_once: usize,
        mut take: impl FnMut(&Item) + Send,
    ) -> Result<(), StoreError> {
        let mut from = Some(0);
        while let Some(first) = from {
            let (items, last) = self.page(job_id, first, at_once).await?;
            items.iter().for_each(&mut take);
            from = last.map(|last| last + 1);
        }
        Ok(())
    }

    /// The states of all items of a job that have been begun, in their order, as they are now.
    pub async fn states(&self, job_id: &str) -> Result<Vec<ItemState>, StoreError> {
        let names = STATE.map(|name| format!("#{name}"));
        let mut request = self
            .database
            .client()
            .query()
            .table_name(&self.table)
            .key_condition_expression("job_id = :job")
            .expression_attribute_values(":job", s(job_id))
            .projection_expression(names.join(", "))
            .consistent_read(true);
        for name in STATE {
            request = request.expression_attribute_names(format!("#{name}"), name);
        }
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let page = query(request.clone().set_exclusive_start_key(start)).await?;
            for item in page.items.unwrap_or_default() {
                found.push(read(item)?);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// Deletes all items of a job.
    pub async fn delete_all(&self, job_id: &str) -> Result<(), StoreError> {
        self.database.delete_collection(&self.table, ("job_id", job_id), "index").await
    }
}

impl Item {
    /// The result as JSON.
    pub fn result(&self) -> Option<Value> {
        serde_json::from_str(self.result.as_deref()?).ok()
    }

    /// The item as its user sees it.
    pub fn shown(&self) -> JobItem {
        let ItemState { index, status, attempts, usage, cost, estimated, .. } = self.state;
        JobItem {
            index,
            status,
            attempts,
            result: self.result(),
            error: self.error.clone(),
            usage,
            cost_usd: cost,
            estimated,
        }
    }
}

fn place(job_id: &str, index: u32) -> Stored {
    key2(("job_id", job_id), ("index", &digits::of(index)))
}

/// An index as a key has it.
mod digits {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn of(index: u32) -> String {
        format!("{index:06}")
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
    pub(super) fn serialize<S: Serializer>(index: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&of(*index))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item_of(index: u32) -> Item {
        let state = ItemState {
            index,
            status: ItemStatus::Succeeded,
            epoch: 3,
            round: 2,
            attempts: 1,
            worst: Cost::from_nanos(9),
            succeeded: 1,
            failed: 0,
            usage: Usage { input_tokens: 5, ..Usage::default() },
            cost: Cost::from_nanos(7),
            estimated: true,
        };
        Item {
            job_id: "j".to_owned(),
            state,
            result: Some(r#"{"text":"Fine."}"#.to_owned()),
            error: None,
            model: Some("m".to_owned()),
            latency_ms: Some(4),
            expires_at: 100,
        }
    }

    #[test]
    fn the_order_of_keys_is_that_of_the_numbers() {
        let numbers = [0, 1, 9, 10, 499, 999, 1_000, 50_000, 999_999];
        let keys = numbers.map(digits::of);
        assert!(keys.is_sorted(), "{keys:?}");
        assert_eq!(keys[3], "000010");
    }

    #[test]
    fn an_item_is_read_as_it_was_written_and_its_state_alone_too() {
        let written = item_of(42);
        let stored = item(&written).unwrap();
        assert_eq!(stored["index"], s("000042"));
        assert!(read::<Item>(stored.clone()).unwrap() == written);
        let mut state = stored;
        state.retain(|name, _| STATE.contains(&name.as_str()));
        assert_eq!(state.len(), STATE.len());
        assert_eq!(read::<ItemState>(state).unwrap(), written.state);
    }

    #[test]
    fn a_user_sees_the_result_and_neither_rounds_nor_workers() {
        let shown = serde_json::to_value(item_of(42).shown()).unwrap();
        let expected = json!({
            "index": 42, "status": "succeeded", "attempts": 1, "result": {"text": "Fine."},
            "usage": {
                "input_tokens": 5, "output_tokens": 0, "cache_read_tokens": 0,
                "cache_write_tokens": 0,
            },
            "cost_usd": "0.000000007", "estimated": true,
        });
        assert_eq!(shown, expected);
    }
}
