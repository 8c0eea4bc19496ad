//! Costs of calls to a model, and budgets for them.

use std::fmt;
use std::ops::AddAssign;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

/// Fewest and most places of a cost after the point: a token can cost less than a millionth of a
/// dollar.
const PLACES: std::ops::RangeInclusive<u32> = 2..=9;

/// The largest budget, in US dollars.
const LARGEST_BUDGET: u32 = 1_000_000;

/// The error for a text or a number that is no budget.
const WRONG: &str = "must be an amount from 0 to 1000000, like 50.00";

/// Decimal places of a nano-dollar, the smallest part of an amount.
const NANOS: u32 = 9;

/// An amount in US dollars, exact, written with two to nine places: `0.00`, `0.0003125`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cost(Decimal);

/// A budget for a month: 0 to 1,000,000 US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget(Cost);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount. Places beyond the ninth are rounded to the nearest, half to even.
    pub fn new(dollars: Decimal) -> Self {
        let mut amount = dollars.round_dp(*PLACES.end()).normalize();
        if amount.scale() < *PLACES.start() {
            amount.rescale(*PLACES.start());
        }
        Self(amount)
    }

    /// The amount in whole nano-dollars, of which every amount is made.
    pub fn nanos(self) -> i64 {
        let mut amount = self.0;
        amount.rescale(NANOS);
        i64::try_from(amount.mantissa()).unwrap_or(i64::MAX)
    }

    /// An amount of so many nano-dollars.
    pub fn from_nanos(nanos: i64) -> Self {
        Self::new(Decimal::new(nanos, NANOS))
    }
}

impl Cost {
    /// The rest after another amount is taken away; nothing if that is more.
    #[must_use]
    pub fn less(self, other: Self) -> Self {
        Self::from_nanos(self.nanos().saturating_sub(other.nanos()).max(0))
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        *self = Self::new(self.0 + other.0);
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Self::new(self.0).0)
    }
}

impl FromStr for Cost {
    type Err = rust_decimal::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}

impl From<Cost> for String {
    fn from(cost: Cost) -> Self {
        cost.to_string()
    }
}

impl TryFrom<String> for Cost {
    type Error = rust_decimal::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl Budget {
    /// The amount.
    pub fn amount(self) -> Cost {
        self.0
    }

    /// The schema of a budget as it is sent: text, or a number that is exact in as many places.
    pub fn forms() -> OneOfBuilder {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(r"^([0-9]{1,6}(\.[0-9]{1,9})?|1000000(\.0{1,9})?)$"));
        let number = ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(1_000_000));
        OneOfBuilder::new().item(text).item(number)
    }
}

impl FromStr for Budget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let amount = Decimal::from_str_exact(text)
            .ok()
            .filter(|amount| is_plain && amount.scale() <= *PLACES.end());
        let amount = amount.filter(|amount| *amount <= Decimal::from(LARGEST_BUDGET));
        amount.map(|amount| Self(Cost::new(amount))).ok_or(WRONG)
    }
}

impl FromField for Budget {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw {
            // A JSON number is binary: 0.1 + 0.2 has seventeen places in JavaScript. The amount
            // that the caller means has nine at most.
            RawValue::Json(Value::Number(number)) => {
                let dollars = number
                    .as_f64()
                    .filter(|dollars| (0.0..=f64::from(LARGEST_BUDGET)).contains(dollars))
                    .ok_or(WRONG)?;
                format!("{:.9}", dollars.abs()).parse().map_err(str::to_owned)
            }
            _ => raw.text()?.parse().map_err(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Budget, Cost};
    use platform::input::{FromField as _, RawValue};
    use serde_json::json;

    #[test]
    fn a_cost_is_written_with_two_to_nine_places() {
        for (amount, expected) in [
            ("0", "0.00"),
            ("0.000", "0.00"),
            ("1.5", "1.50"),
            ("12", "12.00"),
            ("0.0003125", "0.0003125"),
            ("0.100000000", "0.10"),
            ("0.0000000004", "0.00"),
            ("0.0000000016", "0.000000002"),
        ] {
            assert_eq!(amount.parse::<Cost>().unwrap().to_string(), expected, "{amount}");
        }
        assert_eq!(serde_json::to_string(&Cost::ZERO).unwrap(), "\"0.00\"");
    }

    #[test]
    fn a_budget_is_an_amount_in_text_or_as_a_number() {
        for (sent, expected) in [
            (json!("50"), Some("50.00")),
            (json!("50.00"), Some("50.00")),
            (json!(50), Some("50.00")),
            (json!(0.1), Some("0.10")),
            (json!("0"), Some("0.00")),
            (json!("1000000"), Some("1000000.00")),
            (json!("0.000000001"), Some("0.000000001")),
            (json!("0.0000000001"), None),
            // Numbers are rounded to nine places.
            (json!(0.1 + 0.2), Some("0.30")),
            (json!(1e-300), Some("0.00")),
            (json!(-0.0), Some("0.00")),
            (json!(999_999.123_456_789), Some("999999.123456789")),
            (json!("1000000.01"), None),
            (json!("-1"), None),
            (json!("+1"), None),
            (json!(-1), None),
            (json!(1e300), None),
            (json!("1e3"), None),
            (json!("1_000"), None),
            (json!(""), None),
            (json!("."), None),
            (json!("$5"), None),
            (json!(true), None),
        ] {
            let read = Budget::read(&RawValue::Json(&sent)).ok();
            assert_eq!(
                read.map(|budget| budget.amount().to_string()).as_deref(),
                expected,
                "{sent}"
            );
        }
    }

    #[test]
    fn a_cost_is_a_whole_number_of_nano_dollars() {
        for (amount, nanos) in [
            ("0", 0),
            ("0.000000001", 1),
            ("-0.02", -20_000_000),
            ("20", 20_000_000_000),
            ("0.10", 100_000_000),
        ] {
            let cost: Cost = amount.parse().unwrap();
            assert_eq!((cost.nanos(), Cost::from_nanos(nanos)), (nanos, cost), "{amount}");
        }
    }
}
