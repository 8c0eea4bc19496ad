//! The letters of columns: `A` to `XFD`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Columns of a sheet.
const COLUMNS: u16 = 16_384;

/// The letter of a column. Its order is that of the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Letter(u16);

/// One letter, or a range of them: `D`, `D:F`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letters(pub RangeInclusive<Letter>);

impl Letter {
    /// The column's number, from zero.
    pub fn number(self) -> u32 {
        u32::from(self.0 - 1)
    }

    /// The letter of a column by its number, from zero. `None` beyond the last column.
    pub fn of(number: u32) -> Option<Self> {
        let number = u16::try_from(number).ok().filter(|number| *number < COLUMNS)?;
        Some(Self(number + 1))
    }
}

impl FromStr for Letter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be the letters of a column, A to XFD";
        if !(1..=3).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_alphabetic()) {
            return Err(wrong);
        }
        let number = text
            .bytes()
            .fold(0, |number, b| number * 26 + u16::from(b.to_ascii_uppercase() - b'A') + 1);
        if number <= COLUMNS { Ok(Self(number)) } else { Err(wrong) }
    }
}

impl FromStr for Letters {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "must be columns as in D or D:F";
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let (first, last): (Letter, Letter) =
            (first.parse().map_err(|_| wrong)?, last.parse().map_err(|_| wrong)?);
        Ok(Self(first.min(last)..=first.max(last)))
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut letters = Vec::new();
        while rest > 0 {
            let digit = u8::try_from((rest - 1) % 26).unwrap_or(0);
            letters.push(char::from(b'A' + digit));
            rest = (rest - 1) / 26;
        }
        f.write_str(&letters.into_iter().rev().collect::<String>())
    }
}

impl TryFrom<String> for Letter {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Letter> for String {
    fn from(letter: Letter) -> Self {
        letter.to_string()
    }
}

impl FromField for Letter {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl FromField for Letters {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_letter_is_printed_as_it_is_read() {
        let all: Vec<_> = (1..=COLUMNS).map(|number| Letter(number).to_string()).collect();
        assert_eq!(
            [&all[0], &all[25], &all[26], &all[701], &all[702]],
            ["A", "Z", "AA", "ZZ", "AAA"]
        );
        assert_eq!(all[16_383], "XFD");
        assert_eq!((Letter::of(0), Letter::of(16_383)), ("A".parse().ok(), "XFD".parse().ok()));
        assert_eq!((Letter::of(16_384), Letter::of(3).map(Letter::number)), (None, Some(3)));
        for (number, text) in (1..).zip(&all) {
            assert_eq!(
                (text.parse(), text.to_lowercase().parse()),
                (Ok(Letter(number)), Ok(Letter(number)))
            );
        }
        for text in ["", "XFE", "ZZZ", "AAAA", "A1", "$A", "Ä", " A"] {
            assert!(text.parse::<Letter>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn a_range_of_letters_has_two_ends() {
        let letters =
            |first: &str, last: &str| Ok(Letters(first.parse().unwrap()..=last.parse().unwrap()));
        for (text, expected) in [
            ("D", letters("D", "D")),
            ("D:F", letters("D", "F")),
            ("f:d", letters("D", "F")),
            ("D:", Err("must be columns as in D or D:F")),
            ("D:E:F", Err("must be columns as in D or D:F")),
            ("4:5", Err("must be columns as in D or D:F")),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
