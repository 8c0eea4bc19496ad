//! The arithmetic of a lock: a few failures in a row are free, and each further one doubles the
//! wait before the next attempt.

use jiff::Timestamp;

use super::{LimitStatus, Quota};

/// Free attempts of all addresses together within [`HOUR`], as a multiple of the free attempts of
/// one address.
const ANYWHERE: u64 = 10;

/// Longest wait in seconds, and the window in which attempts from anywhere count.
const HOUR: u64 = 3600;

impl Quota {
    /// The quota of all addresses together, from the quota of one of them: ten times as many, in
    /// any hour.
    #[must_use]
    pub fn anywhere(self) -> Self {
        Self { limit: self.limit.saturating_mul(ANYWHERE), window_seconds: HOUR }
    }

    /// Seconds between the last of so many failures in a row and the next attempt.
    ///
    /// There is no wait while free attempts (`limit`) are left. Then the wait is the window,
    /// doubling up to an hour.
    pub fn wait_after(self, failures: u64) -> i64 {
        let Some(doublings) = failures.checked_sub(self.limit) else { return 0 };
        let wait = self
            .window_seconds
            .saturating_mul(1 << doublings.min(32))
            .min(HOUR.max(self.window_seconds));
        i64::try_from(wait).unwrap_or(i64::MAX)
    }

    /// Each number of failures at which the wait gets longer, with that wait.
    pub fn waits(self) -> impl Iterator<Item = (u64, i64)> {
        let steps = (self.limit..).map(move |failures| (failures, self.wait_after(failures)));
        let mut longest = 0;
        steps.take_while(move |(_, wait)| std::mem::replace(&mut longest, *wait) < *wait)
    }

    /// The status after so many failures in a row. The current attempt counts as one of them.
    pub fn after_attempt(self, failures: u64) -> LimitStatus {
        let remaining = self.limit.saturating_sub(failures);
        let next = u64::try_from(self.wait_after(failures.max(self.limit))).unwrap_or(0);
        LimitStatus { allowed: true, remaining, reset_seconds: next }
    }

    /// The status of an attempt that came too early after so many failures in a row, the last at
    /// `last_at` (seconds since 1970).
    pub fn too_early(self, failures: u64, last_at: i64, now: Timestamp) -> LimitStatus {
        let wait =
            last_at.saturating_add(self.wait_after(failures)).saturating_sub(now.as_second());
        LimitStatus {
            allowed: false,
            remaining: 0,
            reset_seconds: u64::try_from(wait).unwrap_or(0).max(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: Quota = Quota { limit: 5, window_seconds: 60 };

    #[test]
    fn five_are_free_and_then_waits_double_to_an_hour() {
        for (failures, wait) in [
            (0, 0),
            (4, 0),
            (5, 60),
            (6, 120),
            (7, 240),
            (8, 480),
            (9, 960),
            (10, 1920),
            (11, 3600),
            (12, 3600),
            (u64::MAX, 3600),
        ] {
            assert_eq!(LOCK.wait_after(failures), wait, "{failures}");
        }
        let waits: Vec<_> = LOCK.waits().collect();
        assert_eq!(
            waits,
            [(5, 60), (6, 120), (7, 240), (8, 480), (9, 960), (10, 1920), (11, 3600)]
        );
        // A first wait that is set to more than an hour is not cut.
        let day = Quota { limit: 1, window_seconds: 86_400 };
        assert_eq!(day.waits().collect::<Vec<_>>(), [(1, 86_400)]);
        assert_eq!(LOCK.anywhere(), Quota { limit: 50, window_seconds: 3600 });
    }

    #[test]
    fn a_client_is_told_how_many_are_left_and_how_long_to_wait() {
        for (failures, remaining, reset_seconds) in
            [(1, 4, 60), (5, 0, 60), (6, 0, 120), (40, 0, 3600)]
        {
            assert_eq!(
                LOCK.after_attempt(failures),
                LimitStatus { allowed: true, remaining, reset_seconds },
                "{failures}"
            );
        }
        let now = Timestamp::from_second(1000).unwrap();
        for (failures, last_at, reset_seconds) in
            [(5, 990, 50), (6, 1000, 120), (5, 940, 1), (5, 0, 1)]
        {
            let expected = LimitStatus { allowed: false, remaining: 0, reset_seconds };
            assert_eq!(LOCK.too_early(failures, last_at, now), expected, "{failures} at {last_at}");
        }
    }
}
