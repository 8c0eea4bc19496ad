//! The table of tasks.
//!
//! Key: `user_id`, `id` (UUIDv7). A task is only ever looked for under its user, so another user's
//! is not found.
//!
//! Two local indexes have the tasks of a user by their status, in an order. They are local because
//! a local index can be read consistently. So a task is in a list as soon as it is there.
//!
//! - `by_creation`: `created_key` is `<status>#<id>`. Ids sort by the time of their creation.
//! - `by_due_date`: `due_key` is `<status>#<due date>#<id>`. A task without a due date has `~` in
//!   its place, which sorts after every day.
//!
//! The item `#count` has the number of the user's open tasks. Each transaction that changes this
//! number updates it, under the condition that it stays within its bounds. The item is in neither
//! index.

use jiff::Timestamp;
use platform::clock::rfc3339_ms;
use platform::database::{Database, Expression, Item, StoreError, Write, item, key2, n, read, s};
use platform::{ConfigError, Platform, ids};
use serde::{Deserialize, Serialize};

use crate::domain::{NewTask, Task, TaskChange, TaskPlace, TaskSort, TaskStatus};

/// Open tasks of a user, at most.
pub const MOST_OPEN: u64 = 1_000;

/// The id of the item with the number of open tasks.
const COUNT: &str = "#count";

/// The table of tasks.
#[derive(Debug, Clone)]
pub struct TaskTable {
    pub(super) database: Database,
    pub(super) table: String,
}

/// A task as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Id of its user.
    pub user_id: String,
    /// UUIDv7.
    pub id: String,
    /// The title.
    pub title: String,
    /// The description, which may be empty.
    pub description: String,
    /// The day on which it is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_date: Option<String>,
    /// Whether it is done.
    pub status: TaskStatus,
    /// Milliseconds since 1970.
    pub created_at: i64,
    /// Milliseconds since 1970 of the last change.
    pub updated_at: i64,
    /// Milliseconds since 1970 of its completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completed_at: Option<i64>,
    /// Counts its changes, from 1.
    pub version: u64,
}

impl TaskTable {
    /// Uses the table that `TASKS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            database: platform.database()?,
            table: platform.config.require("TASKS_TABLE")?.to_owned(),
        })
    }

    /// A task of a user as it is now.
    pub async fn get(&self, user_id: &str, id: &str) -> Result<Option<Record>, StoreError> {
        self.database.get(&self.table, key2(("user_id", user_id), ("id", id)), true).await
    }

    /// A new task.
    pub fn create(&self, task: &Record) -> Result<Write, StoreError> {
        let new = "attribute_not_exists(id)";
        Ok(Write::put(&self.table, stored(task)?, new, &Expression::default()))
    }

    /// Puts a task in the place of its version before. The condition fails where that one is no
    /// longer current.
    pub fn replace(&self, before: &Record, after: &Record) -> Result<Write, StoreError> {
        let (condition, expression) = current(before);
        Ok(Write::put(&self.table, stored(after)?, condition, &expression))
    }

    /// The end of a task. The condition fails where this version is no longer current.
    pub fn delete(&self, task: &Record) -> Write {
        let key = key2(("user_id", &task.user_id), ("id", &task.id));
        let (condition, expression) = current(task);
        Write::delete_if(&self.table, key, condition, &expression)
    }

    /// Counts one more open task. The condition fails where the user has as many as they may.
    pub fn count_one(&self, user_id: &str) -> Write {
        let expression = Expression::default().value("one", n(1)).value("most", n(MOST_OPEN));
        let condition = "attribute_not_exists(open_tasks) OR open_tasks < :most";
        Write::update(&self.table, count(user_id), "ADD open_tasks :one", condition, &expression)
    }

    /// Counts one open task less. The condition fails where there is none.
    pub fn count_one_less(&self, user_id: &str) -> Write {
        let expression = Expression::default().value("one", n(-1)).value("none", n(0));
        let condition = "open_tasks > :none";
        Write::update(&self.table, count(user_id), "ADD open_tasks :one", condition, &expression)
    }
}

impl Record {
    /// A new task.
    pub fn new(user_id: &str, task: NewTask, now: Timestamp) -> Self {
        Self {
            user_id: user_id.to_owned(),
            id: ids::new_id(now),
            title: task.title.into(),
            description: task.description.into(),
            due_date: task.due_date.map(|day| day.to_string()),
            status: TaskStatus::Open,
            created_at: now.as_millisecond(),
            updated_at: now.as_millisecond(),
            completed_at: None,
            version: 1,
        }
    }

    /// The task of an item.
    pub fn read(item: Item) -> Result<Self, StoreError> {
        read(item)
    }

    /// The task after a change.
    #[must_use]
    pub fn changed(&self, change: &TaskChange, now: Timestamp) -> Self {
        let mut after = self.next(now);
        if let Some(title) = &change.title {
            after.title = title.clone().into();
        }
        if let Some(description) = &change.description {
            after.description = description.clone().into();
        }
        if let Some(due_date) = change.due_date {
            after.due_date = due_date.map(|day| day.to_string());
        }
        after
    }

    /// The task after its completion.
    #[must_use]
    pub fn completed(&self, now: Timestamp) -> Self {
        let after = self.next(now);
        let completed_at = Some(after.updated_at);
        Self { status: TaskStatus::Completed, completed_at, ..after }
    }

    /// Its next version. The clocks of two machines differ, but no change is before the last one.
    fn next(&self, now: Timestamp) -> Self {
        let updated_at = now.as_millisecond().max(self.updated_at);
        Self { updated_at, version: self.version + 1, ..self.clone() }
    }

    /// Its place in a list of this order.
    pub fn place(&self, sort: TaskSort) -> TaskPlace {
        TaskPlace::new(sort, self.due_date.as_deref(), &self.id)
    }
}

impl From<Record> for Task {
    fn from(record: Record) -> Self {
        Self {
            id: record.id,
            title: record.title,
            description: record.description,
            due_date: record.due_date,
            status: record.status,
            created_at: rfc3339_ms(record.created_at),
            updated_at: rfc3339_ms(record.updated_at),
            completed_at: record.completed_at.map(rfc3339_ms),
            version: record.version,
        }
    }
}

/// The name of the index of an order, and the attribute by which it sorts.
pub(super) const fn index(sort: TaskSort) -> (&'static str, &'static str) {
    match sort {
        TaskSort::Newest => ("by_creation", "created_key"),
        TaskSort::DueDate => ("by_due_date", "due_key"),
    }
}

/// The key of a place in the run of a status.
pub(super) fn key_of(status: TaskStatus, place: &str) -> String {
    format!("{}#{place}", status.as_str())
}

/// A task as an item, with the keys of the indexes.
fn stored(task: &Record) -> Result<Item, StoreError> {
    let mut stored = item(task)?;
    for sort in [TaskSort::Newest, TaskSort::DueDate] {
        let (_, attribute) = index(sort);
        let key = key_of(task.status, task.place(sort).as_str());
        stored.insert(attribute.to_owned(), s(key));
    }
    Ok(stored)
}

/// The key of the item with the number of a user's open tasks.
fn count(user_id: &str) -> Item {
    key2(("user_id", user_id), ("id", COUNT))
}

/// The condition that this version of a task is current.
fn current(task: &Record) -> (&'static str, Expression) {
    let expression = Expression::default().name("version", "version");
    ("#version = :version", expression.value("version", n(task.version)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use platform::input::Fields;

    use super::*;

    fn task(due_date: Option<&str>) -> Record {
        let body = json!({"title": "x", "due_date": due_date});
        let new = Fields::json(body.as_object().unwrap().clone()).read::<NewTask>().unwrap();
        Record::new("u", new, Timestamp::from_millisecond(1_000).unwrap())
    }

    #[test]
    fn a_task_is_stored_and_read_back_as_it_was() {
        for due_date in [None, Some("2026-01-31")] {
            let open = task(due_date);
            let done = open.completed(Timestamp::from_millisecond(2_000).unwrap());
            for record in [open, done] {
                let id = &record.id;
                let item = stored(&record).unwrap();
                let status = record.status.as_str();
                let due = due_date.unwrap_or("~");
                assert_eq!(item["created_key"], s(format!("{status}#{id}")));
                assert_eq!(item["due_key"], s(format!("{status}#{due}#{id}")));
                assert_eq!(Record::read(item).unwrap(), record);
            }
        }
    }

    #[test]
    fn each_change_raises_the_version_and_never_lowers_the_time() {
        let before = task(Some("2026-01-31"));
        let change = |body: serde_json::Value| {
            Fields::json(body.as_object().unwrap().clone()).read::<TaskChange>().unwrap()
        };
        for (body, now, title, due_date, updated_at) in [
            (json!({}), 2_000, "x", Some("2026-01-31"), 2_000),
            (json!({"title": "y"}), 1_000, "y", Some("2026-01-31"), 1_000),
            // The clock of this machine is slow.
            (json!({"due_date": null}), 500, "x", None, 1_000),
            (json!({"due_date": "2027-01-31"}), 2_000, "x", Some("2027-01-31"), 2_000),
        ] {
            let now = Timestamp::from_millisecond(now).unwrap();
            let after = before.changed(&change(body), now);
            assert_eq!((after.title.as_str(), after.due_date.as_deref()), (title, due_date));
            assert_eq!((after.version, after.updated_at), (2, updated_at));
            assert_eq!((after.created_at, after.completed_at), (1_000, None));
            let done = after.completed(now);
            assert_eq!((done.version, done.completed_at), (3, Some(updated_at)));
        }
    }
}
