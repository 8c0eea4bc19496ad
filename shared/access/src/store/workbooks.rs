//! The table of workbooks.
//!
//! Key: `workbook` (an id), `item` (`head` or `sheet#<id>`). The head counts every change of the
//! workbook and its sheets, so a process may keep the sheets of a version. A deleted workbook
//! leaves the item `deleted`, `<id>` until its sheets and rules have gone ([`super::Purge`]).
//!
//! Index `by_owner`: `owner_id`, `workbook`. Index `all`: `dataset`, `workbook`. They list
//! workbooks in the order in which they were made. Both may lag, so the store reads the found items
//! again.

use platform::clock::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::{Deserialize, Serialize};

use super::kept::Kept;
use crate::domain::{Approval, Sheet};

/// The table of workbooks.
#[derive(Debug, Clone)]
pub struct Workbooks {
    pub(super) database: Database,
    pub(super) table: String,
    pub(super) kept: Kept<Sheet>,
}

/// A workbook without its sheets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workbook {
    /// UUIDv7.
    pub id: String,
    /// For people.
    pub name: String,
    /// The users who approve proposed changes.
    pub approval: Approval,
    /// Id of the owner; a workbook of the deployment itself has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<String>,
    /// Counts the changes of the workbook and its sheets, from 1.
    pub version: u64,
    /// Counts the changes of its sheets: the sum of their versions.
    #[serde(default)]
    pub sheet_changes: u64,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last change.
    pub updated_at: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Stored<T> {
    pub(super) workbook: String,
    pub(super) item: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) dataset: Option<String>,
    #[serde(flatten)]
    pub(super) value: T,
}

#[derive(Deserialize)]
struct Listed {
    workbook: String,
}

/// A deleted workbook of which something is left, or an item of it.
#[derive(Deserialize)]
struct Left {
    item: String,
}

const HEAD: &str = "head";
const DATASET: &str = "workbooks";
const DELETED: &str = "deleted";

impl Workbooks {
    /// Uses the table that `WORKBOOKS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("WORKBOOKS_TABLE")?.to_owned(),
            kept: Kept::default(),
        })
    }

    /// Whether there is a workbook with this id.
    pub async fn has(&self, id: &str) -> Result<bool, StoreError> {
        let found: Option<Left> = self.database.get(&self.table, head(id), true).await?;
        Ok(found.is_some())
    }

    /// A new workbook.
    pub fn create(&self, workbook: &Workbook) -> Result<Write, StoreError> {
        let stored = Stored {
            workbook: workbook.id.clone(),
            item: HEAD.to_owned(),
            dataset: Some(DATASET.to_owned()),
            value: workbook,
        };
        Ok(Write::put(&self.table, item(stored)?, "attribute_not_exists(workbook)", &none()))
    }

    /// The name and the approval of a workbook from now on. The condition fails where its version
    /// is no longer that before this one's.
    pub fn describe(&self, workbook: &Workbook) -> Write {
        let expression = Expression::default()
            .name("name", "name")
            .name("version", "version")
            .value("name", s(&workbook.name))
            .value("approval", s(workbook.approval.as_str()))
            .value("now", n(workbook.updated_at))
            .value("before", n(workbook.version - 1))
            .value("version", n(workbook.version));
        let update = "SET #name = :name, approval = :approval, updated_at = :now, #version = \
                      :version";
        Write::update(&self.table, head(&workbook.id), update, "#version = :before", &expression)
    }

    /// Counts the change of exactly one sheet, a new one included. The condition fails where the
    /// workbook has gone.
    pub fn touch(&self, id: &str, now: Timestamp) -> Write {
        let expression = Expression::default()
            .name("version", "version")
            .value("now", n(now.as_millisecond()))
            .value("one", n(1));
        let update = "SET updated_at = :now, #version = #version + :one ADD sheet_changes :one";
        let condition = "attribute_exists(workbook)";
        Write::update(&self.table, head(id), update, condition, &expression)
    }

    /// The same, if the workbook has not changed since it was read.
    pub fn touch_at(&self, workbook: &Workbook, now: Timestamp) -> Write {
        let expression = Expression::default()
            .name("version", "version")
            .value("now", n(now.as_millisecond()))
            .value("before", n(workbook.version))
            .value("next", n(workbook.version + 1))
            .value("one", n(1));
        let update = "SET updated_at = :now, #version = :next ADD sheet_changes :one";
        Write::update(&self.table, head(&workbook.id), update, "#version = :before", &expression)
    }

    /// Requires that a workbook is there when the other writes are committed.
    pub fn must_be(&self, id: &str) -> Write {
        Write::check(&self.table, head(id), "attribute_exists(workbook)", &none())
    }

    /// The end of a workbook, and a note that its sheets and rules are left. The condition fails
    /// where it has gone.
    pub fn delete(&self, id: &str) -> Result<[Write; 2], StoreError> {
        let left = Stored {
            workbook: DELETED.to_owned(),
            item: id.to_owned(),
            dataset: None,
            value: serde_json::Map::new(),
        };
        Ok([
            Write::delete_if(&self.table, head(id), "attribute_exists(workbook)", &none()),
            Write::put(&self.table, item(left)?, "attribute_not_exists(workbook)", &none()),
        ])
    }

    /// Ids of a user's own workbooks after one, in order, and whether there may be more.
    pub async fn owned(
        &self,
        user_id: &str,
        after: Option<&str>,
        look_at: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        self.listed(("by_owner", "owner_id", user_id), after, look_at).await
    }

    /// Ids of all workbooks after one, in order, and whether there may be more.
    pub async fn all(
        &self,
        after: Option<&str>,
        look_at: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        self.listed(("all", "dataset", DATASET), after, look_at).await
    }

    async fn listed(
        &self,
        (index, name, value): (&str, &str, &str),
        after: Option<&str>,
        look_at: usize,
    ) -> Result<(Vec<String>, bool), StoreError> {
        // Every id comes after `!`.
        let expression = Expression::default()
            .name("partition", name)
            .value("partition", s(value))
            .value("after", s(after.unwrap_or("!")));
        let request = self.database.client().query().table_name(&self.table).index_name(index);
        let page = query(
            request
                .key_condition_expression("#partition = :partition AND workbook > :after")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .limit(i32::try_from(look_at).unwrap_or(i32::MAX)),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key: Item| !key.is_empty());
        let found = page.items.unwrap_or_default().into_iter();
        let ids = found.map(|item| Ok(read::<Listed>(item)?.workbook));
        Ok((ids.collect::<Result<_, StoreError>>()?, more))
    }

    /// Deleted workbooks of which something is left; not all if there are many.
    pub(super) async fn left(&self) -> Result<Vec<String>, StoreError> {
        self.items_of(DELETED).await
    }

    /// The end of the note about a deleted workbook.
    pub(super) async fn done(&self, id: &str) -> Result<(), StoreError> {
        let place = key2(("workbook", DELETED), ("item", id));
        self.database.delete_all(&self.table, vec![place]).await
    }

    pub(super) async fn items_of(&self, workbook: &str) -> Result<Vec<String>, StoreError> {
        let expression = Expression::default().name("item", "item").value("workbook", s(workbook));
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("workbook = :workbook")
                .projection_expression("#item")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .consistent_read(true)
                .limit(25),
        )
        .await?;
        let found = page.items.unwrap_or_default().into_iter();
        found.map(|item| Ok(read::<Left>(item)?.item)).collect()
    }
}

/// The key of a workbook's head.
pub(super) fn head(id: &str) -> Item {
    key2(("workbook", id), ("item", HEAD))
}

/// The workbook of such an item.
pub(super) fn read_head(item: Item) -> Result<Workbook, StoreError> {
    Ok(read::<Stored<Workbook>>(item)?.value)
}

pub(super) fn none() -> Expression {
    Expression::default()
}
