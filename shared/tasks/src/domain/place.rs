//! Where a list goes on.

use serde::{Deserialize, Serialize};

use super::filters::TaskSort;

/// The place of a due date that a task does not have. It sorts after every day.
const NEVER: &str = "~";

/// A place in a list: that of the last task that has been looked at. A list with other filters has
/// other places.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TaskPlace(String);

impl TaskPlace {
    /// Sorts after every place of a list.
    pub(crate) const END: &'static str = "~~";

    /// The place of a task in a list of this order: its id, after its due date if the list sorts by
    /// it. Ids sort by the time of their creation.
    pub(crate) fn new(sort: TaskSort, due_date: Option<&str>, id: &str) -> Self {
        Self(match sort {
            TaskSort::Newest => id.to_owned(),
            TaskSort::DueDate => format!("{}#{id}", due_date.unwrap_or(NEVER)),
        })
    }

    /// The place as the store's keys have it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of its task.
    pub(crate) fn id(&self) -> &str {
        self.0.rsplit('#').next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_the_id_of_its_task_and_sorts_before_the_end() {
        for (sort, due_date, text) in [
            (TaskSort::Newest, Some("2026-01-31"), "0007"),
            (TaskSort::DueDate, Some("2026-01-31"), "2026-01-31#0007"),
            (TaskSort::DueDate, Some("9999-12-31"), "9999-12-31#0007"),
            (TaskSort::DueDate, None, "~#0007"),
        ] {
            let place = TaskPlace::new(sort, due_date, "0007");
            assert_eq!((place.as_str(), place.id()), (text, "0007"));
            assert!(place.as_str() < TaskPlace::END);
        }
    }
}
