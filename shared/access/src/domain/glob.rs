//! A pattern for the names of columns, in which `*` stands for any run of characters.

use std::fmt;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

use super::folded;
use super::name::{Name, pairs};

/// Characters of a pattern, at most.
const LONGEST: usize = 100;

/// A pattern such as `*salary*`. It matches a whole name, in the form of [`folded`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    /// As it was given.
    text: String,
    /// The texts between the stars; the first begins a name, and the last ends it.
    parts: Vec<String>,
    /// The pairs of bytes that a name has if it matches.
    pairs: u128,
}

impl Glob {
    /// Whether a name matches.
    pub fn matches(&self, name: &Name<'_>) -> bool {
        // Most names lack some pair, so few are searched.
        if self.pairs & !name.pairs != 0 {
            return false;
        }
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.first().is_some_and(|only| only == name.text);
        };
        let Some(mut rest) = name.text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some(found) = rest.find(part.as_str()) else { return false };
            rest = &rest[found + part.len()..];
        }
        rest.ends_with(last.as_str())
    }
}

impl TryFrom<String> for Glob {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.chars().count() > LONGEST {
            return Err("must be at most 100 characters");
        }
        let parts: Vec<_> = folded(&text).split('*').map(str::to_owned).collect();
        if parts.iter().all(|part| part.trim().is_empty()) {
            return Err("must have a visible character besides `*`: leave `column` out for all");
        }
        let pairs = parts.iter().fold(0, |set, part| set | pairs(part));
        Ok(Self { text, parts, pairs })
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromField for Glob {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        Self::try_from(raw.text()?.to_owned()).map_err(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_whole_names_as_they_look() {
        for (glob, name, expected) in [
            ("*salary*", "Base Salary (EUR)", true),
            ("*salary*", "SA\u{200b}LARY", true),
            ("*SALARY*", "ｓａｌａｒｙ", true),
            ("*sal\u{ad}ary*", "salary", true),
            ("*salary*", "salry", false),
            ("salary", "Salary", true),
            ("salary", "salary 2", false),
            ("salary*", "salary 2", true),
            ("salary*", "base salary", false),
            ("*salary", "base salary", true),
            ("b*s*y", "base salary", true),
            ("b*s*q*y", "base salary", false),
            ("ab*ba", "aba", false),
            ("ab*ba", "abba", true),
            ("a*a*a", "aa", false),
            ("a*a*a", "aaa", true),
            ("**a**", "a", true),
            ("* salary", "base  salary", true),
            ("* salary", "basesalary", false),
            ("straße", "STRASSE", true),
        ] {
            let pattern = Glob::try_from(glob.to_owned()).unwrap();
            let name = folded(name);
            assert_eq!(pattern.matches(&Name::new(&name)), expected, "{glob} on {name}");
            assert_eq!(pattern.to_string(), glob);
        }
    }

    #[test]
    fn a_pattern_says_something() {
        for text in ["", "*", "* *", "\u{200b}*", &"x".repeat(101)] {
            assert!(Glob::try_from(text.to_owned()).is_err(), "{text:?} was taken");
        }
    }
}
