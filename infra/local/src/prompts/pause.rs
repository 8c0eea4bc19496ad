//! The pauses before a call is made again.

use std::time::Duration;

/// Attempts of a call, at most.
const ATTEMPTS: u32 = 6;

/// Seconds of a pause, at most. A limit that asks for more ends the call.
const LONGEST: u64 = 120;

/// The pause after an answer, if another attempt may have another one. `attempt` is the number of
/// attempts so far, and `retry_after` what the server asks for, in seconds.
pub(crate) fn before_next(
    status: u16,
    code: Option<&str>,
    retry_after: Option<u64>,
    attempt: u32,
) -> Option<Duration> {
    let may_change = matches!(status, 429 | 503) || code == Some("request_in_flight");
    let seconds = retry_after.unwrap_or(1 << attempt.min(ATTEMPTS)).max(1);
    (may_change && attempt < ATTEMPTS && seconds <= LONGEST).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_made_again_where_that_may_help_and_not_for_ever() {
        for (status, code, retry_after, attempt, expected) in [
            (429, Some("rate_limited"), Some(30), 1, Some(30)),
            (429, Some("rate_limited"), Some(30), 5, Some(30)),
            (429, Some("rate_limited"), Some(30), 6, None),
            (429, Some("rate_limited"), Some(120), 1, Some(120)),
            (429, Some("rate_limited"), Some(121), 1, None),
            (429, None, Some(0), 1, Some(1)),
            (503, Some("unavailable"), Some(1), 1, Some(1)),
            (503, None, None, 1, Some(2)),
            (503, None, None, 5, Some(32)),
            (503, None, None, 6, None),
            (409, Some("request_in_flight"), Some(1), 1, Some(1)),
            (409, Some("version_conflict"), None, 1, None),
            (409, None, None, 1, None),
            (500, Some("internal_error"), Some(1), 1, None),
            (422, Some("validation_failed"), None, 1, None),
        ] {
            assert_eq!(
                before_next(status, code, retry_after, attempt),
                expected.map(Duration::from_secs),
                "{status} {code:?} {retry_after:?} {attempt}"
            );
        }
    }
}
