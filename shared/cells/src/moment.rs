//! Dates, times and durations of serial numbers, by the workbook's date system.

use std::fmt;

/// Seconds of a day.
const DAY: i64 = 86_400;

/// The first day of a workbook's serial numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Epoch {
    /// Serial 1 is 1900-01-01, and serial 60 a day that did not exist.
    #[default]
    Y1900,
    /// Serial 0 is 1904-01-01.
    Y1904,
}

/// A day. In the system 1900 it can be 1900-02-29, which Excel counts and no calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// The point in time of a serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A day.
    Date(Date),
    /// A day with seconds of it.
    DateTime(Date, u32),
    /// Seconds of a day.
    Time(u32),
}

/// Which parts of a serial number its format shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The day alone.
    Date,
    /// The day and the time.
    DateTime,
    /// The time alone.
    Time,
}

impl Epoch {
    /// Reads a serial number as what its format shows, rounded to seconds. A format may hide a part
    /// that is not zero: the result has it. None for a serial number that is no date in Excel.
    pub fn moment(self, serial: f64, shown: Shown) -> Option<Moment> {
        let (days, seconds) = split(serial)?;
        if days == 0 && (shown == Shown::Time || (seconds > 0 && self == Self::Y1900)) {
            return Some(Moment::Time(seconds));
        }
        let date = self.date(days)?;
        if seconds == 0 && shown == Shown::Date {
            Some(Moment::Date(date))
        } else {
            Some(Moment::DateTime(date, seconds))
        }
    }

    fn date(self, days: i64) -> Option<Date> {
        // Days from 1970-01-01 to the day before the first one, and to 9999-12-31.
        let shift = match self {
            Self::Y1900 if days == 60 => return Some(Date::LEAP),
            Self::Y1900 if days < 60 => -25_568,
            Self::Y1900 => -25_569,
            Self::Y1904 => -24_107,
        };
        let is_before = self == Self::Y1900 && days < 1;
        (!is_before && days + shift <= 2_932_896).then(|| Date::from_days(days + shift))
    }
}

/// Whole days and seconds of the rest.
fn split(serial: f64) -> Option<(i64, u32)> {
    if !(0.0..=3_000_000.0).contains(&serial) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "the number is within the range above")]
    let seconds = ((serial - serial.floor()) * 86_400.0).round() as i64;
    #[allow(clippy::cast_possible_truncation, reason = "the number is within the range above")]
    let days = serial.floor() as i64;
    // Half a second before midnight counts to the next day.
    Some((days + seconds / DAY, u32::try_from(seconds % DAY).ok()?))
}

/// Seconds of a serial number that is a duration. None above some million years.
pub fn duration(serial: f64) -> Option<i64> {
    #[allow(clippy::cast_possible_truncation, reason = "the number is within the range below")]
    let seconds = (serial * 86_400.0).round() as i64;
    (serial.abs() < 1e9).then_some(seconds)
}

/// Writes seconds as `-26:30:00`.
pub fn write_duration(f: &mut fmt::Formatter<'_>, seconds: i64) -> fmt::Result {
    let sign = if seconds < 0 { "-" } else { "" };
    let seconds = seconds.unsigned_abs();
    write!(f, "{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

impl Date {
    /// The day that the system 1900 has too many.
    pub const LEAP: Self = Self { year: 1900, month: 2, day: 29 };

    /// Civil date of days since 1970-01-01, by Howard Hinnant's algorithm.
    fn from_days(days: i64) -> Self {
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let of_era = shifted.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month + 2) / 5 + 1;
        let month = if month < 10 { month + 3 } else { month - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self {
            year: u16::try_from(year).unwrap_or_default(),
            month: u8::try_from(month).unwrap_or_default(),
            day: u8::try_from(day).unwrap_or_default(),
        }
    }

    /// Reads `YYYY-MM-DD`.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '-');
        let year = digits(parts.next()?, 4)?;
        let month = digits(parts.next()?, 2)?;
        let day = digits(parts.next()?, 2)?;
        let is_leap =
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let length = match month {
            1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
            4 | 6 | 9 | 11 => 30,
            2 => 28 + u16::from(is_leap),
            _ => return None,
        };
        let fits = year > 0 && (1..=length).contains(&day);
        let month = u8::try_from(month).ok()?;
        fits.then_some(Self { year, month, day: u8::try_from(day).ok()? })
    }
}

/// Reads `YYYY-MM-DD`, alone or with a time behind `T` or a space. It has no zone.
pub fn parse(text: &str) -> Option<Moment> {
    let Some((date, time)) = text.split_once(['T', ' ']) else {
        return Date::parse(text).map(Moment::Date);
    };
    let mut parts = time.splitn(3, ':');
    let hour = digits(parts.next()?, 2).filter(|&hour| hour < 24)?;
    let minute = digits(parts.next()?, 2).filter(|&minute| minute < 60)?;
    let second = digits(parts.next().unwrap_or("00"), 2).filter(|&second| second < 60)?;
    let seconds = u32::from(hour) * 3600 + u32::from(minute) * 60 + u32::from(second);
    Some(Moment::DateTime(Date::parse(date)?, seconds))
}

fn digits(text: &str, length: usize) -> Option<u16> {
    let fits = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Moment {
    /// By this key, days come in their order, and times of a day before all days.
    pub(crate) fn key(self) -> (Option<Date>, u32) {
        match self {
            Self::Date(date) => (Some(date), 0),
            Self::DateTime(date, seconds) => (Some(date), seconds),
            Self::Time(seconds) => (None, seconds),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |seconds: u32| {
            format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
        };
        match *self {
            Self::Date(date) => write!(f, "{date}"),
            Self::DateTime(date, seconds) => write!(f, "{date}T{}", time(seconds)),
            Self::Time(seconds) => f.write_str(&time(seconds)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_what_excel_shows() {
        for (epoch, serial, shown, expected) in [
            (Epoch::Y1900, 1.0, Shown::Date, Some("1900-01-01")),
            (Epoch::Y1900, 59.0, Shown::Date, Some("1900-02-28")),
            (Epoch::Y1900, 60.0, Shown::Date, Some("1900-02-29")),
            (Epoch::Y1900, 61.0, Shown::Date, Some("1900-03-01")),
            (Epoch::Y1900, 25_569.0, Shown::Date, Some("1970-01-01")),
            (Epoch::Y1900, 45_351.0, Shown::Date, Some("2024-02-29")),
            (Epoch::Y1900, 45_351.75, Shown::Date, Some("2024-02-29T18:00:00")),
            (Epoch::Y1900, 45_351.0, Shown::DateTime, Some("2024-02-29T00:00:00")),
            (Epoch::Y1900, 45_351.999_999, Shown::DateTime, Some("2024-03-01T00:00:00")),
            (Epoch::Y1900, 2_958_465.0, Shown::Date, Some("9999-12-31")),
            (Epoch::Y1900, 2_958_466.0, Shown::Date, None),
            (Epoch::Y1900, 2_958_465.999_999, Shown::DateTime, None),
            (Epoch::Y1900, 0.0, Shown::Date, None),
            (Epoch::Y1900, 0.0, Shown::Time, Some("00:00:00")),
            (Epoch::Y1900, 0.5, Shown::Time, Some("12:00:00")),
            (Epoch::Y1900, 0.5, Shown::DateTime, Some("12:00:00")),
            (Epoch::Y1900, 1.5, Shown::Time, Some("1900-01-01T12:00:00")),
            (Epoch::Y1900, -1.0, Shown::Date, None),
            (Epoch::Y1900, f64::NAN, Shown::Date, None),
            (Epoch::Y1904, 0.0, Shown::Date, Some("1904-01-01")),
            (Epoch::Y1904, 0.5, Shown::DateTime, Some("1904-01-01T12:00:00")),
            (Epoch::Y1904, 60.0, Shown::Date, Some("1904-03-01")),
            (Epoch::Y1904, 43_889.0, Shown::Date, Some("2024-02-29")),
            (Epoch::Y1904, 2_957_003.0, Shown::Date, Some("9999-12-31")),
            (Epoch::Y1904, 2_957_004.0, Shown::Date, None),
        ] {
            let found = epoch.moment(serial, shown).map(|moment| moment.to_string());
            assert_eq!(found.as_deref(), expected, "{epoch:?} {serial} {shown:?}");
        }
    }

    #[test]
    fn only_whole_dates_of_the_calendar_are_read() {
        for (text, expected) in [
            ("2024-02-29", Some("2024-02-29")),
            ("2024-02-29T06:05", Some("2024-02-29T06:05:00")),
            ("2024-02-29 06:05:59", Some("2024-02-29T06:05:59")),
            ("2023-02-29", None),
            ("1900-02-29", None),
            ("2024-13-01", None),
            ("2024-00-01", None),
            ("2024-01-32", None),
            ("2024-1-1", None),
            ("24-01-01", None),
            ("2024-01-01T24:00", None),
            ("2024-01-01T06", None),
            ("2024-01-01T06:05Z", None),
            ("01/02/2024", None),
            ("", None),
        ] {
            assert_eq!(parse(text).map(|moment| moment.to_string()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_duration_may_be_longer_than_a_day_or_below_zero() {
        for (serial, expected) in
            [(1.104_166_666_666_67, "26:30:00"), (-0.062_5, "-1:30:00"), (0.0, "0:00:00")]
        {
            let seconds = duration(serial).unwrap();
            assert_eq!(fmt::from_fn(|f| write_duration(f, seconds)).to_string(), expected);
        }
        assert_eq!(duration(1e300), None);
        assert_eq!(duration(f64::NAN), None);
    }
}
