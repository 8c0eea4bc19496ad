//! Typed values of cells.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::currency::Currency;
use crate::moment::{Moment, write_duration};
use crate::number::Number;

/// The value of a cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing.
    #[default]
    Empty,
    /// A number.
    Number(Number),
    /// An amount of money.
    Currency(Number, Currency),
    /// A share: 0.12 is 12 %.
    Percent(Number),
    /// A day, a time of a day, or both.
    Moment(Moment),
    /// Seconds that elapsed.
    Duration(i64),
    /// True or false.
    Boolean(bool),
    /// Text.
    Text(Arc<str>),
    /// An error as Excel shows it: `#N/A`.
    Error(Arc<str>),
}

/// The type of a value, or of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Nothing.
    Empty,
    /// Numbers without a fraction.
    Integer,
    /// Numbers.
    Number,
    /// Amounts of one currency.
    Currency,
    /// Shares of hundred.
    Percent,
    /// Days.
    Date,
    /// Days with a time.
    DateTime,
    /// Times of a day.
    Time,
    /// Elapsed times.
    Duration,
    /// True and false.
    Boolean,
    /// Text.
    Text,
    /// Errors.
    Error,
    /// No type has nine tenths of the cells.
    Mixed,
}

impl Kind {
    /// The number of kinds.
    pub const COUNT: usize = 13;

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Currency => "currency",
            Self::Percent => "percent",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Boolean => "boolean",
            Self::Text => "text",
            Self::Error => "error",
            Self::Mixed => "mixed",
        }
    }
}

impl Value {
    /// The type.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Empty => Kind::Empty,
            Self::Number(number) if number.is_integer() => Kind::Integer,
            Self::Number(_) => Kind::Number,
            Self::Currency(..) => Kind::Currency,
            Self::Percent(_) => Kind::Percent,
            Self::Moment(Moment::Date(_)) => Kind::Date,
            Self::Moment(Moment::DateTime(..)) => Kind::DateTime,
            Self::Moment(Moment::Time(_)) => Kind::Time,
            Self::Duration(_) => Kind::Duration,
            Self::Boolean(_) => Kind::Boolean,
            Self::Text(_) => Kind::Text,
            Self::Error(_) => Kind::Error,
        }
    }

    /// Whether the cell is empty.
    pub fn is_empty(&self) -> bool {
        *self == Self::Empty
    }

    /// The number of a number, an amount or a share.
    pub fn number(&self) -> Option<Number> {
        match *self {
            Self::Number(number) | Self::Currency(number, _) | Self::Percent(number) => {
                Some(number)
            }
            _ => None,
        }
    }

    /// The order of two values of one type that has one.
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Duration(one), Self::Duration(other)) => Some(one.cmp(other)),
            (Self::Moment(one), Self::Moment(other)) => Some(one.key().cmp(&other.key())),
            _ => Some(self.number()?.cmp(&other.number()?)),
        }
    }

    /// The text of a text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// The value in the API: a decimal, an ISO 8601 date or time, `26:30:00`, `true`, text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => Ok(()),
            Self::Number(number) | Self::Currency(number, _) | Self::Percent(number) => {
                write!(f, "{number}")
            }
            Self::Moment(moment) => write!(f, "{moment}"),
            Self::Duration(seconds) => write_duration(f, *seconds),
            Self::Boolean(is) => write!(f, "{is}"),
            Self::Text(text) | Self::Error(text) => f.write_str(text),
        }
    }
}
