//! A task to create, and the changes of one.

use jiff::civil::Date;
use platform::input::{Fields, Input};
use utoipa::ToSchema;

use super::text::{Description, Title};

/// The task to create.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
pub struct NewTask {
    /// For people: 1 to 200 characters after Unicode's normalization (NFC), without blanks around
    /// them. Control characters, tags and characters that reorder text are removed. Markup stays as
    /// typed.
    #[schema(value_type = String, min_length = 1,
        pattern = r"[^\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]",
        example = "Close the books of May")]
    pub title: Title,
    /// For people: at most 2,000 characters, cleaned like the title. Line feeds and tabs stay.
    #[schema(value_type = Option<String>, pattern = r"^[\s\S]*$",
        example = "Accruals first, then the intercompany accounts.")]
    pub description: Description,
    /// The day on which it is due.
    #[schema(value_type = Option<String>, format = Date, example = "2026-06-05")]
    pub due_date: Option<Date>,
}

/// The changes of a task. A field that you leave out keeps its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, ToSchema)]
#[allow(clippy::option_option, reason = "a field that is left out and null are two things")]
pub struct TaskChange {
    /// For people: 1 to 200 characters after Unicode's normalization (NFC), without blanks around
    /// them. Control characters, tags and characters that reorder text are removed. Markup stays as
    /// typed.
    #[schema(value_type = Option<String>, nullable = false, min_length = 1,
        pattern = r"[^\s\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]",
        example = "Close the books of May")]
    pub title: Option<Title>,
    /// For people: at most 2,000 characters, cleaned like the title. Line feeds and tabs stay. Null
    /// removes it.
    #[schema(value_type = Option<String>, pattern = r"^[\s\S]*$",
        example = "Accruals first, then the intercompany accounts.")]
    pub description: Option<Description>,
    /// The day on which it is due. Null removes it.
    #[schema(value_type = Option<String>, format = Date, example = "2026-06-05")]
    pub due_date: Option<Option<Date>>,
}

impl Input for NewTask {
    fn read(fields: &mut Fields) -> Option<Self> {
        let title = fields.required("title");
        let description = fields.optional::<Description>("description");
        let due_date = fields.optional("due_date");
        Some(Self {
            title: title?,
            description: description?.unwrap_or_default(),
            due_date: due_date?,
        })
    }
}

impl Input for TaskChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let has = ["title", "description", "due_date"].map(|name| fields.has(name));
        // A task has a title: null is refused.
        let title = if has[0] { fields.required("title").map(Some) } else { Some(None) };
        let description = fields.optional::<Description>("description");
        let due_date = fields.optional("due_date");
        let (title, description, due_date) = (title?, description?, due_date?);
        Some(Self {
            title,
            description: has[1].then(|| description.unwrap_or_default()),
            due_date: has[2].then_some(due_date),
        })
    }
}

impl TaskChange {
    /// The names of the fields that it sets.
    pub fn fields(&self) -> Vec<&'static str> {
        let set = [
            ("title", self.title.is_some()),
            ("description", self.description.is_some()),
            ("due_date", self.due_date.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;

    /// The value of a body, or the fields at fault.
    fn read<T: Input>(body: &Value) -> Result<T, Vec<String>> {
        let fields: Map<_, _> = body.as_object().unwrap().clone();
        Fields::json(fields).read::<T>().map_err(|problem| {
            problem.errors.into_iter().filter_map(|error| error.pointer).collect()
        })
    }

    #[test]
    fn a_new_task_needs_a_title_alone() {
        for (body, expected) in [
            (json!({"title": "x"}), Ok(("x", "", None))),
            (json!({"title": "x", "description": null, "due_date": null}), Ok(("x", "", None))),
            (
                json!({"title": " x ", "description": "y\n", "due_date": "2026-01-31"}),
                Ok(("x", "y", Some("2026-01-31"))),
            ),
            (json!({}), Err(&["/title"][..])),
            (json!({"title": null}), Err(&["/title"])),
            (
                json!({"title": 1, "description": 2, "due_date": "2026-02-30", "status": "open"}),
                Err(&["/title", "/description", "/due_date", "/status"]),
            ),
            (json!({"title": "x", "due_date": "2026-01-31T00:00:00Z"}), Err(&["/due_date"])),
            (json!({"title": "x", "due_date": ""}), Err(&["/due_date"])),
        ] {
            let found = read::<NewTask>(&body);
            let found = found.as_ref().map(|task| {
                let due_date = task.due_date.map(|day| day.to_string());
                (&*task.title, &*task.description, due_date)
            });
            let expected = expected
                .map(|(title, description, day)| (title, description, day.map(str::to_owned)));
            assert_eq!(
                found.map_err(|faults| faults.iter().map(String::as_str).collect::<Vec<_>>()),
                expected.map_err(<[_]>::to_vec),
                "{body}"
            );
        }
    }

    #[test]
    fn a_change_tells_null_from_what_is_left_out() {
        for (body, expected) in [
            (json!({}), Ok((None, None, None))),
            (json!({"title": "x"}), Ok((Some("x"), None, None))),
            (json!({"description": null}), Ok((None, Some(""), None))),
            (json!({"description": "y"}), Ok((None, Some("y"), None))),
            (json!({"due_date": null}), Ok((None, None, Some(None)))),
            (json!({"due_date": "2026-01-31"}), Ok((None, None, Some(Some("2026-01-31"))))),
            (json!({"title": null}), Err(&["/title"][..])),
            (json!({"title": " "}), Err(&["/title"])),
            (json!({"status": "completed"}), Err(&["/status"])),
            (json!({"id": "x", "version": 2}), Err(&["/id", "/version"])),
        ] {
            let found = read::<TaskChange>(&body);
            let found = found.as_ref().map(|change| {
                let due_date = change.due_date.map(|day| day.map(|day| day.to_string()));
                (change.title.as_deref(), change.description.as_deref(), due_date)
            });
            let expected = expected.map(|(title, description, day)| {
                (title, description, day.map(|day: Option<&str>| day.map(str::to_owned)))
            });
            assert_eq!(
                found.map_err(|faults| faults.iter().map(String::as_str).collect::<Vec<_>>()),
                expected.map_err(<[_]>::to_vec),
                "{body}"
            );
        }
    }
}
