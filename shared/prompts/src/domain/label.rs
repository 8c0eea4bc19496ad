//! The name of a label.

use std::fmt;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Characters of a label, at most.
const LONGEST: usize = 32;

/// The phrase for a text that is no label.
const WRONG: &str = "must be 1 to 32 of a-z, 0-9 and `-`, begin with a letter, and not be `latest`";

/// A label: 1 to 32 of `[a-z0-9-]`, of which the first is a letter. `latest` is none, because the
/// server sets it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Label(String);

impl Label {
    /// The label of the version that replies use.
    pub const PRODUCTION: &'static str = "production";

    /// The label.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `production`.
    pub fn is_production(&self) -> bool {
        self.0 == Self::PRODUCTION
    }
}

impl FromStr for Label {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_of_label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = text.len() <= LONGEST
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(is_of_label)
            && text != "latest";
        if fits { Ok(Self(text.to_owned())) } else { Err(WRONG) }
    }
}

impl TryFrom<String> for Label {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Label> for String {
    fn from(label: Label) -> Self {
        label.0
    }
}

impl FromField for Label {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_begins_with_a_letter() {
        let longest = "a".repeat(32);
        for good in ["production", "staging", "a", "v2", "eu-west", &longest] {
            assert_eq!(good.parse::<Label>().map(String::from), Ok(good.to_owned()));
        }
        let long = "a".repeat(33);
        for bad in ["", "3", "-a", "A", "a.b", "a_b", "latest", "a b", &long] {
            assert_eq!(bad.parse::<Label>(), Err(WRONG), "{bad}");
        }
    }
}
