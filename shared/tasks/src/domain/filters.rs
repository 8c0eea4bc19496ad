//! The filters and the order of a list.

use jiff::civil::Date;
use platform::domain::Words;
use platform::input::{Fields, FromField, Input, RawValue};
use utoipa::{IntoParams, ToSchema};

use super::task::TaskStatus;

/// Which tasks are wanted, and in which order.
#[derive(Debug, Clone, Default, ToSchema, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TaskFilters {
    /// Open tasks, completed ones, or both. Without it, open ones.
    #[schema(value_type = Option<StatusFilter>)]
    #[param(inline, required = false, default = "open")]
    pub status: StatusFilter,
    /// Only tasks that are due before this day. Tasks without a due date are left out.
    #[schema(value_type = Option<String>, format = Date, example = "2026-07-01")]
    #[param(value_type = Option<String>, format = Date, example = "2026-07-01")]
    pub due_before: Option<Date>,
    /// Only tasks that have this text in their title, in any case and any Unicode normal form. A
    /// page covers some 500 tasks, so it may be short, even empty. The search has ended only if
    /// `next_cursor` is null.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 100,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "books")]
    #[param(value_type = Option<String>, min_length = 1, max_length = 100,
        pattern = r"^[^\u0000]*[^\s\u0000][^\u0000]*$", example = "books")]
    pub query: Option<Words>,
    /// `-created_at`, the newest task first, or `due_date`: the task that is due first comes first,
    /// and tasks without a due date come last. Without it, `-created_at`.
    #[schema(value_type = Option<TaskSort>)]
    #[param(inline, required = false, default = "-created_at")]
    pub sort: TaskSort,
}

/// Tasks of which status are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum StatusFilter {
    /// Open tasks.
    #[default]
    Open,
    /// Completed tasks.
    Completed,
    /// Both.
    All,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
pub enum TaskSort {
    /// The newest task first.
    #[default]
    #[schema(rename = "-created_at")]
    Newest,
    /// The task that is due first comes first.
    #[schema(rename = "due_date")]
    DueDate,
}

impl StatusFilter {
    const ALL: [(&'static str, Self); 3] =
        [("open", Self::Open), ("completed", Self::Completed), ("all", Self::All)];

    /// The statuses that it means.
    pub(crate) const fn statuses(self) -> &'static [TaskStatus] {
        match self {
            Self::Open => &[TaskStatus::Open],
            Self::Completed => &[TaskStatus::Completed],
            Self::All => &[TaskStatus::Open, TaskStatus::Completed],
        }
    }
}

impl FromField for StatusFilter {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let known = Self::ALL.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, filter)| filter).ok_or_else(|| "must be open, completed or all".into())
    }
}

impl FromField for TaskSort {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "-created_at" => Ok(Self::Newest),
            "due_date" => Ok(Self::DueDate),
            _ => Err("must be -created_at or due_date".into()),
        }
    }
}

impl Input for TaskFilters {
    fn read(fields: &mut Fields) -> Option<Self> {
        let status = fields.optional("status");
        let due_before = fields.optional("due_before");
        let query = fields.optional("query");
        let sort = fields.optional("sort");
        Some(Self {
            status: status?.unwrap_or_default(),
            due_before: due_before?,
            query: query?,
            sort: sort?.unwrap_or_default(),
        })
    }
}

impl TaskFilters {
    /// Whether the store has to look at tasks that are not wanted.
    pub(crate) fn must_look(&self) -> bool {
        self.query.is_some() || self.due_before.is_some() && self.sort == TaskSort::Newest
    }

    /// Whether a task with this title and due date is wanted, if its status is.
    pub(crate) fn has(&self, title: &str, due_date: Option<&str>) -> bool {
        let is_due = |day: Date| due_date.is_some_and(|due| due < day.to_string().as_str());
        self.due_before.is_none_or(is_due)
            && self.query.as_ref().is_none_or(|words| words.are_in(title))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn filters_are_the_same_in_a_query_and_in_json() {
        for (query, body, expected) in [
            ("", json!({}), Ok((StatusFilter::Open, None, false, TaskSort::Newest))),
            (
                "status=all&due_before=2026-02-01&query=x&sort=due_date",
                json!({
                    "status": "all", "due_before": "2026-02-01", "query": "x", "sort": "due_date",
                }),
                Ok((StatusFilter::All, Some("2026-02-01"), true, TaskSort::DueDate)),
            ),
            (
                "status=completed&sort=-created_at",
                json!({"status": "completed", "sort": "-created_at", "query": null}),
                Ok((StatusFilter::Completed, None, false, TaskSort::Newest)),
            ),
            (
                "status=Open&due_before=tomorrow&query=+&sort=created_at",
                json!({
                    "status": "Open", "due_before": "tomorrow", "query": " ", "sort": "created_at",
                }),
                Err(4),
            ),
            ("state=open", json!({"state": "open"}), Err(1)),
        ] {
            let fields = body.as_object().unwrap().clone();
            for fields in [Fields::query(query), Fields::json(fields)] {
                let found = fields.read::<TaskFilters>().map_err(|problem| problem.errors.len());
                let found = found.map(|filters| {
                    let day = filters.due_before.map(|day| day.to_string());
                    (filters.status, day, filters.query.is_some(), filters.sort)
                });
                let expected = expected.map(|(status, day, has_query, sort)| {
                    (status, day.map(str::to_owned), has_query, sort)
                });
                assert_eq!(found, expected, "{query}");
            }
        }
    }

    #[test]
    fn a_task_is_wanted_if_it_matches_every_filter() {
        let task = ("Close the Books", Some("2026-01-31"));
        for (query, (title, due_date), expected) in [
            ("", ("x", None), true),
            ("due_before=2026-01-31", task, false),
            ("due_before=2026-02-01", task, true),
            ("due_before=2026-02-01", ("x", None), false),
            ("query=books", task, true),
            ("query=boots", task, false),
            ("query=books&due_before=2026-01-31", task, false),
        ] {
            let filters = Fields::query(query).read::<TaskFilters>().unwrap();
            assert_eq!(filters.has(title, due_date), expected, "{query}: {title} {due_date:?}");
        }
    }
}
