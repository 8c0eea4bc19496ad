//! How many calls of a job run at once, and how long none begins after a failure of the provider. It
//! is all in memory, and reads no clock.

use std::time::Duration;

use assistant::{Fault, ProviderError};
use tokio::time::Instant;

/// The pause of a job while the provider does not answer, and the longest pause that its worker
/// waits for in its process.
pub const OUTAGE: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// The pause after the provider's rate limit was reached, unless the provider asks for another one.
const RATE_PAUSE: Duration = Duration::from_secs(5);

/// Calls in a row that the provider answers before one more is made at once.
const CALM: usize = 20;

/// The pace of a round.
#[derive(Debug)]
pub struct Pace {
    /// Calls at once, at most.
    most: usize,
    /// Calls that may run at once now.
    parallel: usize,
    /// Answers in a row.
    calm: usize,
    /// Whether the provider has the system prompt in its cache, or the prompt is short.
    is_warm: bool,
    /// No call begins before.
    begins_at: Instant,
}

impl Pace {
    /// A pace of so many calls at once. The first call goes alone if the provider is to have a long
    /// system prompt in its cache (`is_warm` is false).
    pub fn new(most: usize, is_warm: bool, now: Instant) -> Self {
        Self { most, parallel: most, calm: 0, is_warm, begins_at: now }
    }

    /// Calls that may run at once now.
    pub fn parallel(&self) -> usize {
        if self.is_warm { self.parallel } else { 1 }
    }

    /// No call begins before this time.
    pub fn begins_at(&self) -> Instant {
        self.begins_at
    }

    /// Notes an answer. After some in a row, one more call may run at once.
    pub fn answered(&mut self) {
        self.is_warm = true;
        self.calm += 1;
        if self.calm >= CALM && self.parallel < self.most {
            self.parallel += 1;
            self.calm = 0;
        }
    }

    /// Notes a failure. Gives how long the job waits without a worker, if it has to. A call that
    /// used tokens (`is_paid`) has reached the model, so the provider is there.
    pub fn failed(
        &mut self,
        error: &ProviderError,
        is_paid: bool,
        now: Instant,
    ) -> Option<Duration> {
        match error.fault {
            Fault::RateLimited => {
                self.parallel = (self.parallel / 2).max(1);
                self.calm = 0;
                let wanted = error.retry_after.unwrap_or(RATE_PAUSE);
                if wanted > LONGEST_WAIT {
                    return Some(wanted);
                }
                self.begins_at = self.begins_at.max(now + wanted);
                None
            }
            Fault::CircuitOpen => Some(OUTAGE),
            Fault::Overloaded | Fault::Unreachable | Fault::Failing if !is_paid => {
                Some(error.retry_after.unwrap_or_default().max(OUTAGE))
            }
            _ => None,
        }
    }
}

/// Whether a failed attempt counts as one of its item. It does not if the failure tells nothing of
/// the item. A rate limit tells something if the item is the last one (`is_last`): then it may be
/// too large for the limit.
pub fn is_counted(fault: Fault, is_paid: bool, is_last: bool) -> bool {
    match fault {
        Fault::CircuitOpen | Fault::Overloaded | Fault::Unreachable => is_paid,
        Fault::RateLimited => is_paid || is_last,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(fault: Fault, retry_after: Option<u64>) -> ProviderError {
        let retry_after = retry_after.map(Duration::from_secs);
        ProviderError { retry_after, ..ProviderError::new(fault, "as the test says") }
    }

    #[test]
    fn a_rate_limit_halves_the_calls_at_once_and_answers_bring_them_back_one_by_one() {
        let now = Instant::now();
        let mut pace = Pace::new(6, true, now);
        for expected in [3, 1, 1] {
            pace.failed(&error(Fault::RateLimited, None), false, now);
            assert_eq!(pace.parallel(), expected);
        }
        for answers in 1..=5 * CALM + 7 {
            pace.answered();
            assert_eq!(pace.parallel(), 1 + answers / CALM, "{answers}");
        }
        for _ in 0..3 * CALM {
            pace.answered();
        }
        assert_eq!(pace.parallel(), 6, "no more than the settings say");
        // A failure in between begins the row anew.
        for expected in [3, 1] {
            pace.failed(&error(Fault::RateLimited, None), false, now);
            for _ in 1..CALM {
                pace.answered();
            }
            assert_eq!(pace.parallel(), expected);
        }
    }

    #[test]
    fn the_first_call_with_a_long_prompt_goes_alone() {
        let mut pace = Pace::new(4, false, Instant::now());
        assert_eq!(pace.parallel(), 1);
        pace.answered();
        assert_eq!(pace.parallel(), 4);
    }

    #[test]
    fn a_short_pause_is_waited_for_and_a_long_one_is_not() {
        let now = Instant::now();
        for (fault, retry_after, is_paid, leaves, begins) in [
            (Fault::RateLimited, None, false, None, 5),
            (Fault::RateLimited, Some(1), false, None, 1),
            (Fault::RateLimited, Some(20), false, None, 20),
            (Fault::RateLimited, Some(21), false, Some(21), 0),
            (Fault::RateLimited, Some(86_400), true, Some(86_400), 0),
            (Fault::CircuitOpen, None, false, Some(30), 0),
            (Fault::Overloaded, None, false, Some(30), 0),
            (Fault::Overloaded, Some(1), false, Some(30), 0),
            (Fault::Overloaded, Some(31), false, Some(31), 0),
            (Fault::Unreachable, None, false, Some(30), 0),
            (Fault::Failing, None, false, Some(30), 0),
            // The model was reached.
            (Fault::Overloaded, None, true, None, 0),
            (Fault::Unreachable, None, true, None, 0),
            (Fault::Failing, None, true, None, 0),
            (Fault::TimedOut, None, false, None, 0),
            (Fault::Broken, None, true, None, 0),
        ] {
            let mut pace = Pace::new(4, true, now);
            let failed = pace.failed(&error(fault, retry_after), is_paid, now);
            let case = format!("{fault:?} {retry_after:?} {is_paid}");
            assert_eq!(failed, leaves.map(Duration::from_secs), "{case}");
            assert_eq!(pace.begins_at(), now + Duration::from_secs(begins), "{case}");
        }
        // The longest of several pauses counts.
        let mut pace = Pace::new(4, true, now);
        for wanted in [3, 9, 2] {
            pace.failed(&error(Fault::RateLimited, Some(wanted)), false, now);
        }
        assert_eq!(pace.begins_at(), now + Duration::from_secs(9));
    }

    #[test]
    fn an_attempt_counts_if_the_failure_may_be_the_items() {
        for (fault, is_paid, is_last, expected) in [
            (Fault::CircuitOpen, false, true, false),
            (Fault::Overloaded, false, true, false),
            (Fault::Overloaded, true, false, true),
            (Fault::Unreachable, false, true, false),
            (Fault::Unreachable, true, false, true),
            (Fault::RateLimited, false, false, false),
            (Fault::RateLimited, false, true, true),
            (Fault::Failing, false, false, true),
            (Fault::TimedOut, false, false, true),
            (Fault::Broken, true, false, true),
        ] {
            let counted = is_counted(fault, is_paid, is_last);
            assert_eq!(counted, expected, "{fault:?} {is_paid} {is_last}");
        }
    }
}
