//! The days of a report of usage.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use platform::Problem;

/// The days of a report, UTC, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportDays {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
}

impl ReportDays {
    /// The days of a request with the parameters `from` and `to`. The default of `to` is today, and
    /// that of `from` is the first day of the month of `to`. They are at most `most` days.
    pub fn of(
        from: Option<Date>,
        to: Option<Date>,
        most: i32,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let to = to.unwrap_or_else(|| now.to_zoned_datetime(TimeZone::UTC).date());
        let from = from.unwrap_or_else(|| to.first_of_month());
        match to.checked_sub((most - 1).days()) {
            _ if from > to => Err(Problem::invalid_parameter("from", "must not be after `to`")),
            Ok(first) if from < first => Err(Problem::invalid_parameter(
                "from",
                format!("must be at most {most} days before the end of `to`"),
            )),
            _ => Ok(Self { from, to }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_this_month_unless_they_are_given() {
        let now = "2026-03-31T23:59:59Z".parse().unwrap();
        for (from, to, expected) in [
            (None, None, Some(("2026-03-01", "2026-03-31"))),
            (Some("2026-03-31"), None, Some(("2026-03-31", "2026-03-31"))),
            (None, Some("2024-02-29"), Some(("2024-02-01", "2024-02-29"))),
            (Some("2025-03-31"), Some("2026-03-31"), Some(("2025-03-31", "2026-03-31"))),
            (Some("2025-03-30"), Some("2026-03-31"), None),
            (Some("2026-04-01"), None, None),
            (Some("2026-02-02"), Some("2026-02-01"), None),
            (Some("-009999-01-01"), Some("9999-12-31"), None),
        ] {
            let day = |text: Option<&str>| text.map(|text| text.parse().unwrap());
            let days = ReportDays::of(day(from), day(to), 366, now).ok();
            let days = days.map(|ReportDays { from, to }| (from.to_string(), to.to_string()));
            assert_eq!(
                days,
                expected.map(|(from, to)| (from.to_owned(), to.to_owned())),
                "{from:?} {to:?}"
            );
        }
    }
}
