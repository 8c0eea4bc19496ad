//! The items of a page. The table has those whose calls have begun. The head says what the others
//! are, so a page merges both in the order of the indices.

use std::collections::BTreeSet;
use std::ops::Range;

use assistant::domain::{Cost, Usage};
use tally_jobs::Standing;
use tally_jobs::domain::{ItemStatus, JobError, JobItem, JobKind};
use tally_jobs::store::{Head, Item};

/// Bytes of the JSON of a page, unless its first item alone has more. Lambda takes 6 MB, and counts
/// quotation marks twice.
const PAGE_BYTES: usize = 1_000_000;

/// The items of a job that were read from the table.
pub struct Read<'a> {
    /// The job.
    pub head: &'a Head,
    /// Those of these indices that the table has, in order.
    pub stored: Vec<Item>,
    /// The indices.
    pub indices: Range<u32>,
    /// The items that the round is for; `None` stands for all.
    pub wanted: Option<BTreeSet<u32>>,
}

impl Read<'_> {
    /// The items with a status, as many as a page has, and the index at which the list goes on, if
    /// it does.
    pub fn page(self, status: Option<ItemStatus>, limit: usize) -> (Vec<JobItem>, Option<u32>) {
        self.page_within(status, (limit, PAGE_BYTES))
    }

    fn page_within(
        self,
        status: Option<ItemStatus>,
        (limit, max_bytes): (usize, usize),
    ) -> (Vec<JobItem>, Option<u32>) {
        let Self { head, stored, indices, wanted } = self;
        let end = indices.end;
        let mut stored = stored.into_iter().peekable();
        let (mut found, mut room) = (Vec::new(), max_bytes);
        for index in indices {
            let item = stored.next_if(|item| item.state.index == index);
            let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(&index));
            let item = shown(head, index, item.as_ref(), is_wanted);
            if status.is_some_and(|status| item.status != status) {
                continue;
            }
            let bytes = weight(&item);
            if found.len() == limit || (bytes > room && !found.is_empty()) {
                return (found, Some(index));
            }
            room = room.saturating_sub(bytes);
            found.push(item);
        }
        (found, (end < head.items).then_some(end))
    }
}

/// An item as its user sees it. Those of a batch have no result, because its rows have rights of
/// their own.
fn shown(head: &Head, index: u32, stored: Option<&Item>, is_wanted: bool) -> JobItem {
    let state = stored.map(|item| &item.state);
    let standing = Standing::of(head, state, is_wanted);
    let mut item = stored.map_or_else(|| unbegun(index), Item::shown);
    item.status = standing.status(state);
    match standing {
        Standing::Stored => {}
        Standing::Pending => item.error = None,
        Standing::Left(rest) => item.error = rest.code.map(JobError::of),
    }
    let has_result = item.status == ItemStatus::Succeeded && head.kind != JobKind::Batch;
    item.result = item.result.filter(|_| has_result);
    item
}

/// An item whose call has not begun.
fn unbegun(index: u32) -> JobItem {
    JobItem {
        index,
        status: ItemStatus::Pending,
        attempts: 0,
        result: None,
        error: None,
        usage: Usage::default(),
        cost_usd: Cost::ZERO,
        estimated: false,
    }
}

/// Bytes of an item in a list in JSON.
fn weight(item: &JobItem) -> usize {
    serde_json::to_string(item).map_or(0, |json| json.len() + ",".len())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tally_jobs::domain::ErrorCode;
    use tally_jobs::domain::ItemStatus::{Cancelled, Failed, Pending, Running, Succeeded};
    use tally_jobs::store::ItemState;

    use super::*;

    /// A job of ten items with these members.
    fn head(members: &Value) -> Head {
        let mut all = json!({
            "user_id": "u", "id": "j", "kind": "analysis", "status": "running", "title": "T",
            "prompt": {"name": "code.review", "version": 0},
            "origin": {
                "caller": {"user_id": "u", "username": "ann", "session_id": "s"},
                "context": {"request_id": "r", "address": "", "user_agent": "", "base_url": ""},
            },
            "items": 10,
            "counts": {
                "total": 10, "pending": 10, "running": 0, "succeeded": 0, "failed": 0,
                "cancelled": 0,
            },
            "usage": Usage::default(), "cost": Cost::ZERO, "settled": Cost::ZERO,
            "revision": 5, "round": 1, "created_at": 0, "deadline": 86_400_000, "expires_at": 900,
            "epoch": 1, "lease_until": 0,
        });
        let members = members.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(members);
        serde_json::from_value(all).unwrap()
    }

    fn item(index: u32, status: ItemStatus) -> Item {
        let has_result = status == Succeeded;
        let state = ItemState {
            index,
            status,
            epoch: 1,
            round: 1,
            attempts: 2,
            worst: Cost::ZERO,
            succeeded: u32::from(has_result),
            failed: u32::from(status == Failed),
            usage: Usage::default(),
            cost: Cost::ZERO,
            estimated: false,
        };
        Item {
            job_id: "j".into(),
            state,
            result: has_result.then(|| json!({"n": index}).to_string()),
            error: (status == Failed).then(|| JobError::of(ErrorCode::Refused)),
            model: None,
            latency_ms: None,
            expires_at: 900,
        }
    }

    /// The indices and states of a page, and where it goes on.
    fn page(
        head: &Head,
        indices: Range<u32>,
        status: Option<ItemStatus>,
        limit: usize,
    ) -> (Vec<(u32, ItemStatus)>, Option<u32>) {
        let all = [item(1, Succeeded), item(2, Failed), item(5, Running), item(9, Succeeded)];
        let stored = all.into_iter().filter(|item| indices.contains(&item.state.index)).collect();
        let read = Read { head, stored, indices, wanted: None };
        let (items, next) = read.page(status, limit);
        (items.iter().map(|item| (item.index, item.status)).collect(), next)
    }

    #[test]
    fn stored_items_stand_between_those_of_the_head() {
        let open = head(&json!({}));
        let all = vec![
            (0, Pending),
            (1, Succeeded),
            (2, Failed),
            (3, Pending),
            (4, Pending),
            (5, Running),
            (6, Pending),
            (7, Pending),
            (8, Pending),
            (9, Succeeded),
        ];
        assert_eq!(page(&open, 0..10, None, 20), (all.clone(), None));
        for (indices, status, limit, expected, next) in [
            (0..10, None, 3, &all[..3], Some(3)),
            (3..10, None, 7, &all[3..], None),
            // The table may hold more behind what was read.
            (0..6, None, 20, &all[..6], Some(6)),
            (8..10, None, 1, &all[8..9], Some(9)),
            (open.items..open.items, None, 20, &[], None),
            (0..10, Some(Succeeded), 20, &[(1, Succeeded), (9, Succeeded)], None),
            (0..10, Some(Succeeded), 1, &[(1, Succeeded)], Some(9)),
            (0..10, Some(Running), 1, &[(5, Running)], None),
            (0..6, Some(Cancelled), 1, &[], Some(6)),
            (6..10, Some(Pending), 2, &[(6, Pending), (7, Pending)], Some(8)),
        ] {
            let found = page(&open, indices.clone(), status, limit);
            assert_eq!(found, (expected.to_vec(), next), "{indices:?} {status:?} {limit}");
        }
    }

    #[test]
    fn items_without_a_call_are_what_the_end_made_of_them() {
        for (status, rest, expected, code) in [
            ("running", json!(null), Pending, None),
            ("cancelled", json!({"status": "cancelled"}), Cancelled, None),
            (
                "succeeded",
                json!({"status": "failed", "code": "budget_exceeded"}),
                Failed,
                Some(ErrorCode::BudgetExceeded),
            ),
        ] {
            let head = head(&json!({"status": status, "rest": rest}));
            let found = shown(&head, 3, None, true);
            let error = found.error.as_ref().map(|error| error.code);
            assert_eq!((found.status, error, found.attempts), (expected, code, 0), "{status}");
        }
    }

    #[test]
    fn an_item_shows_its_result_unless_it_is_one_of_a_batch() {
        for (kind, status, has_result, has_error) in [
            ("analysis", Succeeded, true, false),
            ("evaluation", Succeeded, true, false),
            ("batch", Succeeded, false, false),
            ("analysis", Failed, false, true),
        ] {
            let head = head(&json!({"kind": kind}));
            let found = shown(&head, 3, Some(&item(3, status)), true);
            let found = (found.result.is_some(), found.error.is_some());
            assert_eq!(found, (has_result, has_error), "{kind} {status:?}");
        }
    }

    #[test]
    fn a_retry_makes_items_pending_without_their_errors() {
        let head = head(&json!({"round": 2, "rest": {"status": "failed"}}));
        for (status, is_wanted, expected, has_error) in [
            (Failed, true, Pending, false),
            (Failed, false, Failed, true),
            (Succeeded, true, Succeeded, false),
        ] {
            let found = shown(&head, 3, Some(&item(3, status)), is_wanted);
            let found = (found.status, found.error.is_some());
            assert_eq!(found, (expected, has_error), "{status:?} {is_wanted}");
        }
        let wanted = Some(BTreeSet::from([2]));
        let read = Read { head: &head, stored: vec![item(2, Failed)], indices: 1..4, wanted };
        let states: Vec<_> = read.page(None, 9).0.iter().map(|item| item.status).collect();
        assert_eq!(states, [Failed, Pending, Failed]);
    }

    #[test]
    fn a_page_has_no_more_bytes_than_it_may_but_an_item_at_least() {
        let head = head(&json!({}));
        let one = weight(&unbegun(0));
        for (max_bytes, count) in
            [(0, 1), (one - 1, 1), (one, 1), (2 * one - 1, 1), (2 * one, 2), (4 * one, 4)]
        {
            let read = Read { head: &head, stored: Vec::new(), indices: 0..10, wanted: None };
            let (found, next) = read.page_within(None, (9, max_bytes));
            let count_u32 = u32::try_from(count).unwrap();
            assert_eq!((found.len(), next), (count, Some(count_u32)), "{max_bytes}");
        }
    }
}
