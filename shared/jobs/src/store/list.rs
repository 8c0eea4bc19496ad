//! The list of a user's jobs.

use jiff::Timestamp;
use platform::database::{StoreError, query, read, s};
use serde::{Deserialize, Serialize};

use super::head::Head;
use super::jobs::{Jobs, place};
use crate::domain::{JobKind, JobStatus};

/// Jobs that one query reads, at most.
const LOOK_AT: i32 = 100;

/// Sorts after the item `#open`, and before all ids.
const FIRST_ID: &str = "0";

/// Sorts after all ids.
const LAST_ID: &str = "~";

/// A place in a list: the id of the last job that has been looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobPlace(String);

impl Jobs {
    /// The next jobs after a place, the newest first, at most `limit`. Gives also where the list
    /// goes on, if it does. A page may be short, even empty, and go on.
    pub async fn list(
        &self,
        user_id: &str,
        (kind, status): (Option<JobKind>, Option<JobStatus>),
        after: Option<JobPlace>,
        limit: usize,
        now: Timestamp,
    ) -> Result<(Vec<Head>, Option<JobPlace>), StoreError> {
        let request = self.database.client().query().table_name(&self.table);
        let page = query(
            request
                .key_condition_expression("user_id = :user AND id BETWEEN :first AND :last")
                .expression_attribute_values(":user", s(user_id))
                .expression_attribute_values(":first", s(FIRST_ID))
                .expression_attribute_values(":last", s(LAST_ID))
                .set_exclusive_start_key(after.as_ref().map(|after| place(user_id, &after.0)))
                .scan_index_forward(false)
                .consistent_read(true)
                .limit(LOOK_AT),
        )
        .await?;
        let more = page.last_evaluated_key.is_some_and(|key| !key.is_empty());
        let (mut found, mut place) = (Vec::new(), after);
        for item in page.items.unwrap_or_default() {
            let head: Head = read(item)?;
            let is_wanted = head.is_kept(now)
                && kind.is_none_or(|kind| head.kind == kind)
                && status.is_none_or(|status| head.status == status);
            if is_wanted && found.len() == limit {
                return Ok((found, place));
            }
            place = Some(JobPlace(head.id.clone()));
            if is_wanted {
                found.push(head);
            }
        }
        Ok((found, place.filter(|_| more)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_jobs_stand_between_the_bounds_and_the_counter_does_not() {
        let ids = ["019a0000-0000-7000-8000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"];
        assert!(ids.iter().all(|id| (FIRST_ID..LAST_ID).contains(id)));
        assert!("#open" < FIRST_ID);
    }
}
