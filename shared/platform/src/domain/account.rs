//! What identifies an account.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};

use crate::http::{Field, Raw};

/// A username: 3 to 30 of `[A-Za-z0-9_]`, unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// An email address (RFC 5321) with a domain name, unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// What someone signs in as: 1 to 254 characters, without regard to case. Whether it could be a username is not said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identifier(String);

/// A name for people: 1 to 100 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullName(String);

impl Username {
    /// The form in which two usernames are compared.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Email {
    /// The form in which two addresses are compared.
    pub fn folded(&self) -> String {
        self.0.to_lowercase()
    }
}

impl Identifier {
    /// In the form in which usernames and emails are compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !(3..=30).contains(&text.chars().count()) {
            return Err("must be 3 to 30 characters");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            return Err("must be letters A-Z, digits and underscores only");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let valid = text.len() <= 254 && !text.contains(['"', ' ']) && EmailAddress::parse_with_options(text, options).is_ok();
        if valid { Ok(Self(text.to_owned())) } else { Err("must be an email address like name@example.com") }
    }
}

impl FromStr for Identifier {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if !(1..=254).contains(&trimmed.chars().count()) {
            return Err("must be 1 to 254 characters");
        }
        Ok(Self(trimmed.to_lowercase()))
    }
}

impl FromStr for FullName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if !(1..=100).contains(&trimmed.chars().count()) {
            return Err("must be 1 to 100 characters");
        }
        if trimmed.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        Ok(Self(trimmed.to_owned()))
    }
}

macro_rules! text {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Field for $name {
            fn read(raw: &Raw<'_>) -> Result<Self, String> {
                raw.text()?.parse().map_err(str::to_owned)
            }
        }
    )*};
}
text!(Username, Email, Identifier, FullName);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check<T: FromStr>(valid: &[&str], invalid: &[&str]) {
        for text in valid {
            assert!(text.parse::<T>().is_ok(), "{text:?} was refused");
        }
        for text in invalid {
            assert!(text.parse::<T>().is_err(), "{text:?} was taken");
        }
    }

    #[test]
    fn usernames_are_plain() {
        check::<Username>(&["abc", "A_1", &"a".repeat(30)], &["", "ab", &"a".repeat(31), "a b", "ab-c", "äbc", "a@b", "abc\n"]);
    }

    #[test]
    fn emails_are_addresses_with_a_domain_name() {
        check::<Email>(
            &["a@example.com", "first.last+tag@sub.example.co.uk", "o'neil@example.com"],
            &[
                "",
                "a",
                "a@",
                "@b.com",
                "a@b",
                "a b@example.com",
                "a@example.com ",
                "Ann <a@example.com>",
                "a@[127.0.0.1]",
                "a@@example.com",
                "\"a b\"@example.com",
            ],
        );
        assert!(format!("{}@example.com", "a".repeat(300)).parse::<Email>().is_err());
    }

    #[test]
    fn full_names_are_for_people() {
        check::<FullName>(&["Ann", "Åsa Öberg", "李小龍", " trimmed "], &["", "   ", "a\nb", &"a".repeat(101)]);
    }
}
