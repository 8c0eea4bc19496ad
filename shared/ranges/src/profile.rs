//! The facts that a user may know about the columns of a range.

use std::collections::BTreeMap;

use cells::grid::{Cleared, Grid, Withheld};
use cells::issues::Issues;
use platform::Problem;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The facts that a user may know about the columns of a range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// The columns, from the left, in the form of [`cells::profile::Column`].
    pub columns: Vec<Value>,
    /// The number of issues of each code.
    pub issues: BTreeMap<String, u64>,
    /// The number of withheld columns and cells.
    pub withheld: Withheld,
}

impl Profile {
    /// The profile of the cells that the user may have.
    pub(crate) fn of(cleared: &Cleared<Grid>) -> Result<Self, Problem> {
        let columns = cleared.columns().into_iter().map(serde_json::to_value);
        let columns = columns.collect::<Result<_, _>>().map_err(|_| Problem::internal())?;
        let issues = Issues::new(cleared).counts().into_iter();
        let issues = issues.map(|(code, count)| (code.to_owned(), count)).collect();
        Ok(Self { columns, issues, withheld: cleared.withheld() })
    }
}
