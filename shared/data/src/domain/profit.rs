//! The parts of a profit figure: amount, company, year and month.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An amount with two decimal places, exact. In JSON it is a string, because a JSON number would
/// become a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = r"^-?\d+\.\d{2}$", example = "123456.78")]
pub struct Money(Decimal);

/// The name of a company: 1 to 100 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, min_length = 1, max_length = 100, example = "Alpha")]
pub struct Company(String);

/// A calendar year, 1900 to 2999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schema(value_type = u16, minimum = 1900, maximum = 2999, example = 2023)]
pub struct Year(u16);

/// A calendar month, 1 to 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(try_from = "u64", into = "u64")]
#[schema(value_type = u8, minimum = 1, maximum = 12, example = 12)]
pub struct Month(u8);

impl Money {
    /// An amount of so many hundredths.
    pub fn from_cents(cents: i64) -> Self {
        Self(Decimal::new(cents, 2))
    }

    /// The exact sum. `None` if it has more digits than an amount can have.
    pub fn sum(amounts: &[Self]) -> Option<Self> {
        Self::from_total(total(amounts))
    }

    /// The mean, rounded to two places. A half is rounded to the even neighbour. `None` if there is
    /// no amount.
    pub fn mean(amounts: &[Self]) -> Option<Self> {
        let count = i128::try_from(amounts.len()).ok().filter(|count| *count > 0)?;
        let total = total(amounts);
        let (below, rest) = (total.div_euclid(count), total.rem_euclid(count));
        let rounded = match (2 * rest).cmp(&count) {
            Ordering::Less => below,
            Ordering::Equal if below % 2 == 0 => below,
            Ordering::Equal | Ordering::Greater => below + 1,
        };
        Self::from_total(rounded)
    }

    /// An amount of so many hundredths, if it can hold them.
    fn from_total(cents: i128) -> Option<Self> {
        Decimal::try_from_i128_with_scale(cents, 2).ok().map(Self)
    }
}

/// The sum in hundredths. An amount has at most 96 bits, so it cannot overflow.
fn total(amounts: &[Money]) -> i128 {
    amounts.iter().map(|amount| amount.0.mantissa()).sum()
}

impl FromStr for Money {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let plain = text
            .strip_prefix('-')
            .unwrap_or(text)
            .split_once('.')
            .is_some_and(|(whole, places)| digits(whole) && digits(places));
        let decimal =
            Decimal::from_str_exact(text).ok().filter(|decimal| plain && decimal.scale() == 2);
        decimal.map(Self).ok_or("must be an amount with two decimal places, like 123456.78")
    }
}

impl FromStr for Company {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(1..=100).contains(&text.chars().count()) {
            return Err("must be 1 to 100 characters");
        }
        if text.chars().any(char::is_control) {
            Err("must not contain control characters")
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl TryFrom<u64> for Year {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        u16::try_from(number)
            .ok()
            .filter(|year| (1900..=2999).contains(year))
            .map(Self)
            .ok_or("must be 1900 to 2999")
    }
}

impl TryFrom<u64> for Month {
    type Error = &'static str;

    fn try_from(number: u64) -> Result<Self, Self::Error> {
        u8::try_from(number)
            .ok()
            .filter(|month| (1..=12).contains(month))
            .map(Self)
            .ok_or("must be 1 to 12")
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = &'static str;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.0.to_string()
            }
        }

        impl FromField for $name {
            fn read(raw: &RawValue<'_>) -> Result<Self, String> {
                raw.text()?.parse().map_err(str::to_owned)
            }
        }
    )*};
}
text!(Money, Company);

macro_rules! number {
    ($($name:ident),*) => {$(
        /// With a width it is padded as numbers are.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl FromField for $name {
            fn read(raw: &RawValue<'_>) -> Result<Self, String> {
                u64::read(raw)?.try_into().map_err(str::to_owned)
            }
        }
    )*};
}
number!(Year, Month);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_keeps_its_two_places() {
        for (cents, text) in [
            (0, "0.00"),
            (5, "0.05"),
            (12_345_670, "123456.70"),
            (-150, "-1.50"),
            (i64::MAX, "92233720368547758.07"),
        ] {
            let money = Money::from_cents(cents);
            assert_eq!(money.to_string(), text);
            assert_eq!(text.parse(), Ok(money));
            assert_eq!(serde_json::to_value(money).unwrap(), text);
        }
        for text in [
            "", "1", "1.5", "1.505", ".50", "1.", "1_0.00", "+1.00", "1e2", "1,000.00", " 1.00",
            "NaN", "--1.00",
        ] {
            assert!(text.parse::<Money>().is_err(), "{text:?} was taken");
        }
        assert!(format!("{}.00", "9".repeat(40)).parse::<Money>().is_err());
        assert!(serde_json::from_str::<Money>("1.5").is_err());
    }

    #[test]
    fn sums_are_exact_and_means_are_rounded_to_the_even_neighbour() {
        for (cents, sum, mean) in [
            (&[][..], Some("0.00"), None),
            (&[0], Some("0.00"), Some("0.00")),
            (&[10, 20], Some("0.30"), Some("0.15")),
            (&[1, 2], Some("0.03"), Some("0.02")),
            (&[2, 3], Some("0.05"), Some("0.02")),
            (&[3, 4], Some("0.07"), Some("0.04")),
            (&[-1, -2], Some("-0.03"), Some("-0.02")),
            (&[-2, -3], Some("-0.05"), Some("-0.02")),
            (&[-1, 0], Some("-0.01"), Some("0.00")),
            (&[1, 1, 2], Some("0.04"), Some("0.01")),
            (&[1, 2, 2], Some("0.05"), Some("0.02")),
            (&[-1, -2, -2], Some("-0.05"), Some("-0.02")),
            (&[i64::MAX, i64::MAX], Some("184467440737095516.14"), Some("92233720368547758.07")),
            (&[-i64::MAX, i64::MAX - 1], Some("-0.01"), Some("0.00")),
        ] {
            let amounts: Vec<_> = cents.iter().copied().map(Money::from_cents).collect();
            let text = |amount: Option<Money>| amount.map(|amount| amount.to_string());
            assert_eq!(text(Money::sum(&amounts)).as_deref(), sum, "{cents:?}");
            assert_eq!(text(Money::mean(&amounts)).as_deref(), mean, "{cents:?}");
        }
        let largest: Money = format!("{}.00", "7".repeat(27)).parse().unwrap();
        assert_eq!(Money::sum(&[largest, largest]), None);
        assert_eq!(Money::mean(&[largest, largest]), Some(largest));
    }

    #[test]
    fn years_and_months_are_those_of_a_calendar() {
        for (text, year, month) in [
            ("1", false, true),
            ("12", false, true),
            ("0", false, false),
            ("13", false, false),
            ("1899", false, false),
            ("1900", true, false),
            ("2999", true, false),
            ("3000", false, false),
            ("70000", false, false),
            ("2022.0", false, false),
            ("+2022", false, false),
            ("-1", false, false),
            ("", false, false),
        ] {
            assert_eq!(Year::read(&RawValue::Text(text)).is_ok(), year, "year {text}");
            assert_eq!(Month::read(&RawValue::Text(text)).is_ok(), month, "month {text}");
        }
    }

    #[test]
    fn companies_have_names() {
        for (text, expected) in
            [("Alpha", true), ("Ä & Co. #1", true), ("", false), ("a\tb", false)]
        {
            assert_eq!(text.parse::<Company>().is_ok(), expected, "{text:?}");
        }
        assert!("x".repeat(101).parse::<Company>().is_err());
    }
}
