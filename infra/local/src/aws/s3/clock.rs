//! The time in whole seconds, as S3 keeps it.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use s3s::dto::Timestamp;

/// Seconds of a day.
const DAY: u64 = 86_400;

pub(super) fn now() -> Timestamp {
    in_days(0)
}

pub(super) fn in_days(days: u32) -> Timestamp {
    at(seconds() + u64::from(days) * DAY)
}

/// Number of this day, by UTC.
pub(super) fn today() -> u64 {
    seconds() / DAY
}

/// The first moment of a day.
pub(super) fn start_of(day: u64) -> Timestamp {
    at(day * DAY)
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn at(seconds: u64) -> Timestamp {
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}
