//! The items of a job without a whole result. A further round is for them.

use std::collections::BTreeMap;

use assistant::domain::Cost;

use crate::domain::{Counts, ItemStatus, Work};
use crate::standing::Standing;
use crate::store::{Head, ItemState};
use crate::worst::total;

/// Items that a further round is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Their indices, in order.
    pub items: Vec<u32>,
    /// How many units (items, or rows of a batch) of them have failed.
    pub failed: u32,
    /// How many were cancelled.
    pub cancelled: u32,
    /// Whether the last item has a result, and is made anew because others are.
    pub renews_last: bool,
}

impl Left {
    /// Those of a job that has ended. With `rows`, the round is for these rows of a batch alone,
    /// none of which has a result. `states` are what the table has of the items.
    pub fn new(head: &Head, work: &Work, states: &[ItemState], rows: Option<&[u32]>) -> Self {
        let known: BTreeMap<u32, &ItemState> =
            states.iter().map(|state| (state.index, state)).collect();
        let named = rows.map(|rows| by_item(work, rows));
        let mut left = Self::default();
        for index in 0..work.items() {
            let state = known.get(&index).copied();
            let lacks = work.units(index).saturating_sub(state.map_or(0, |state| state.succeeded));
            let units = match &named {
                Some(named) => lacks.min(named.get(&index).copied().unwrap_or_default()),
                None => lacks,
            };
            if units == 0 {
                // The last item reads the results of the others.
                left.renews_last = work.is_last(index) && !left.items.is_empty();
                if !left.renews_last {
                    continue;
                }
            }
            left.items.push(index);
            match Standing::of(head, state, true).status(state) {
                ItemStatus::Cancelled => left.cancelled += units,
                _ => left.failed += units,
            }
        }
        left
    }

    /// The counts of a job once these are pending.
    pub fn counts(&self, before: Counts) -> Counts {
        let units = self.failed + self.cancelled;
        // The sum is exact. Rows that failed and others that were cancelled can be in one item,
        // which has one state.
        let failed = self.failed.min(before.failed).max(units.saturating_sub(before.cancelled));
        let mut counts = before;
        for (from, units) in [
            (ItemStatus::Failed, failed),
            (ItemStatus::Cancelled, units - failed),
            (ItemStatus::Succeeded, u32::from(self.renews_last)),
        ] {
            counts.shift(from, ItemStatus::Pending, units);
        }
        counts
    }

    /// The worst case of their calls. `worst` is that of each item of the job in nano-dollars.
    pub fn cost(&self, worst: &[i64]) -> Cost {
        let nanos = self.items.iter().filter_map(|index| worst.get(*index as usize));
        total(nanos)
    }
}

/// How many of the rows each item has.
fn by_item(work: &Work, rows: &[u32]) -> BTreeMap<u32, u32> {
    let mut named = BTreeMap::new();
    if let Work::Batch(work) = work {
        for index in rows.iter().filter_map(|row| work.item_of(*row)) {
            *named.entry(index).or_default() += 1;
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tally_prompts::domain::Pinned;

    use super::*;
    use crate::domain::{AnalysisType, AnalysisWork, BatchWork, Operation, Piece, Source};
    use crate::standing::samples::{head, state};

    /// An analysis of two pieces, which has three items.
    fn analysis() -> Work {
        let source = || Source::Text { text: String::new(), first: 1, last: 1 };
        let piece = || Piece { input: "a".into(), path: None, source: source() };
        Work::Analysis(AnalysisWork {
            r#type: AnalysisType::Code,
            pieces: vec![piece(), piece()],
            summary: Pinned::default(),
        })
    }

    /// A batch of the rows 2 to 46 in three items, the last of which has five rows.
    fn batch() -> Work {
        Work::Batch(BatchWork {
            range_id: String::new(),
            first_row: 2,
            last_row: 46,
            operation: Operation::Explain,
            input_columns: Vec::new(),
            rows_per_call: 20,
            bytes: Vec::new(),
        })
    }

    fn ended(rest: &str) -> Head {
        head(&json!({"status": "cancelled", "rest": {"status": rest}}))
    }

    fn left(items: &[u32], failed: u32, cancelled: u32, renews_last: bool) -> Left {
        Left { items: items.to_vec(), failed, cancelled, renews_last }
    }

    #[test]
    fn an_analysis_has_its_failed_and_cancelled_items_left_and_its_summary() {
        use ItemStatus::{Cancelled, Failed, Pending, Succeeded};
        let good = |index| state(index, Succeeded, 1, (1, 0));
        let bad = |index| state(index, Failed, 1, (0, 1));
        for (states, rest, expected) in [
            (vec![good(0), good(1), good(2)], "failed", left(&[], 0, 0, false)),
            (vec![good(0), bad(1), good(2)], "failed", left(&[1, 2], 1, 0, true)),
            (vec![good(0), bad(1), bad(2)], "failed", left(&[1, 2], 2, 0, false)),
            (vec![good(0), good(1), bad(2)], "failed", left(&[2], 1, 0, false)),
            (vec![good(0), good(1)], "failed", left(&[2], 1, 0, false)),
            (vec![bad(0)], "cancelled", left(&[0, 1, 2], 1, 2, false)),
            (vec![], "cancelled", left(&[0, 1, 2], 0, 3, false)),
            (
                vec![state(0, Cancelled, 1, (0, 1)), state(1, Pending, 1, (0, 0))],
                "failed",
                left(&[0, 1, 2], 2, 1, false),
            ),
        ] {
            let found = Left::new(&ended(rest), &analysis(), &states, None);
            assert_eq!(found, expected, "{states:?}");
        }
    }

    #[test]
    fn a_batch_has_rows_left() {
        let partial = state(0, ItemStatus::Succeeded, 1, (18, 2));
        let whole = state(1, ItemStatus::Succeeded, 1, (20, 0));
        for (states, rows, expected) in [
            (vec![], None, left(&[0, 1, 2], 0, 45, false)),
            (vec![partial.clone(), whole.clone()], None, left(&[0, 2], 2, 5, false)),
            (vec![partial.clone()], Some(&[3, 43, 44][..]), left(&[0, 2], 1, 2, false)),
            (vec![partial, whole], Some(&[3][..]), left(&[0], 1, 0, false)),
            (vec![], Some(&[][..]), left(&[], 0, 0, false)),
        ] {
            let found = Left::new(&ended("cancelled"), &batch(), &states, rows);
            assert_eq!(found, expected, "{states:?} {rows:?}");
        }
    }

    #[test]
    fn counts_add_up_when_items_are_pending_again() {
        let before =
            Counts { total: 45, succeeded: 20, failed: 15, cancelled: 10, ..Counts::default() };
        for (left, succeeded, failed, cancelled) in [
            (left(&[], 15, 10, false), 20, 0, 0),
            (left(&[], 3, 2, false), 20, 12, 8),
            (left(&[], 0, 10, false), 20, 15, 0),
            (left(&[], 1, 0, true), 19, 14, 10),
            // The states of items are not those of all of their rows.
            (left(&[], 0, 25, false), 20, 0, 0),
            (left(&[], 20, 0, false), 20, 0, 5),
            (left(&[], 1, 11, false), 20, 13, 0),
        ] {
            let after = left.counts(before);
            let found = (after.succeeded, after.failed, after.cancelled);
            assert_eq!(found, (succeeded, failed, cancelled), "{left:?}");
            let sum = after.pending + after.running + succeeded + failed + cancelled;
            assert_eq!((sum, after.total), (45, 45), "{left:?}");
        }
    }

    #[test]
    fn the_cost_is_that_of_the_items_concerned() {
        for (items, worst, expected) in [
            (&[0, 2][..], &[1_000_000_000, 2_000_000_000, 500_000_000][..], "1.50"),
            (&[1], &[1_000_000_000, 2_000_000_000], "2.00"),
            (&[0, 1], &[], "0.00"),
            (&[], &[1], "0.00"),
        ] {
            let cost = left(items, 0, 0, false).cost(worst);
            assert_eq!(cost.to_string(), expected, "{items:?}");
        }
    }
}
