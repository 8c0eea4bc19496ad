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
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since_epoch.as_secs() + u64::from(days) * DAY;
    (UNIX_EPOCH + Duration::from_secs(seconds)).into()
}
