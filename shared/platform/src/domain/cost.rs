//! What a call to a model costs.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Places after the point that a cost has at least and at most: a token can cost less than a millionth of a dollar.
const PLACES: std::ops::RangeInclusive<u32> = 2..=9;

/// An amount in US dollars, exact, written with two to nine places: `0.00`, `0.0003125`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cost(Decimal);

impl Cost {
    /// Nothing.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// An amount; what is beyond nine places is rounded to the nearest, half to even.
    pub fn new(dollars: Decimal) -> Self {
        let mut amount = dollars.round_dp(*PLACES.end()).normalize();
        if amount.scale() < *PLACES.start() {
            amount.rescale(*PLACES.start());
        }
        Self(amount)
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

#[cfg(test)]
mod tests {
    use super::Cost;

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
}
