//! Charts: their kinds, and how often a frame of one is sent.

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChartType {
    /// Profit over the last twelve months.
    Line,
    /// Shares of revenue by company.
    Pie,
    /// Profit by company.
    Bar,
}

/// Time between frames: 250 ms to a minute, 2 s by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval(u64);

/// A client's own number of a message, which grows from one message to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// The largest whole number that JavaScript holds exactly.
    pub const MAX: u64 = (1 << 53) - 1;

    /// As a number.
    pub fn number(self) -> u64 {
        self.0
    }
}

impl ChartType {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Line, Self::Pie, Self::Bar];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Pie => "pie",
            Self::Bar => "bar",
        }
    }
}

impl Interval {
    /// In milliseconds.
    pub fn milliseconds(self) -> u64 {
        self.0
    }
}

impl Default for Interval {
    fn default() -> Self {
        Self(2_000)
    }
}

impl FromField for ChartType {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        Self::ALL
            .into_iter()
            .find(|chart| chart.as_str() == text)
            .ok_or_else(|| "must be line, pie or bar".into())
    }
}

impl FromField for Interval {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match u64::read(raw)? {
            milliseconds @ 250..=60_000 => Ok(Self(milliseconds)),
            _ => Err("must be 250 to 60000".into()),
        }
    }
}

impl FromField for Seq {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match u64::read(raw)? {
            number @ 0..=Self::MAX => Ok(Self(number)),
            _ => Err(format!("must be 0 to {}", Self::MAX)),
        }
    }
}
