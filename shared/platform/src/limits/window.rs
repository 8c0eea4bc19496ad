//! The arithmetic of a sliding window: counters per sub-window, numbered from 1970, summed over the
//! window.

use std::collections::BTreeMap;
use std::collections::btree_map::Range;

use jiff::Timestamp;

use super::Quota;

/// Sub-windows of a window. More of them let a caller back sooner and make larger items.
const BUCKETS: i64 = 12;

/// The status of a subject after a call has been counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitStatus {
    /// Whether the call is within the quota.
    pub allowed: bool,
    /// Calls left now.
    pub remaining: u64,
    /// Seconds until a call is allowed (if it was refused) or until the oldest counted call is
    /// forgotten.
    pub reset_seconds: u64,
}

/// Length of a sub-window in milliseconds.
fn bucket_milliseconds(quota: Quota) -> i64 {
    (i64::try_from(quota.window_seconds).unwrap_or(i64::MAX / 1000) * 1000 / BUCKETS).max(1)
}

/// Absolute number of the sub-window that `now` is in.
pub fn bucket_of(quota: Quota, now: Timestamp) -> i64 {
    now.as_millisecond().div_euclid(bucket_milliseconds(quota))
}

/// First sub-window that still counts at `bucket`.
///
/// The oldest counts in full although part of it has left the window. So a caller may wait a
/// twelfth of the window longer, but never gets more than the quota in any window.
pub fn buckets_to_keep(bucket: i64) -> i64 {
    bucket - BUCKETS
}

/// Calls in the window that ends now.
pub fn used(quota: Quota, counters: &BTreeMap<i64, u64>, now: Timestamp) -> u64 {
    live(quota, counters, now).map(|(_, count)| count).sum()
}

fn live(quota: Quota, counters: &BTreeMap<i64, u64>, now: Timestamp) -> Range<'_, i64, u64> {
    let bucket = bucket_of(quota, now);
    counters.range(buckets_to_keep(bucket)..=bucket)
}

/// Judges the counters of a subject, which include the current call.
pub fn status(quota: Quota, counters: &BTreeMap<i64, u64>, now: Timestamp) -> LimitStatus {
    let used = used(quota, counters, now);
    let allowed = used <= quota.limit;
    // Refused: the other calls over the quota must leave, and one more to make room. Allowed: the
    // reset is when the first call leaves.
    let must_leave = if allowed { 1 } else { (used - 1).saturating_sub(quota.limit) + 1 };
    let mut left = 0;
    let leaves = live(quota, counters, now)
        .map(|(number, count)| {
            left += count;
            (number, left)
        })
        .find(|(_, left)| *left >= must_leave)
        .map_or_else(|| bucket_of(quota, now), |(number, _)| *number);
    let free_at = (leaves + BUCKETS + 1) * bucket_milliseconds(quota);
    let wait = u64::try_from(free_at - now.as_millisecond()).unwrap_or(0).div_ceil(1000);
    LimitStatus { allowed, remaining: quota.limit.saturating_sub(used), reset_seconds: wait.max(1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { limit: 3, window_seconds: 60 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    /// Counts calls at these seconds as the store does, without keeping a refused one. Gives the
    /// status of the last one.
    fn after(calls: &[i64]) -> LimitStatus {
        let mut counters = BTreeMap::new();
        let mut last = None;
        for seconds in calls {
            let bucket = bucket_of(QUOTA, at(*seconds));
            *counters.entry(bucket).or_default() += 1;
            let found = status(QUOTA, &counters, at(*seconds));
            if !found.allowed {
                *counters.entry(bucket).or_default() -= 1;
            }
            last = Some(found);
        }
        last.unwrap()
    }

    #[test]
    fn a_window_slides() {
        for (calls, allowed, remaining, reset_seconds) in [
            (&[0][..], true, 2, 65),
            (&[0, 1, 2], true, 0, 63),
            (&[0, 1, 2, 3], false, 0, 62),
            // A refused call does not lengthen the wait.
            (&[0, 1, 2, 3, 4, 5], false, 0, 60),
            (&[0, 1, 2, 60], false, 0, 5),
            (&[0, 1, 2, 65], true, 2, 65),
            // The first has left, the others not yet.
            (&[0, 30, 31, 66], true, 0, 29),
            (&[0, 30, 31, 66, 67], false, 0, 28),
        ] {
            assert_eq!(
                after(calls),
                LimitStatus { allowed, remaining, reset_seconds },
                "{calls:?}"
            );
        }
    }

    #[test]
    fn waiting_as_long_as_was_said_is_always_enough() {
        for start in 0..60 {
            let refused = after(&[start, start + 7, start + 9, start + 11]);
            assert!(!refused.allowed);
            let back = start + 11 + i64::try_from(refused.reset_seconds).unwrap();
            assert!(
                after(&[start, start + 7, start + 9, start + 11, back]).allowed,
                "from {start}"
            );
        }
    }
}
