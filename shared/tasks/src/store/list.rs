//! Lists of a user's tasks.
//!
//! An index has the tasks of each status as one run of its keys. A list of both statuses merges two
//! such runs. A page makes one query for each. It looks at a bounded number of tasks, so a page
//! with few matches is short. It ends where it does not know the next task of a run.

use std::collections::VecDeque;

use futures_util::future::try_join_all;
use platform::database::{Expression, StoreError, key2, query, read, s};

use super::tasks::{Record, TaskTable, index, key_of};
use crate::domain::{Task, TaskFilters, TaskPlace, TaskSort, TaskStatus};

/// Tasks of a status that a page looks at, at most, where some are not wanted.
const LOOK_AT: usize = 500;

/// The next tasks of a run.
#[derive(Debug)]
struct Run {
    records: VecDeque<Record>,
    /// Whether there are more behind them.
    more: bool,
}

impl TaskTable {
    /// The next tasks after a place, at most `limit`, and at most `max_bytes` of JSON unless the
    /// first task alone has more. Gives also where the list goes on, if it does.
    pub async fn list(
        &self,
        user_id: &str,
        filters: &TaskFilters,
        after: Option<TaskPlace>,
        (limit, max_bytes): (usize, usize),
    ) -> Result<(Vec<Task>, Option<TaskPlace>), StoreError> {
        // One more than the limit tells whether this is the last page.
        let look_at = if filters.must_look() { LOOK_AT } else { limit.saturating_add(1) };
        let statuses = filters.status.statuses().iter();
        let runs =
            statuses.map(|status| self.run(user_id, *status, filters, after.as_ref(), look_at));
        let runs = try_join_all(runs).await?;
        Ok(merge(runs, filters, after, (limit, max_bytes)))
    }

    /// The next tasks of a run.
    async fn run(
        &self,
        user_id: &str,
        status: TaskStatus,
        filters: &TaskFilters,
        after: Option<&TaskPlace>,
        look_at: usize,
    ) -> Result<Run, StoreError> {
        let (index, attribute) = index(filters.sort);
        let key = |place: &str| s(key_of(status, place));
        let day = filters.due_before.filter(|_| filters.sort == TaskSort::DueDate);
        let end = day.map_or_else(|| TaskPlace::END.to_owned(), |day| day.to_string());
        let expression = Expression::default()
            .name("key", attribute)
            .value("user", s(user_id))
            .value("first", key(""))
            .value("last", key(&end));
        let start = after.map(|place| {
            let mut start = key2(("user_id", user_id), ("id", place.id()));
            start.insert(attribute.to_owned(), key(place.as_str()));
            start
        });
        let request = self.database.client().query().table_name(&self.table).index_name(index);
        let page = query(
            request
                .key_condition_expression("user_id = :user AND #key BETWEEN :first AND :last")
                .set_expression_attribute_names(expression.names())
                .set_expression_attribute_values(expression.values())
                .set_exclusive_start_key(start)
                .scan_index_forward(filters.sort == TaskSort::DueDate)
                .consistent_read(true)
                .limit(i32::try_from(look_at).unwrap_or(i32::MAX)),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let records = page.items.unwrap_or_default().into_iter().map(read::<Record>);
        Ok(Run { records: records.collect::<Result<_, _>>()?, more })
    }
}

/// The wanted tasks of these runs in their order, as many as a page has, and where the list goes
/// on.
fn merge(
    mut runs: Vec<Run>,
    filters: &TaskFilters,
    after: Option<TaskPlace>,
    (limit, max_bytes): (usize, usize),
) -> (Vec<Task>, Option<TaskPlace>) {
    let (mut found, mut place, mut room) = (Vec::new(), after, max_bytes);
    loop {
        // The next task of such a run is not known. It may be the next one of the list.
        if runs.iter().any(|run| run.more && run.records.is_empty()) {
            return (found, place);
        }
        let Some(record) = first(&mut runs, filters.sort) else { return (found, None) };
        let next = record.place(filters.sort);
        if filters.has(&record.title, record.due_date.as_deref()) {
            let task = Task::from(record);
            let bytes = weight(&task);
            if found.len() == limit || (bytes > room && !found.is_empty()) {
                return (found, place);
            }
            room = room.saturating_sub(bytes);
            found.push(task);
        }
        place = Some(next);
    }
}

/// Takes the first task of all runs.
fn first(runs: &mut [Run], sort: TaskSort) -> Option<Record> {
    let place = |run: &Run| Some(run.records.front()?.place(sort));
    let places = runs.iter().enumerate().filter_map(|(at, run)| Some((place(run)?, at)));
    let (_, at) = match sort {
        TaskSort::Newest => places.max(),
        TaskSort::DueDate => places.min(),
    }?;
    runs[at].records.pop_front()
}

/// Bytes of a task in a list in JSON.
fn weight(task: &Task) -> usize {
    serde_json::to_string(task).map_or(0, |json| json.len() + ",".len())
}

#[cfg(test)]
mod tests {
    use platform::input::Fields;

    use super::*;

    /// A task with a number, as its id and in its title.
    fn record(number: usize, due_date: Option<&str>) -> Record {
        Record {
            user_id: "u".into(),
            id: format!("{number:04}"),
            title: format!("Task {number}"),
            description: String::new(),
            due_date: due_date.map(str::to_owned),
            status: TaskStatus::Open,
            created_at: 0,
            updated_at: 0,
            completed_at: None,
            version: 1,
        }
    }

    fn run(numbers: &[usize], more: bool) -> Run {
        let due_date = |number: usize| (number > 2).then_some("2026-01-31");
        let records = numbers.iter().map(|number| record(*number, due_date(*number)));
        Run { records: records.collect(), more }
    }

    #[test]
    fn a_page_merges_runs_as_far_as_it_knows_them() {
        let whole: &[(&[usize], bool)] = &[(&[7, 5, 1], false), (&[6, 2], false)];
        let cut: &[(&[usize], bool)] = &[(&[7, 5], true), (&[6, 2], false)];
        for (runs, query, limit, expected, place) in [
            (whole, "", 9, &[7, 6, 5, 2, 1][..], None),
            (whole, "", 5, &[7, 6, 5, 2, 1], None),
            (whole, "", 3, &[7, 6, 5], Some("0005")),
            // The run that was cut may have a task between the fifth and the second.
            (cut, "", 9, &[7, 6, 5], Some("0005")),
            (cut, "", 2, &[7, 6], Some("0006")),
            (&[(&[], false), (&[], false)], "", 9, &[], None),
            (whole, "query=2", 9, &[2], None),
            (whole, "query=9", 9, &[], None),
            (cut, "query=9", 9, &[], Some("0005")),
            // The page looks for one more match.
            (cut, "query=7", 1, &[7], Some("0005")),
            (whole, "query=7", 1, &[7], None),
            // A page that nothing is known of goes on where it began.
            (&[(&[], true)], "", 9, &[], Some("0009")),
        ] {
            let filters = Fields::query(query).read::<TaskFilters>().unwrap();
            let runs = runs.iter().map(|(numbers, more)| run(numbers, *more)).collect();
            let after = Some(TaskPlace::new(filters.sort, None, "0009"));
            let (found, next) = merge(runs, &filters, after, (limit, usize::MAX));
            let found: Vec<usize> = found.iter().map(|task| task.id.parse().unwrap()).collect();
            let next = next.as_ref().map(TaskPlace::as_str);
            assert_eq!((&found[..], next), (expected, place), "{query} {limit}");
        }
    }

    #[test]
    fn tasks_are_ordered_by_their_due_date_and_those_without_one_come_last() {
        let due = |days: &[(usize, Option<&str>)]| {
            let records = days.iter().map(|(number, day)| record(*number, *day));
            Run { records: records.collect(), more: false }
        };
        let runs = vec![
            due(&[(4, Some("2025-12-31")), (3, Some("2026-01-31")), (1, None)]),
            due(&[(2, Some("2026-01-31")), (5, Some("2026-01-31")), (6, None)]),
        ];
        let filters = Fields::query("sort=due_date").read::<TaskFilters>().unwrap();
        let (found, _) = merge(runs, &filters, None, (9, usize::MAX));
        let found: Vec<_> = found.iter().map(|task| task.id.as_str()).collect();
        assert_eq!(found, ["0004", "0002", "0003", "0005", "0001", "0006"]);
    }

    #[test]
    fn a_page_has_no_more_bytes_than_it_may_but_a_task_at_least() {
        let filters = TaskFilters::default();
        let one = weight(&Task::from(record(7, Some("2026-01-31"))));
        for (max_bytes, count) in
            [(0, 1), (one - 1, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (3 * one, 3)]
        {
            let (found, next) = merge(vec![run(&[7, 6, 5], false)], &filters, None, (9, max_bytes));
            assert_eq!((found.len(), next.is_some()), (count, count < 3), "{max_bytes}");
        }
    }
}
