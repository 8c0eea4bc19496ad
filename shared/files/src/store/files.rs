//! The table of files.
//!
//! Key: `user_id`, `id` (UUIDv7). A file is only ever looked for under its user, so another user's
//! is not found. Items expire by `expires_at`.
//!
//! The item `#quota` has a revision that each announcement raises. There is no number of files,
//! because files also end by their time to live. An announcement reads the files of its user, and
//! is committed under the revision that it has read. So of two at once, one takes the last place
//! and the other is refused.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::database::{
    Database, Expression, Item, StoreError, Write, item, key2, n, query, read, s,
};
use platform::{ConfigError, Platform};
use serde::Deserialize;

use super::record::Record;

/// The id of the item with the revision.
const QUOTA: &str = "#quota";

/// Files that are purged together.
const PURGED: i32 = 10;

/// The table of files.
#[derive(Debug, Clone)]
pub struct FilesTable {
    pub(super) database: Database,
    pub(super) table: String,
}

/// The number and the bytes of a user's files, and the revision of their quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Files that have not expired.
    pub files: u64,
    /// Their bytes, as announced.
    pub bytes: u64,
    /// Revision of the item `#quota`; `None` if there is none.
    pub revision: Option<u64>,
}

/// The part of an item that the quota depends on.
#[derive(Deserialize)]
struct Counted {
    id: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    expires_at: i64,
    #[serde(default)]
    revision: u64,
}

/// The key of an item, as a purge reads it.
#[derive(Deserialize)]
struct Place {
    id: String,
}

impl FilesTable {
    /// Uses the table that `FILES_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("FILES_TABLE")?.to_owned(),
        })
    }

    /// A file of a user as it is now, if it has not expired.
    pub async fn get(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Option<Record>, StoreError> {
        let key = key2(("user_id", user_id), ("id", id));
        let found: Option<Record> = self.database.get(&self.table, key, true).await?;
        Ok(found.filter(|record| record.is_kept(now)))
    }

    /// The number and the bytes of a user's files now.
    pub fn held<'a>(
        &'a self,
        user_id: &'a str,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Held, StoreError>> {
        async move {
            let request = self.of_user(user_id).projection_expression("#id, #size, #ttl, #rev");
            let request = request
                .expression_attribute_names("#id", "id")
                .expression_attribute_names("#size", "size")
                .expression_attribute_names("#ttl", "expires_at")
                .expression_attribute_names("#rev", "revision");
            let (mut held, mut start) = (Held::default(), None);
            loop {
                let page = query(request.clone().set_exclusive_start_key(start)).await?;
                for item in page.items.unwrap_or_default() {
                    held.count(&read(item)?, now);
                }
                start = page.last_evaluated_key.filter(|key| !key.is_empty());
                if start.is_none() {
                    return Ok(held);
                }
            }
        }
        .boxed()
    }

    /// Raises the revision of a user. The condition fails if another announcement has raised it
    /// first.
    pub fn raise(&self, user_id: &str, revision: Option<u64>) -> Write {
        let mut item = key2(("user_id", user_id), ("id", QUOTA));
        item.insert("revision".to_owned(), n(revision.unwrap_or_default() + 1));
        match revision {
            None => {
                let new = "attribute_not_exists(id)";
                Write::put(&self.table, item, new, &Expression::default())
            }
            Some(revision) => {
                let expression = Expression::default().value("seen", n(revision));
                Write::put(&self.table, item, "revision = :seen", &expression)
            }
        }
    }

    /// A new file.
    pub fn create(&self, file: &Record) -> Result<Write, StoreError> {
        let new = "attribute_not_exists(id)";
        Ok(Write::put(&self.table, item(file)?, new, &Expression::default()))
    }

    /// Replaces a file by its next version. The condition fails if `before` is no longer current.
    pub fn replace(&self, before: &Record, after: &Record) -> Result<Write, StoreError> {
        let (condition, expression) = current(before);
        Ok(Write::put(&self.table, item(after)?, condition, &expression))
    }

    /// The end of a file. The condition fails if this version is no longer current.
    pub fn delete(&self, file: &Record) -> Write {
        let (condition, expression) = current(file);
        Write::delete_if(&self.table, place(&file.user_id, &file.id), condition, &expression)
    }

    /// The ids of some files of a deleted account, expired ones too. Empty if there are none.
    pub async fn some_of(&self, user_id: &str) -> Result<Vec<String>, StoreError> {
        let request = self.of_user(user_id).projection_expression("id");
        // The item `#quota` sorts before all ids.
        let page = query(request.scan_index_forward(false).limit(PURGED)).await?;
        let places = page.items.unwrap_or_default().into_iter().map(read::<Place>);
        places.map(|place| Ok(place?.id)).collect()
    }

    /// Whether an id of [`FilesTable::some_of`] is that of a file.
    pub fn is_file(id: &str) -> bool {
        id != QUOTA
    }

    /// Deletes the items with these ids, at most 25.
    pub async fn delete_each(&self, user_id: &str, ids: &[String]) -> Result<(), StoreError> {
        let keys = ids.iter().map(|id| place(user_id, id)).collect();
        self.database.delete_all(&self.table, keys).await
    }

    /// A consistent query of the items of a user.
    fn of_user(&self, user_id: &str) -> QueryFluentBuilder {
        let request = self.database.client().query().table_name(&self.table);
        request
            .key_condition_expression("user_id = :user")
            .expression_attribute_values(":user", s(user_id))
            .consistent_read(true)
    }
}

impl Held {
    /// Counts an item, if it is a file that has not expired.
    fn count(&mut self, item: &Counted, now: Timestamp) {
        if item.id == QUOTA {
            self.revision = Some(item.revision);
        } else if now.as_second() < item.expires_at {
            self.files += 1;
            self.bytes = self.bytes.saturating_add(item.size);
        }
    }
}

fn place(user_id: &str, id: &str) -> Item {
    key2(("user_id", user_id), ("id", id))
}

/// The condition that this version of a file is current.
fn current(file: &Record) -> (&'static str, Expression) {
    let expression = Expression::default().name("version", "version");
    ("#version = :version", expression.value("version", n(file.version)))
}

#[cfg(test)]
mod tests {
    use super::super::record::samples::{at, file};
    use super::*;

    #[test]
    fn files_that_have_not_expired_count() {
        let mut held = Held::default();
        let counted = |item: Item| read::<Counted>(item).unwrap();
        let (now, first) = (at(2_000), file());
        let expired = Record { expires_at: 2_000, ..first.clone() };
        for record in [&first, &expired, &first] {
            held.count(&counted(item(record).unwrap()), now);
        }
        assert_eq!(held, Held { files: 2, bytes: 14, revision: None });
        let mut quota = place("u", QUOTA);
        quota.insert("revision".to_owned(), n(7));
        held.count(&counted(quota), now);
        assert_eq!(held, Held { files: 2, bytes: 14, revision: Some(7) });
    }
}
