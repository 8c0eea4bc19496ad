//! How many of a job's items are in which state.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::kind::ItemStatus;

/// How many items of a job are in each state. The numbers add up to `total`. Those of a batch count
/// rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = JobCounts)]
pub struct Counts {
    /// All items.
    #[schema(example = 30)]
    pub total: u32,
    /// Items whose calls have not begun.
    #[schema(example = 20)]
    pub pending: u32,
    /// Items whose calls are under way.
    #[schema(example = 4)]
    pub running: u32,
    /// Items that have succeeded: they have a result.
    #[schema(example = 5)]
    pub succeeded: u32,
    /// Items that have failed.
    #[schema(example = 1)]
    pub failed: u32,
    /// Items that had no result when the job was stopped.
    #[schema(example = 0)]
    pub cancelled: u32,
}

impl Counts {
    /// The counts of so many items, none of which has begun.
    pub fn pending(total: u32) -> Self {
        Self { total, pending: total, ..Self::default() }
    }

    /// Moves items from one state to another.
    pub fn shift(&mut self, from: ItemStatus, to: ItemStatus, units: u32) {
        let before = self.of(from);
        *before = before.saturating_sub(units);
        *self.of(to) += units;
    }

    fn of(&mut self, status: ItemStatus) -> &mut u32 {
        match status {
            ItemStatus::Pending => &mut self.pending,
            ItemStatus::Running => &mut self.running,
            ItemStatus::Succeeded => &mut self.succeeded,
            ItemStatus::Failed => &mut self.failed,
            ItemStatus::Cancelled => &mut self.cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_after_each_move() {
        let mut counts = Counts::pending(40);
        for (from, to, units) in [
            (ItemStatus::Pending, ItemStatus::Running, 20),
            (ItemStatus::Running, ItemStatus::Succeeded, 18),
            (ItemStatus::Running, ItemStatus::Failed, 2),
            (ItemStatus::Pending, ItemStatus::Cancelled, 20),
        ] {
            counts.shift(from, to, units);
            let Counts { total, pending, running, succeeded, failed, cancelled } = counts;
            assert_eq!(pending + running + succeeded + failed + cancelled, total);
        }
        let ended = Counts { total: 40, succeeded: 18, failed: 2, cancelled: 20, ..counts };
        assert_eq!(counts, ended);
    }
}
