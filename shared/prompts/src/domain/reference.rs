//! A reference to a version of a prompt.

use std::fmt;
use std::str::FromStr;

use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};

use super::label::Label;
use super::name::{self, PromptName};
use super::version_number::VersionNumber;

/// The phrase for a text that is no reference.
const WRONG: &str = "must be the name of a prompt, name@label or name@number";

/// A reference: `name`, `name@label` or `name@7`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PromptRef {
    /// The prompt.
    pub name: PromptName,
    /// The version of it. Without one, it is the version that replies use.
    pub which: Option<Which>,
}

/// The version that a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one to which a label points.
    Label(Label),
    /// The one with this number. 0 is the one that is built in.
    Number(u32),
}

impl From<PromptName> for PromptRef {
    fn from(name: PromptName) -> Self {
        Self { name, which: None }
    }
}

impl FromStr for Which {
    type Err = &'static str;

    /// Reads what stands behind the `@`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_number =
            text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
        match text.parse() {
            Ok(number) if is_number && number <= VersionNumber::LARGEST => Ok(Self::Number(number)),
            _ => text.parse().map(Self::Label).map_err(|_: &str| WRONG),
        }
    }
}

impl FromStr for PromptRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, which) = match text.split_once('@') {
            Some((name, which)) => (name, Some(which.parse()?)),
            None => (text, None),
        };
        Ok(Self { name: name.parse().map_err(|_: &str| name::WRONG)?, which })
    }
}

impl TryFrom<String> for PromptRef {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PromptRef> for String {
    fn from(reference: PromptRef) -> Self {
        reference.to_string()
    }
}

impl FromField for PromptRef {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.parse().map_err(str::to_owned)
    }
}

impl fmt::Display for PromptRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, which } = self;
        match which {
            None => write!(f, "{name}"),
            Some(Which::Label(label)) => write!(f, "{name}@{label}"),
            Some(Which::Number(number)) => write!(f, "{name}@{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_a_name_alone_or_with_a_label_or_a_number() {
        for (text, which) in [
            ("default", None),
            ("default@production", Some(Which::Label("production".parse().unwrap()))),
            ("excel.formula@staging", Some(Which::Label("staging".parse().unwrap()))),
            ("default@0", Some(Which::Number(0))),
            ("default@7", Some(Which::Number(7))),
            ("default@999999999", Some(Which::Number(999_999_999))),
        ] {
            let found: PromptRef = text.parse().unwrap();
            assert_eq!((&found.which, found.to_string().as_str()), (&which, text));
        }
        for bad in [
            "",
            "@7",
            "a@",
            "a@07",
            "a@-1",
            "a@latest",
            "a@1000000000",
            "a@b@c",
            "You are a pirate.",
            "a/b",
        ] {
            assert!(bad.parse::<PromptRef>().is_err(), "{bad}");
        }
    }
}
