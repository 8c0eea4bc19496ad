//! Heads of ranges.
//!
//! Key: `id` (of the range), `item` (`head`). Index `by_workbook`: `workbook_id`, `id`. Index
//! `by_user`: `user_id`, `id`. Both may lag, so the store reads the found items again. DynamoDB
//! deletes an item some time after `expires_at`, so a head that has expired does not count.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use platform::clock::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s, value,
};
use platform::{ConfigError, Platform};
use serde::Deserialize;
use tally_access::Decision;

use crate::domain::{PartHead, RangeHead, TEXT};

/// The heads of ranges.
#[derive(Debug, Clone)]
pub struct Heads {
    database: Database,
    table: String,
}

/// A range as an index has it.
#[derive(Deserialize)]
struct Listed {
    id: String,
}

const HEAD: &str = "head";

/// Ranges that one page of an index has, at most.
const PAGE: usize = 100;

/// Ranges that a list reads at once, at least. The caller may not see some of them.
const LEAST: usize = 20;

/// Pages of an index that a list reads, at most.
const PAGES: usize = 10;

impl Heads {
    /// Uses the table that `RANGES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("RANGES_TABLE")?.to_owned(),
        })
    }

    /// The range with this id, as it is now.
    pub async fn get(&self, id: &str, now: Timestamp) -> Result<Option<RangeHead>, StoreError> {
        let found: Option<RangeHead> = self.database.get(&self.table, key(id), true).await?;
        Ok(found.filter(|head| is_live(head, now)))
    }

    /// A new range.
    pub fn create(&self, head: &RangeHead) -> Result<Write, StoreError> {
        let mut stored = item(head)?;
        stored.insert("item".to_owned(), s(HEAD));
        Ok(Write::put(&self.table, stored, "attribute_not_exists(#id)", &named()))
    }

    /// The head that failed a condition.
    pub fn of_item(item: Item) -> Result<RangeHead, StoreError> {
        read(item)
    }

    /// A part that is there from now on, with so much text and without these columns. The condition
    /// fails where the part is there, where the range has no room for the text, and where it takes
    /// no parts.
    pub fn arrive(
        &self,
        id: &str,
        (number, part): (u32, &PartHead),
        text: u64,
        dropped: &BTreeSet<u32>,
    ) -> Result<Write, StoreError> {
        let mut expression = uploading()
            .name("arrived", "arrived")
            .name("number", &number.to_string())
            .name("text", "text")
            .value("part", value(part)?)
            .value("text", n(text))
            .value("room", n(TEXT.saturating_sub(text)));
        let mut update = "SET #arrived.#number = :part, #text = #text + :text".to_owned();
        if !dropped.is_empty() {
            update.push_str(" ADD #dropped :dropped");
            let columns = dropped.iter().map(ToString::to_string).collect();
            expression =
                expression.name("dropped", "dropped").value("dropped", AttributeValue::Ns(columns));
        }
        let condition = "#status = :uploading AND attribute_not_exists(#arrived.#number) AND \
                         #text <= :room";
        Ok(Write::update(&self.table, key(id), &update, condition, &expression))
    }

    /// The range is whole from now on. The condition fails where it is already, or has gone.
    pub fn complete(&self, head: &RangeHead) -> Result<Write, StoreError> {
        let expression = uploading()
            .name("completed", "completed")
            .name("rows", "header_rows")
            .value("ready", value(head.status)?)
            .value("rows", n(head.header_rows))
            .value("completed", value(&head.completed)?);
        let update = "SET #status = :ready, #rows = :rows, #completed = :completed";
        let condition = "#status = :uploading";
        Ok(Write::update(&self.table, key(&head.id), update, condition, &expression))
    }

    /// The end of a range. The condition fails where it has gone.
    pub fn delete(&self, id: &str) -> Write {
        Write::delete_if(&self.table, key(id), "attribute_exists(#id)", &named())
    }

    /// At most `limit` ranges of a workbook that exist for a user, before the one with the id
    /// `after`, the newest first. Gives where the list goes on, if another one exists for the user.
    /// It reads a bounded number of ranges. If it reaches that number, the list goes on in any
    /// case.
    pub async fn list(
        &self,
        workbook_id: &str,
        mut after: Option<String>,
        limit: usize,
        now: Timestamp,
        (decision, user_id): (&Decision<'_>, &str),
    ) -> Result<(Vec<RangeHead>, Option<String>), StoreError> {
        let index = ("by_workbook", "workbook_id", workbook_id);
        let mut seen = Vec::new();
        for _ in 0..PAGES {
            // One more says whether the list goes on.
            let wanted = (limit + 1).saturating_sub(seen.len());
            let (ids, more) = self.page(index, after.as_deref(), wanted.clamp(LEAST, PAGE)).await?;
            let keys = ids.iter().map(|id| key(id)).collect();
            let mut heads: Vec<RangeHead> = self.database.get_all(&self.table, keys).await?;
            // The index may still have ranges that have gone.
            heads.retain(|head| is_live(head, now) && head.is_seen_by(decision, user_id));
            heads.sort_by(|a, b| b.id.cmp(&a.id));
            seen.extend(heads);
            if seen.len() > limit {
                seen.truncate(limit);
                let last = seen.last().map(|head| head.id.clone());
                return Ok((seen, last));
            }
            if !more {
                return Ok((seen, None));
            }
            after = ids.into_iter().next_back();
        }
        Ok((seen, after))
    }

    /// Ids of ranges of a workbook, for their removal; not all if there are many.
    pub async fn of_workbook(&self, workbook_id: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.page(("by_workbook", "workbook_id", workbook_id), None, PAGE).await?.0)
    }

    /// Ids of ranges that a user has uploaded, for their removal; not all if there are many.
    pub async fn of_user(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        Ok(self.page(("by_user", "user_id", user_id), None, PAGE).await?.0)
    }

    async fn page(
        &self,
        (index, name, value): (&str, &str, &str),
        after: Option<&str>,
        limit: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        // Every id comes before `~`.
        let expression = named()
            .name("partition", name)
            .value("partition", s(value))
            .value("after", s(after.unwrap_or("~")));
        let request = self.database.client().query().table_name(&self.table).index_name(index);
        let page = query(
            request
                .key_condition_expression("#partition = :partition AND #id < :after")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX)),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key: Item| !key.is_empty());
        let found = page.items.unwrap_or_default().into_iter();
        let ids = found.map(|item| Ok(read::<Listed>(item)?.id));
        Ok((ids.collect::<Result<_, StoreError>>()?, more))
    }
}

fn is_live(head: &RangeHead, now: Timestamp) -> bool {
    head.expires_at > now.as_second()
}

fn key(id: &str) -> Item {
    key2(("id", id), ("item", HEAD))
}

fn named() -> Expression {
    Expression::default().name("id", "id")
}

fn uploading() -> Expression {
    Expression::default().name("status", "status").value("uploading", s("uploading"))
}
