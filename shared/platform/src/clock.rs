//! The one place that reads the wall clock, so that tests can set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::civil::DateTime;

/// A point in time.
pub use jiff::Timestamp;

/// The source of the current time.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// A clock that stands still until it is moved: milliseconds since 1970.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The time now, to the millisecond. With finer digits, a stored time would differ from the one
    /// in an answer.
    #[allow(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> Timestamp {
        let milliseconds = match self {
            Clock::System => Timestamp::now().as_millisecond(),
            Clock::Manual(milliseconds) => milliseconds.load(Ordering::Relaxed),
        };
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Milliseconds since an instant.
pub fn millis_since(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Formats a time as the API does: RFC 3339 in UTC with milliseconds and `Z`.
pub fn rfc3339(time: Timestamp) -> String {
    format!("{time:.3}")
}

/// Formats a time that is stored in milliseconds since 1970.
pub fn rfc3339_ms(milliseconds: i64) -> String {
    rfc3339(Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// Reads an RFC 3339 time, with any offset, and no similar format.
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    let (date_time, rest) = text.split_at_checked("2026-01-31T09:30:00".len())?;
    let shape =
        date_time.bytes().map(|b| if b.is_ascii_digit() { b'0' } else { b.to_ascii_uppercase() });
    let rest = match rest.strip_prefix('.') {
        Some(fraction) if fraction.starts_with(|c: char| c.is_ascii_digit()) => {
            fraction.trim_start_matches(|c: char| c.is_ascii_digit())
        }
        Some(_) => return None,
        None => rest,
    };
    let is_offset = match rest.as_bytes() {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', hours @ .., b':', m1, m2] => {
            hours.len() == 2 && [hours, &[*m1, *m2]].concat().iter().all(u8::is_ascii_digit)
        }
        _ => false,
    };
    let local: DateTime =
        date_time.parse().ok().filter(|_| is_offset && shape.eq("0000-00-00T00:00:00".bytes()))?;
    // Arithmetic with the last day of the year 9999 is not possible, but clients often use it for
    // "for ever".
    text.parse().ok().or_else(|| (local.year() == 9999).then_some(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_3339() {
        for (text, expected) in [
            ("2026-01-31T09:30:00Z", Some("2026-01-31T09:30:00.000Z")),
            ("2026-01-31t09:30:00z", Some("2026-01-31T09:30:00.000Z")),
            ("2026-01-31T09:30:00.5Z", Some("2026-01-31T09:30:00.500Z")),
            ("2026-01-31T09:30:00.123456789+02:00", Some("2026-01-31T07:30:00.123Z")),
            ("2026-01-31T09:30:00-05:30", Some("2026-01-31T15:00:00.000Z")),
            ("2016-12-31T23:59:60Z", Some("2016-12-31T23:59:59.000Z")),
            ("9999-12-31T23:59:59Z", Some("9999-12-30T22:00:00.999Z")),
            ("9999-12-32T00:00:00Z", None),
            ("2026-02-30T09:30:00Z", None),
            ("2026-01-31T25:30:00Z", None),
            ("2026-01-31T09:30:00", None),
            ("2026-01-31T09:30Z", None),
            ("2026-01-31 09:30:00Z", None),
            ("2026-01-31T09:30:00.Z", None),
            ("2026-01-31T09:30:00+0200", None),
            ("2026-01-31T09:30:00 02:00", None),
            ("2026-01-31T09:30:00+02:00[Europe/Oslo]", None),
            ("20260131T093000Z", None),
            ("2026-01-31", None),
            ("1767225600", None),
            ("2026-01-31T09:30:0éZ", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text).map(rfc3339).as_deref(), expected, "{text}");
        }
    }
}
