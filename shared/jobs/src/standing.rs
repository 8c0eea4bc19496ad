//! The state of an item as its user sees it. The table has the items whose calls have begun, each
//! as its last attempt has left it. The head says the rest: a new round makes items pending, and
//! its end decides what items become whose calls were not made.

use crate::domain::ItemStatus;
use crate::store::{Head, ItemState, Rest};

/// What an item is, by the table or by the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// What the table says.
    Stored,
    /// Its call has not begun in this round.
    Pending,
    /// A round ended before its call.
    Left(Rest),
}

impl Standing {
    /// The standing of an item. `state` is what the table has of it. `is_wanted` says whether the
    /// round is for it, if it has no whole result.
    pub fn of(head: &Head, state: Option<&ItemState>, is_wanted: bool) -> Self {
        let left = || head.rest.map_or(Self::Pending, Self::Left);
        let has_ended = head.status.has_ended();
        let Some(state) = state else {
            return if is_wanted && !has_ended { Self::Pending } else { left() };
        };
        let is_settled = state.status.has_ended();
        let has_result = state.status == ItemStatus::Succeeded;
        if has_result && state.failed == 0 {
            return Self::Stored;
        }
        if state.round == head.round {
            return if has_ended && !is_settled { left() } else { Self::Stored };
        }
        if is_wanted && !has_ended {
            return Self::Pending;
        }
        // The round was to make its call, and was stopped before.
        let is_left = is_wanted && !has_result && was_stopped(head);
        if is_left || !is_settled { left() } else { Self::Stored }
    }

    /// The state of an item with this standing, of which the table has `state`.
    pub fn status(self, state: Option<&ItemState>) -> ItemStatus {
        match self {
            Self::Stored => state.map_or(ItemStatus::Pending, |state| state.status),
            Self::Pending => ItemStatus::Pending,
            Self::Left(rest) => rest.status,
        }
    }
}

/// Whether the last round ended before its items.
fn was_stopped(head: &Head) -> bool {
    let is_stop = |rest: Rest| rest.code.is_some() || rest.status == ItemStatus::Cancelled;
    head.rest.is_some_and(is_stop)
}

/// Parts of the tests.
#[cfg(test)]
pub(crate) mod samples {
    use assistant::domain::{Cost, Usage};
    use serde_json::{Value, json};

    use super::*;

    /// A job with these members.
    pub(crate) fn head(members: &Value) -> Head {
        let mut all = json!({
            "user_id": "u", "id": "j", "kind": "analysis", "status": "succeeded", "title": "T",
            "prompt": {"name": "code.review", "version": 0},
            "origin": {
                "caller": {"user_id": "u", "username": "ann", "session_id": "s"},
                "context": {"request_id": "r", "address": "", "user_agent": "", "base_url": ""},
            },
            "items": 3,
            "counts": {
                "total": 3, "pending": 0, "running": 0, "succeeded": 3, "failed": 0, "cancelled": 0,
            },
            "usage": Usage::default(), "cost": Cost::ZERO, "settled": Cost::ZERO,
            "revision": 5, "round": 1, "created_at": 0, "deadline": 86_400_000, "expires_at": 900,
            "epoch": 1, "lease_until": 0,
        });
        let members = members.as_object().unwrap().clone();
        all.as_object_mut().unwrap().extend(members);
        serde_json::from_value(all).unwrap()
    }

    /// An item that was tried in a round.
    pub(crate) fn state(
        index: u32,
        status: ItemStatus,
        round: u32,
        (succeeded, failed): (u32, u32),
    ) -> ItemState {
        ItemState {
            index,
            status,
            epoch: 1,
            round,
            attempts: 1,
            worst: Cost::ZERO,
            succeeded,
            failed,
            usage: Usage::default(),
            cost: Cost::ZERO,
            estimated: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::samples::{head, state};
    use super::*;
    use crate::domain::ErrorCode;

    const NORMAL: Rest = Rest { status: ItemStatus::Failed, code: None };
    const CANCELLED: Rest = Rest { status: ItemStatus::Cancelled, code: None };
    const SHORT: Rest = Rest { status: ItemStatus::Failed, code: Some(ErrorCode::BudgetExceeded) };

    #[test]
    fn an_item_that_has_not_begun_is_as_the_head_says() {
        for (status, rest, is_wanted, expected) in [
            ("queued", None, true, Standing::Pending),
            ("running", None, true, Standing::Pending),
            ("cancelled", Some(CANCELLED), true, Standing::Left(CANCELLED)),
            ("failed", Some(SHORT), true, Standing::Left(SHORT)),
            // A later round, which is for some items alone.
            ("running", Some(CANCELLED), true, Standing::Pending),
            ("running", Some(CANCELLED), false, Standing::Left(CANCELLED)),
        ] {
            let head = head(&json!({"status": status, "rest": rest}));
            assert_eq!(Standing::of(&head, None, is_wanted), expected, "{status} {rest:?}");
        }
    }

    #[test]
    fn an_item_is_as_stored_unless_a_round_is_for_it_or_has_left_it() {
        use ItemStatus::{Cancelled, Failed, Pending, Running, Succeeded};
        let whole = state(0, Succeeded, 1, (1, 0));
        let partial = state(0, Succeeded, 1, (18, 2));
        let failed = state(0, Failed, 1, (0, 1));
        let cancelled = state(0, Cancelled, 1, (0, 1));
        let pending = state(0, Pending, 1, (0, 0));
        let running = state(0, Running, 1, (0, 0));
        for (state, round, status, rest, expected) in [
            // The round of the attempt.
            (&whole, 1, "running", None, Standing::Stored),
            (&failed, 1, "running", None, Standing::Stored),
            (&pending, 1, "running", None, Standing::Stored),
            (&running, 1, "running", None, Standing::Stored),
            (&failed, 1, "succeeded", Some(NORMAL), Standing::Stored),
            (&cancelled, 1, "cancelled", Some(CANCELLED), Standing::Stored),
            (&pending, 1, "cancelled", Some(CANCELLED), Standing::Left(CANCELLED)),
            (&running, 1, "failed", Some(SHORT), Standing::Left(SHORT)),
            // A later one that goes on.
            (&whole, 2, "running", Some(NORMAL), Standing::Stored),
            (&partial, 2, "running", Some(NORMAL), Standing::Pending),
            (&failed, 2, "queued", Some(NORMAL), Standing::Pending),
            (&cancelled, 2, "running", Some(CANCELLED), Standing::Pending),
            // A later one that has ended.
            (&whole, 2, "cancelled", Some(CANCELLED), Standing::Stored),
            (&partial, 2, "cancelled", Some(CANCELLED), Standing::Stored),
            (&failed, 2, "cancelled", Some(CANCELLED), Standing::Left(CANCELLED)),
            (&cancelled, 2, "failed", Some(SHORT), Standing::Left(SHORT)),
            (&failed, 2, "succeeded", Some(NORMAL), Standing::Stored),
            (&pending, 2, "succeeded", Some(NORMAL), Standing::Left(NORMAL)),
        ] {
            let head = head(&json!({"status": status, "round": round, "rest": rest}));
            let found = Standing::of(&head, Some(state), true);
            assert_eq!(found, expected, "{state:?} {round} {status} {rest:?}");
        }
        let head = head(&json!({"status": "running", "round": 2, "rest": NORMAL}));
        assert_eq!(Standing::of(&head, Some(&failed), false), Standing::Stored);
        assert_eq!(Standing::of(&head, Some(&pending), false), Standing::Left(NORMAL));
    }

    #[test]
    fn the_status_is_that_of_the_table_or_of_the_head() {
        let failed = state(0, ItemStatus::Failed, 1, (0, 1));
        for (standing, state, expected) in [
            (Standing::Stored, Some(&failed), ItemStatus::Failed),
            (Standing::Pending, Some(&failed), ItemStatus::Pending),
            (Standing::Left(CANCELLED), Some(&failed), ItemStatus::Cancelled),
            (Standing::Left(SHORT), None, ItemStatus::Failed),
            (Standing::Pending, None, ItemStatus::Pending),
        ] {
            assert_eq!(standing.status(state), expected, "{standing:?}");
        }
    }
}
