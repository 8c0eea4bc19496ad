//! Stretches of the audit log by the ids of their events: pure arithmetic.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span as Calendar, Timestamp};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::audit::RETENTION_SECONDS;

/// A stretch of the audit log that is left to be read. Both ends are ids, as numbers, and belong to
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRange {
    pub(super) first: u128,
    pub(super) last: u128,
}

/// An order of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}

impl EventRange {
    /// The events from `from`, inclusive, to `to`, exclusive, that are kept and that are there
    /// `now`. `None` if there can be none.
    pub fn between(from: Option<Timestamp>, to: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let first = from.map_or(0, first_id_from);
        let after_now = first_id_from(now) + (1 << MILLISECOND_BITS);
        let end = to.map_or(after_now, |to| first_id_from(to).min(after_now));
        Self { first, last: end.checked_sub(1)? }.kept(now)
    }

    /// The part of it that is not past its retention: DynamoDB deletes late.
    pub fn kept(self, now: Timestamp) -> Option<Self> {
        let oldest = now.as_second().saturating_sub(RETENTION_SECONDS);
        let oldest = Timestamp::from_second(oldest).map_or(0, first_id_from);
        let first = self.first.max(oldest);
        (first <= self.last).then_some(Self { first, ..self })
    }

    /// The rest of it once everything up to `reached`, inclusive, has been read.
    pub(super) fn beyond(self, reached: u128, order: Order) -> Option<Self> {
        match order {
            Order::Ascending if reached < self.last => Some(Self { first: reached + 1, ..self }),
            Order::Descending if reached > self.first => Some(Self { last: reached - 1, ..self }),
            _ => None,
        }
    }

    /// The part of it in the first so many months of the order.
    pub(super) fn window(self, months: i32, order: Order) -> Self {
        let first_id_in = |month: Date, offset: i32| {
            let month = month.saturating_add(Calendar::new().months(offset));
            month
                .to_zoned_datetime(TimeZone::UTC)
                .map_or(0, |zoned| first_id_from(zoned.timestamp()))
        };
        match order {
            Order::Ascending => Self {
                last: self.last.min(first_id_in(month_of(self.first), months).saturating_sub(1)),
                ..self
            },
            Order::Descending => {
                Self { first: self.first.max(first_id_in(month_of(self.last), 1 - months)), ..self }
            }
        }
    }

    /// The months that it touches, as the shards name them.
    pub(super) fn months(self) -> Vec<String> {
        let first = month_of(self.first);
        let last = month_of(self.last);
        first
            .series(Calendar::new().months(1))
            .take_while(|month| *month <= last)
            .map(|month| month.strftime("%Y-%m").to_string())
            .collect()
    }

    pub(super) fn holds(self, id: u128) -> bool {
        (self.first..=self.last).contains(&id)
    }
}

/// Bits of a UUIDv7 after its milliseconds.
const MILLISECOND_BITS: u32 = 80;

/// Where the ids of events at or after a time begin. Events have whole milliseconds, so a fraction
/// belongs to the next.
fn first_id_from(time: Timestamp) -> u128 {
    let milliseconds = time.as_nanosecond().max(0).unsigned_abs().div_ceil(1_000_000);
    milliseconds << MILLISECOND_BITS
}

/// The first day of an id's month.
fn month_of(id: u128) -> Date {
    let milliseconds = i64::try_from(id >> MILLISECOND_BITS).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds)
        .unwrap_or(Timestamp::MAX)
        .to_zoned_datetime(TimeZone::UTC)
        .date()
        .first_of_month()
}

/// Ids as numbers have the same order as ids as text.
pub(super) fn number(id: &str) -> u128 {
    Uuid::try_parse(id).map_or(0, |id| id.as_u128())
}

pub(super) fn text(id: u128) -> String {
    Uuid::from_u128(id).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn id_at(text: &str) -> u128 {
        number(&ids::new_id(at(text)))
    }

    #[test]
    fn a_range_holds_its_first_moment_and_not_its_last() {
        let now = at("2026-11-20T12:00:00Z");
        for (from, to, event, expected) in [
            (None, None, "2026-11-20T12:00:00Z", true),
            (None, None, "2026-11-20T12:00:00.001Z", false),
            (None, None, "2025-10-16T12:00:00Z", true),
            (None, None, "2025-10-16T11:59:59.999Z", false),
            (Some("2025-01-01T00:00:00Z"), None, "2025-10-16T11:59:59.999Z", false),
            (Some("2026-11-01T00:00:00Z"), None, "2026-11-01T00:00:00Z", true),
            (Some("2026-11-01T00:00:00Z"), None, "2026-10-31T23:59:59.999Z", false),
            (Some("2026-11-01T00:00:00.0005Z"), None, "2026-11-01T00:00:00Z", false),
            (None, Some("2026-11-01T00:00:00Z"), "2026-10-31T23:59:59.999Z", true),
            (None, Some("2026-11-01T00:00:00Z"), "2026-11-01T00:00:00Z", false),
            (None, Some("2026-11-01T00:00:00.0005Z"), "2026-11-01T00:00:00Z", true),
            (None, Some("2999-01-01T00:00:00Z"), "2026-11-20T12:00:00Z", true),
            (None, Some("2999-01-01T00:00:00Z"), "2026-11-20T12:00:01Z", false),
        ] {
            let range = EventRange::between(from.map(at), to.map(at), now).unwrap();
            assert_eq!(range.holds(id_at(event)), expected, "{from:?} {to:?} {event}");
        }
        for (from, to) in [
            (Some("2026-11-20T12:00:00.001Z"), None),
            (Some("9999-12-30T00:00:00Z"), None),
            (None, Some("2025-10-16T12:00:00Z")),
            (None, Some("1970-01-01T00:00:00Z")),
            (None, Some("1900-01-01T00:00:00Z")),
        ] {
            assert_eq!(EventRange::between(from.map(at), to.map(at), now), None, "{from:?} {to:?}");
        }
    }

    #[test]
    fn windows_cover_a_range_month_by_month_without_gap_or_overlap() {
        let range = EventRange {
            first: id_at("2025-11-30T23:59:59.999Z"),
            last: id_at("2026-03-01T00:00:00Z"),
        };
        for (order, months, expected) in [
            (Order::Descending, 1, "2026-03 | 2026-02 | 2026-01 | 2025-12 | 2025-11"),
            (Order::Descending, 2, "2026-02 2026-03 | 2025-12 2026-01 | 2025-11"),
            (Order::Descending, 8, "2025-11 2025-12 2026-01 2026-02 2026-03"),
            (Order::Ascending, 1, "2025-11 | 2025-12 | 2026-01 | 2026-02 | 2026-03"),
            (Order::Ascending, 2, "2025-11 2025-12 | 2026-01 2026-02 | 2026-03"),
        ] {
            let mut rest = Some(range);
            let mut windows = Vec::new();
            while let Some(left) = rest {
                let window = left.window(months, order);
                rest = left.beyond(
                    if order == Order::Ascending { window.last } else { window.first },
                    order,
                );
                windows.push(window);
            }
            let named: Vec<_> = windows.iter().map(|window| window.months().join(" ")).collect();
            assert_eq!(named.join(" | "), expected, "{order:?} {months}");
            windows.sort_by_key(|window| window.first);
            assert_eq!(
                (windows[0].first, windows[windows.len() - 1].last),
                (range.first, range.last)
            );
            assert!(
                windows.windows(2).all(|pair| pair[0].last + 1 == pair[1].first),
                "{order:?} {months}"
            );
        }
    }

    #[test]
    fn a_range_survives_its_cursor() {
        let range = EventRange { first: 1, last: u128::MAX };
        assert_eq!(
            serde_json::from_slice::<EventRange>(&serde_json::to_vec(&range).unwrap()).unwrap(),
            range
        );
    }
}
