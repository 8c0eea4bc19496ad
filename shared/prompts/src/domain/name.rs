//! The name of a prompt.

use std::fmt;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

/// Characters of a name, at most.
const LONGEST: usize = 64;

/// The phrase for a text that is no name.
pub(super) const WRONG: &str =
    "must be 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and begin and end with a letter or a digit";

/// The name of a prompt: 1 to 64 of `[a-z0-9._-]`, with a letter or a digit at both ends. Dots
/// divide it as slashes divide a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PromptName(String);

impl PromptName {
    /// The prompt of a message that names none.
    pub const DEFAULT: &'static str = "default";

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The prompt of a message that names none.
impl Default for PromptName {
    fn default() -> Self {
        Self(Self::DEFAULT.to_owned())
    }
}

impl FromStr for PromptName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_outer = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_inner = |b: u8| is_outer(b) || matches!(b, b'.' | b'_' | b'-');
        let ends = [text.bytes().next(), text.bytes().next_back()];
        let fits = text.len() <= LONGEST
            && ends.iter().all(|end| end.is_some_and(is_outer))
            && text.bytes().all(is_inner);
        if fits { Ok(Self(text.to_owned())) } else { Err(WRONG) }
    }
}

impl TryFrom<String> for PromptName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PromptName> for String {
    fn from(name: PromptName) -> Self {
        name.0
    }
}

impl FromField for PromptName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl fmt::Display for PromptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_letters_or_digits_at_both_ends() {
        let longest = "a".repeat(64);
        for good in ["a", "0", "default", "excel.formula", "a-b_c.d", "9lives", &longest] {
            assert_eq!(good.parse::<PromptName>().map(String::from), Ok(good.to_owned()));
        }
        let long = "a".repeat(65);
        for bad in ["", ".a", "a.", "-a", "a_", "A", "a/b", "a%2fb", "a b", "ä", "a@b", &long] {
            assert_eq!(bad.parse::<PromptName>(), Err(WRONG), "{bad}");
        }
    }
}
