//! Stretches of the audit log by the ids of their events: pure arithmetic.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Retention;

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
    pub fn between(
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        now: Timestamp,
        retention: Retention,
    ) -> Option<Self> {
        let first = from.map_or(0, first_id_from);
        let end = to.map_or(end_of(now), |to| first_id_from(to).min(end_of(now)));
        Self { first, last: end.checked_sub(1)? }.kept(now, retention)
    }

    /// The events from `from` on, inclusive, that are there `now`, also those past their retention.
    /// `None` if there can be none.
    pub fn since(from: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let (first, last) = (from.map_or(0, first_id_from), end_of(now) - 1);
        (first <= last).then_some(Self { first, last })
    }

    /// The part of it that is not past its retention: DynamoDB deletes late.
    pub fn kept(self, now: Timestamp, retention: Retention) -> Option<Self> {
        let oldest = Timestamp::from_second(retention.begins_at(now)).map_or(0, first_id_from);
        let first = self.first.max(oldest);
        (first <= self.last).then_some(Self { first, ..self })
    }

    /// Whether an event comes before it.
    pub fn begins_after(self, id: &str) -> bool {
        number(id) < self.first
    }

    /// Whether an event comes after it.
    pub fn ends_before(self, id: &str) -> bool {
        number(id) > self.last
    }

    /// How far a query has looked whose answer ends with this key. A key that is no id stands
    /// between two ids.
    pub(super) fn up_to(self, key: &str, order: Order) -> u128 {
        let (mut low, mut high) = (self.first, self.last);
        while low < high {
            let half = (high - low) / 2;
            match order {
                Order::Ascending if text(high - half).as_str() <= key => low = high - half,
                Order::Ascending => high -= half + 1,
                Order::Descending if text(low + half).as_str() >= key => high = low + half,
                Order::Descending => low += half + 1,
            }
        }
        low
    }

    /// The rest of it once everything up to `reached`, inclusive, has been read.
    pub(super) fn beyond(self, reached: u128, order: Order) -> Option<Self> {
        match order {
            Order::Ascending if reached < self.last => Some(Self { first: reached + 1, ..self }),
            Order::Descending if reached > self.first => Some(Self { last: reached - 1, ..self }),
            _ => None,
        }
    }

    /// The time of the last event that a search has looked at, if this is the rest of its range.
    pub fn reached(self, order: Order) -> Timestamp {
        let id = match order {
            Order::Ascending => self.first.saturating_sub(1),
            Order::Descending => self.last.saturating_add(1),
        };
        let milliseconds = i64::try_from(id >> MILLISECOND_BITS).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
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

/// Where the ids of events after this millisecond begin.
fn end_of(now: Timestamp) -> u128 {
    first_id_from(now) + (1 << MILLISECOND_BITS)
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
    use crate::config::Config;
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
        let retention = Retention::new(&Config::default()).unwrap();
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
            let range = EventRange::between(from.map(at), to.map(at), now, retention).unwrap();
            let holds = (range.first..=range.last).contains(&id_at(event));
            assert_eq!(holds, expected, "{from:?} {to:?} {event}");
        }
        for (from, to) in [
            (Some("2026-11-20T12:00:00.001Z"), None),
            (Some("9999-12-30T00:00:00Z"), None),
            (None, Some("2025-10-16T12:00:00Z")),
            (None, Some("1970-01-01T00:00:00Z")),
            (None, Some("1900-01-01T00:00:00Z")),
        ] {
            let range = EventRange::between(from.map(at), to.map(at), now, retention);
            assert_eq!(range, None, "{from:?} {to:?}");
        }
    }

    #[test]
    fn a_range_since_a_time_holds_events_past_their_retention_too() {
        let now = at("2026-11-20T12:00:00Z");
        for (from, event, expected) in [
            (None, "1970-01-01T00:00:00Z", true),
            (None, "2025-10-16T11:59:59.999Z", true),
            (None, "2026-11-20T12:00:00Z", true),
            (None, "2026-11-20T12:00:00.001Z", false),
            (Some("2025-01-01T00:00:00Z"), "2025-01-01T00:00:00Z", true),
            (Some("2025-01-01T00:00:00Z"), "2024-12-31T23:59:59.999Z", false),
            (Some("2026-11-20T12:00:00Z"), "2026-11-20T12:00:00Z", true),
        ] {
            let range = EventRange::since(from.map(at), now).unwrap();
            let holds = (range.first..=range.last).contains(&id_at(event));
            assert_eq!(holds, expected, "{from:?} {event}");
        }
        // A clock that was set back.
        assert_eq!(EventRange::since(Some(at("2026-11-20T12:00:00.001Z")), now), None);
    }

    #[test]
    fn a_rest_begins_behind_what_was_reached_and_tells_its_time() {
        let [first, reached, last] =
            ["2026-01-01T00:00:00Z", "2026-02-03T04:05:06.789Z", "2026-03-01T00:00:00Z"];
        let range = EventRange { first: id_at(first), last: id_at(last) };
        let id = id_at(reached);
        for (order, expected) in [
            (Order::Ascending, EventRange { first: id + 1, ..range }),
            (Order::Descending, EventRange { last: id - 1, ..range }),
        ] {
            let rest = range.beyond(id, order).unwrap();
            assert_eq!((rest, rest.reached(order)), (expected, at(reached)), "{order:?}");
        }
        assert_eq!(range.beyond(range.last, Order::Ascending), None);
        assert_eq!(range.beyond(range.first, Order::Descending), None);
        // The first and the last id of a millisecond have its time too.
        let whole = EventRange { first: 0, last: u128::MAX };
        for id in [first_id_from(at(reached)), first_id_from(at(reached)) + (1 << 80) - 1] {
            for order in [Order::Ascending, Order::Descending] {
                assert_eq!(whole.beyond(id, order).unwrap().reached(order), at(reached));
            }
        }
    }

    #[test]
    fn an_answer_may_end_with_a_key_that_is_no_id() {
        use Order::{Ascending, Descending};
        let [a, b] =
            ["019a0000-0000-7000-8000-00000000000a", "019a0000-0000-7000-8000-00000000000b"];
        let range = EventRange { first: number(a) - 9, last: number(b) + 9 };
        for (key, ascending, descending) in [
            (a, number(a), number(a)),
            (&format!("{a}-"), number(a), number(b)),
            (&text(range.first), range.first, range.first),
            (&text(range.last), range.last, range.last),
            (&format!("{}z", text(range.first)), range.first, range.first + 1),
        ] {
            let found = [Ascending, Descending].map(|order| range.up_to(key, order));
            assert_eq!(found, [ascending, descending], "{key}");
        }
        // The rest is smaller in any case, so a walk ends.
        let rest = range
            .beyond(range.up_to("019a0000-0000-7000-8000-00000000000a-z", Ascending), Ascending);
        assert_eq!(rest.unwrap().first, number(b));
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
