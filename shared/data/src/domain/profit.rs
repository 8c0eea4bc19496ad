//! The parts of a profit figure: amount, company, year and month.

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
