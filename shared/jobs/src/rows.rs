//! The rows of a batch as they are. What is known of them is in three places: the result of their
//! item, if it has one; the item, if it has been begun; and the job, for all others.

use std::collections::BTreeMap;

use crate::domain::{BatchWork, ItemStatus, RowErrorCode, StoredRow, StoredRows};
use crate::store::{Head, Item, Rest};

/// What a round says of rows whose calls it made: nothing.
const NOTHING: Rest = Rest { status: ItemStatus::Failed, code: None };

/// The rows of an item of a batch as they are, in order. `item` is the item, if it has been begun.
/// A row that is pending or running is pending. It counts all attempts.
pub fn rows_of(work: &BatchWork, index: u32, item: Option<&Item>, head: &Head) -> StoredRows {
    let stored = item.and_then(|item| serde_json::from_str(item.result.as_deref()?).ok());
    let StoredRows { rows, sources } = stored.unwrap_or_default();
    let mut known: BTreeMap<_, _> = rows.into_iter().map(|row| (row.row, row)).collect();
    let rows = work.rows_of(index).map(|number| {
        let unknown = || StoredRow::new(number, ItemStatus::Pending, 0);
        state_of(known.remove(&number).unwrap_or_else(unknown), item, head)
    });
    StoredRows { rows: rows.collect(), sources }
}

/// The state of a row. `row` is what the result has.
fn state_of(row: StoredRow, item: Option<&Item>, head: &Head) -> StoredRow {
    if row.status == ItemStatus::Succeeded {
        return row;
    }
    let is_known = row.status.has_ended();
    let last = if is_known { Some(row.clone()) } else { item.and_then(|item| of_item(&row, item)) };
    let attempts = match item {
        Some(item) if !is_known => row.attempts + item.state.attempts,
        _ => row.attempts,
    };
    let is_wanted = head.only.is_empty() || head.only.contains(&row.row);
    let is_begun = item.is_some_and(|item| item.state.round == head.round);
    let pending = StoredRow::new(row.row, ItemStatus::Pending, attempts);
    let says_nothing = rest_of(head) == NOTHING;
    match last {
        // This round has ended its call, or is not for it.
        Some(last) if is_begun || !is_wanted => last,
        _ if !head.status.has_ended() && (is_begun || is_wanted) => pending,
        // The round has ended before its call, and the job does not say why. Its last failure does.
        Some(last) if says_nothing => last,
        _ => resting(pending, head),
    }
}

/// A row of a call that has failed, or was broken off, as a whole. `None` if the call has not ended.
fn of_item(row: &StoredRow, item: &Item) -> Option<StoredRow> {
    let ended = StoredRow { attempts: row.attempts + item.state.attempts, ..row.clone() };
    match item.state.status {
        ItemStatus::Pending | ItemStatus::Running => None,
        ItemStatus::Cancelled => Some(StoredRow { status: ItemStatus::Cancelled, ..ended }),
        ItemStatus::Succeeded | ItemStatus::Failed => {
            let code = item.error.as_ref().map(|error| error.code.into());
            Some(ended.failed(code.unwrap_or(RowErrorCode::InvalidOutput)))
        }
    }
}

/// A row whose call was not made before the end of its job.
fn resting(row: StoredRow, head: &Head) -> StoredRow {
    let Rest { status, code } = rest_of(head);
    if status == ItemStatus::Cancelled {
        return StoredRow { status, ..row };
    }
    let code = code.or(head.error.as_ref().map(|error| error.code));
    row.failed(code.map_or(RowErrorCode::Interrupted, RowErrorCode::from))
}

fn rest_of(head: &Head) -> Rest {
    head.rest.unwrap_or(NOTHING)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::Operation;
    use crate::standing::samples::head;

    /// A batch under way with these members.
    fn job(more: Value) -> Head {
        let mut members = json!({"kind": "batch", "status": "running"});
        let Value::Object(more) = more else { panic!("{more} is no object") };
        members.as_object_mut().unwrap().extend(more);
        head(&members)
    }

    fn used() -> Value {
        json!({
            "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0,
        })
    }

    /// An item of two rows, 2 and 3.
    fn item(round: u32, status: &str, error: Option<&str>, rows: &Value) -> Item {
        let error = error.map(|code| json!({"code": code, "detail": ""}));
        serde_json::from_value(json!({
            "job_id": "j", "index": "000000", "status": status, "epoch": 1, "round": round,
            "attempts": 1, "worst": "0.00", "succeeded": 0, "failed": 0, "usage": used(),
            "cost": "0.00", "estimated": false, "error": error, "expires_at": 0,
            "result": rows.is_array().then(|| json!({"rows": rows}).to_string()),
        }))
        .unwrap()
    }

    fn shown(head: &Head, item: Option<&Item>) -> String {
        let work = BatchWork {
            range_id: "r".into(),
            operation: Operation::Explain,
            input_columns: vec!["B".parse().unwrap()],
            first_row: 2,
            last_row: 5,
            rows_per_call: 2,
            bytes: Vec::new(),
        };
        let rows = rows_of(&work, 0, item, head).rows;
        let row = |row: &StoredRow| {
            let code = row.code.map_or("", RowErrorCode::as_str);
            format!("{} {}{} {}", row.row, row.status.as_str(), code, row.attempts)
        };
        rows.iter().map(row).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn rows_without_a_result_are_what_their_item_is() {
        let (open, none) = (job(json!({})), json!(null));
        for (status, error, expected) in [
            ("running", None, "2 pending 1, 3 pending 1"),
            ("pending", None, "2 pending 1, 3 pending 1"),
            ("cancelled", None, "2 cancelled 1, 3 cancelled 1"),
            ("failed", Some("refused"), "2 failedrefused 1, 3 failedrefused 1"),
            (
                "failed",
                Some("provider_rate_limited"),
                "2 failedprovider_error 1, 3 failedprovider_error 1",
            ),
            ("failed", Some("output_too_long"), "2 failedtoo_long 1, 3 failedtoo_long 1"),
        ] {
            assert_eq!(shown(&open, Some(&item(1, status, error, &none))), expected, "{status}");
        }
    }

    #[test]
    fn rows_of_calls_that_were_not_made_are_what_their_job_is() {
        for (more, expected) in [
            (json!({}), "2 pending 0, 3 pending 0"),
            (
                json!({"status": "cancelled", "rest": {"status": "cancelled"}}),
                "2 cancelled 0, 3 cancelled 0",
            ),
            (
                json!({"status": "failed", "rest": {"status": "failed", "code": "access_revoked"}}),
                "2 failedaccess_revoked 0, 3 failedaccess_revoked 0",
            ),
            (
                json!({"status": "failed", "rest": {"status": "failed"}}),
                "2 failedinterrupted 0, 3 failedinterrupted 0",
            ),
        ] {
            assert_eq!(shown(&job(more.clone()), None), expected, "{more}");
        }
        // The provider did not answer, and then its user stopped the job.
        let ended = job(json!({"status": "cancelled", "rest": {"status": "cancelled"}}));
        let waiting = item(1, "pending", None, &json!(null));
        assert_eq!(shown(&ended, Some(&waiting)), "2 cancelled 1, 3 cancelled 1");
    }

    #[test]
    fn a_retry_makes_rows_pending_that_it_is_for() {
        let row = |row: u32, status: &str, code: Option<&str>| json!({"row": row, "status": status, "code": code, "attempts": 1});
        let failed = row(3, "failed", Some("missing_output"));
        let half = json!([row(2, "succeeded", None), failed]);
        let both = json!([row(2, "failed", Some("too_long")), failed]);
        let again = json!([row(2, "succeeded", None), row(3, "pending", None)]);
        let none = json!(null);
        let rest = json!({"status": "cancelled"});
        for (only, status, found, expected) in [
            (json!([]), "running", item(1, "succeeded", None, &half), "2 succeeded 1, 3 pending 1"),
            (
                json!([]),
                "running",
                item(1, "failed", Some("refused"), &none),
                "2 pending 1, 3 pending 1",
            ),
            (
                json!([3]),
                "running",
                item(1, "failed", None, &both),
                "2 failedtoo_long 1, 3 pending 1",
            ),
            (
                json!([3]),
                "running",
                item(1, "failed", Some("refused"), &none),
                "2 failedrefused 1, 3 pending 1",
            ),
            // Its call is under way, and then it has failed as a whole.
            (json!([]), "running", item(2, "running", None, &again), "2 succeeded 1, 3 pending 2"),
            (
                json!([]),
                "running",
                item(2, "failed", Some("refused"), &again),
                "2 succeeded 1, 3 failedrefused 2",
            ),
            // It has ended.
            (
                json!([]),
                "running",
                item(2, "succeeded", None, &half),
                "2 succeeded 1, 3 failedmissing_output 1",
            ),
            // The job ended before its call.
            (
                json!([]),
                "cancelled",
                item(1, "succeeded", None, &half),
                "2 succeeded 1, 3 cancelled 1",
            ),
            (
                json!([2]),
                "cancelled",
                item(1, "failed", None, &both),
                "2 cancelled 1, 3 failedmissing_output 1",
            ),
        ] {
            let head = job(json!({"round": 2, "only": only, "status": status, "rest": rest}));
            assert_eq!(shown(&head, Some(&found)), expected, "{only} {status}");
        }
        // Items that were never begun, of which the retry is for some rows.
        for (only, status, expected) in [
            (json!([]), "running", "2 pending 0, 3 pending 0"),
            (json!([3]), "running", "2 cancelled 0, 3 pending 0"),
            (json!([3]), "cancelled", "2 cancelled 0, 3 cancelled 0"),
        ] {
            let head = job(json!({"round": 2, "only": only, "status": status, "rest": rest}));
            assert_eq!(shown(&head, None), expected, "{only} {status}");
        }
        // The end of a round says nothing of rows that failed before it.
        let rest = json!({"status": "failed"});
        let head = job(json!({"round": 2, "status": "succeeded", "rest": rest}));
        let found = item(1, "failed", None, &both);
        assert_eq!(shown(&head, Some(&found)), "2 failedtoo_long 1, 3 failedmissing_output 1");
    }
}
