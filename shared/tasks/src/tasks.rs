//! What users do with their tasks. Each change is a plan. Its writes have the conditions that the
//! task has not changed meanwhile, and that the number of open tasks stays within its bounds. Where
//! another request was faster, the change is decided again by the task as it is then. The event of
//! a refused change names the task too.

use futures_util::FutureExt as _;
use futures_util::future::ready;
use jiff::Timestamp;
use platform::audit::AuditDetails;
use platform::database::StoreError;
use platform::http::IfMatch;
use platform::plan::Retry;
use platform::{ConfigError, Plan, Platform, Problem};

use crate::domain::{NewTask, Task, TaskChange, TaskFilters, TaskPlace, TaskStatus};
use crate::store::{MOST_OPEN, Record, TaskTable};

/// The tasks of users.
#[derive(Debug, Clone)]
pub struct Tasks {
    table: TaskTable,
}

impl Tasks {
    /// Uses the table that `TASKS_TABLE` names.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { table: TaskTable::new(platform)? })
    }

    /// A new task. A user with too many open tasks gets 409 `task_limit`.
    pub fn create(
        &self,
        user_id: &str,
        task: NewTask,
        now: Timestamp,
    ) -> Result<Plan<Task>, Problem> {
        let record = Record::new(user_id, task, now);
        let create = self.table.create(&record)?;
        let id = record.id.clone();
        let plan = Plan::reply(Task::from(record)).details(details(&id)).creates(id);
        let count = self.table.count_one(user_id);
        Ok(plan.write_or(count, Problem::task_limit(MOST_OPEN)).write(create))
    }

    /// The answer to a repeated creation: the task as it is now. If it has gone, that is a 404.
    pub async fn created(&self, user_id: &str, id: &str) -> Result<Plan<Task>, Problem> {
        let task = self.get(user_id, id).await?.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(task).details(details(id).detail("repeated", true)))
    }

    /// A task of a user as it is now.
    pub async fn get(&self, user_id: &str, id: &str) -> Result<Option<Task>, StoreError> {
        Ok(self.table.get(user_id, id).await?.map(Task::from))
    }

    /// The next tasks of a list after a place, at most `limit`. Their JSON has at most `max_bytes`,
    /// unless the first task alone has more. Gives also where the list goes on, if it does.
    ///
    /// A list with the filter `query`, or with `due_before` in the order of creation, looks at a
    /// bounded number of tasks a page. So its page may be short, even empty, and go on.
    pub async fn list(
        &self,
        user_id: &str,
        filters: &TaskFilters,
        after: Option<TaskPlace>,
        limit: usize,
        max_bytes: usize,
    ) -> Result<(Vec<Task>, Option<TaskPlace>), StoreError> {
        self.table.list(user_id, filters, after, (limit, max_bytes)).await
    }

    /// The change of a task, also of a completed one. If `if_match` does not have its version, the
    /// answer is 412.
    pub async fn change(
        &self,
        user_id: &str,
        id: &str,
        change: TaskChange,
        if_match: IfMatch,
        now: Timestamp,
    ) -> Result<Plan<Task>, Problem> {
        let found = self.table.get(user_id, id).await?;
        Ok(about(id, self.changed(found, change, if_match, now)))
    }

    /// The completion of a task. A task that is completed already stays as it is, and the event
    /// has `repeated`.
    pub async fn complete(
        &self,
        user_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Plan<Task>, Problem> {
        let found = self.table.get(user_id, id).await?;
        Ok(about(id, self.completed(found, now)))
    }

    /// The end of a task. If `if_match` does not have its version, the answer is 412.
    pub async fn delete(
        &self,
        user_id: &str,
        id: &str,
        if_match: IfMatch,
    ) -> Result<Plan<()>, Problem> {
        let found = self.table.get(user_id, id).await?;
        Ok(about(id, self.deleted(found, if_match)))
    }

    fn changed(
        &self,
        found: Option<Record>,
        change: TaskChange,
        if_match: IfMatch,
        now: Timestamp,
    ) -> Result<Plan<Task>, Problem> {
        let before = wanted(found, &if_match)?;
        let after = before.changed(&change, now);
        let details = details(&after.id).detail("changed", change.fields());
        let replace = self.table.replace(&before, &after)?;
        let again =
            self.again(&after.id, move |tasks, found| tasks.changed(found, change, if_match, now));
        Ok(Plan::reply(Task::from(after)).details(details).write_or_retry(replace, again))
    }

    fn completed(&self, found: Option<Record>, now: Timestamp) -> Result<Plan<Task>, Problem> {
        let before = wanted(found, &IfMatch::Absent)?;
        let details = details(&before.id);
        if before.status == TaskStatus::Completed {
            let details = details.detail("repeated", true);
            return Ok(Plan::reply(Task::from(before)).details(details));
        }
        let after = before.completed(now);
        let replace = self.table.replace(&before, &after)?;
        let again = self.again(&after.id, move |tasks, found| tasks.completed(found, now));
        let plan = Plan::reply(Task::from(after)).details(details).write_or_retry(replace, again);
        Ok(self.with_one_less(plan, &before))
    }

    fn deleted(&self, found: Option<Record>, if_match: IfMatch) -> Result<Plan<()>, Problem> {
        let task = wanted(found, &if_match)?;
        let again = self.again(&task.id, move |tasks, found| tasks.deleted(found, if_match));
        let delete = self.table.delete(&task);
        let plan = Plan::reply(()).details(details(&task.id)).write_or_retry(delete, again);
        Ok(self.with_one_less(plan, &task))
    }

    /// The plan, which also counts the task as one that is no longer open, if it was. The number
    /// goes with the account: where there is none, the account's tasks have gone.
    fn with_one_less<O>(&self, plan: Plan<O>, task: &Record) -> Plan<O> {
        match task.status {
            TaskStatus::Open => {
                plan.write_or(self.table.count_one_less(&task.user_id), Problem::not_found())
            }
            TaskStatus::Completed => plan,
        }
    }

    /// Decides again, by the task as it is now.
    fn again<O: Send + 'static>(
        &self,
        id: &str,
        decide: impl FnOnce(&Self, Option<Record>) -> Result<Plan<O>, Problem> + Send + 'static,
    ) -> Retry<O> {
        let (tasks, id) = (self.clone(), id.to_owned());
        Box::new(move |item| {
            let found = item.map(Record::read).transpose().map_err(Problem::from);
            let plan = about(&id, found.and_then(|found| decide(&tasks, found)));
            ready(Ok::<_, Problem>(plan)).boxed()
        })
    }
}

/// The plan for a task. One that could not be made is a refusal whose event names the task.
fn about<O>(id: &str, plan: Result<Plan<O>, Problem>) -> Plan<O> {
    plan.unwrap_or_else(|problem| Plan::refuse(problem).details(details(id)))
}

/// The task, if there is one and it is of a version that the caller asks for.
fn wanted(found: Option<Record>, if_match: &IfMatch) -> Result<Record, Problem> {
    let task = found.ok_or_else(Problem::not_found)?;
    if if_match.allows(Some(task.version)) { Ok(task) } else { Err(Problem::precondition_failed()) }
}

/// The details of an event about a task: its id, and no text.
fn details(id: &str) -> AuditDetails {
    AuditDetails::default().resource("task", id)
}
