//! Texts that identify an account: usernames, email addresses and names.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization as _;

use crate::input::{FromField, RawValue};

/// A username: 3 to 30 of `[A-Za-z0-9_]`, unique without regard to case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Username(String);

/// An email address that SES can send to, unique without regard to case. The local part is ASCII
/// (RFC 5321), and the domain name is kept in lower-case A-labels (RFC 5890).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email(String);

/// The username or email with which a user signs in: 1 to 254 characters, without regard to case.
/// The error does not say whether it could be a username.
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
        self.0.to_ascii_lowercase()
    }

    /// The folded form with the domain in Unicode, where that differs. Before domains were kept in
    /// A-labels, accounts claimed their address in this form, and they keep that unique name.
    pub fn folded_unicode(&self) -> Option<String> {
        let folded = self.folded();
        let (local, domain) = folded.rsplit_once('@')?;
        let domain = unicode_domain(domain);
        (!domain.is_ascii()).then(|| format!("{local}@{domain}"))
    }
}

/// A domain name in lower-case A-labels (UTS #46). A name that the mapping changes in more than
/// case is refused, because it only looks like the name that it becomes.
fn ascii_domain(domain: &str) -> Option<String> {
    let ascii = Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .ok()?;
    // U+212A KELVIN SIGN has the lower case `k`, so that the normal form is compared first.
    let is_kept =
        || domain.nfkc().eq(domain.chars()) && unicode_domain(&ascii) == domain.to_lowercase();
    (domain.is_ascii() || is_kept()).then(|| ascii.into_owned())
}

fn unicode_domain(ascii: &str) -> String {
    Uts46::new()
        .to_unicode(ascii.as_bytes(), AsciiDenyList::STD3, Hyphens::CheckFirstLast)
        .0
        .into_owned()
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
        const WRONG: &str = "must be an email address like name@example.com, with ASCII \
                             characters alone before the @";
        // A domain name has at most 253 characters of at most four bytes.
        let parts =
            text.rsplit_once('@').filter(|(local, _)| local.is_ascii() && text.len() <= 1024);
        let (local, domain) = parts.ok_or(WRONG)?;
        let address = format!("{local}@{}", ascii_domain(domain).ok_or(WRONG)?);
        let options =
            Options::default().with_required_tld().without_domain_literal().without_display_text();
        let valid = address.len() <= 254
            && !local.contains(['"', ' '])
            && EmailAddress::parse_with_options(&address, options).is_ok();
        if valid { Ok(Self(address)) } else { Err(WRONG) }
    }
}

impl FromStr for Identifier {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        if !(1..=254).contains(&trimmed.chars().count()) {
            return Err("must be 1 to 254 characters");
        }
        // A text that is no address by today's rules may be the username, or the address from
        // earlier, of an account.
        Ok(Self(
            trimmed
                .parse::<Email>()
                .map_or_else(|_| trimmed.to_lowercase(), |email| email.folded()),
        ))
    }
}

impl FromStr for FullName {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.chars().any(char::is_control) {
            return Err("must not contain control characters");
        }
        let trimmed = text.trim();
        if !(1..=100).contains(&trimmed.chars().count()) {
            return Err("must be 1 to 100 characters");
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

        impl FromField for $name {
            fn read(raw: &RawValue<'_>) -> Result<Self, String> {
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
        check::<Username>(
            &["abc", "A_1", &"a".repeat(30)],
            &["", "ab", &"a".repeat(31), "a b", "ab-c", "äbc", "a@b", "abc\n"],
        );
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
    fn an_address_has_one_form() {
        for (text, kept) in [
            ("Anna.B@EXAMPLE.com", "Anna.B@example.com"),
            ("anna@bücher.example", "anna@xn--bcher-kva.example"),
            ("anna@BÜCHER.example", "anna@xn--bcher-kva.example"),
            ("anna@XN--BCHER-KVA.example", "anna@xn--bcher-kva.example"),
            ("anna@straße.example", "anna@xn--strae-oqa.example"),
        ] {
            assert_eq!(text.parse::<Email>().unwrap().to_string(), kept, "{text}");
        }
        check::<Email>(
            &[],
            &[
                "müller@example.com",
                // Each only looks like another: U+212A KELVIN SIGN, full-width letters, an umlaut
                // in two characters, a soft hyphen, an ideographic full stop.
                "\u{212a}im@example.com",
                "kim@\u{212a}iwi.example",
                "kim@ｋiwi.example",
                "kim@bu\u{308}cher.example",
                "kim@ki\u{ad}wi.example",
                "kim@kiwi\u{3002}example",
                "kim@xn--kiwi-.example",
                "kim@-kiwi.example",
                "kim@ki_wi.example",
            ],
        );
        let email: Email = "Anna@bücher.example".parse().unwrap();
        assert_eq!(
            (email.folded().as_str(), email.folded_unicode().as_deref()),
            ("anna@xn--bcher-kva.example", Some("anna@bücher.example"))
        );
        assert_eq!("anna@example.com".parse::<Email>().unwrap().folded_unicode(), None);
        assert_eq!(
            "ANNA@Bücher.example".parse::<Identifier>().unwrap().as_str(),
            "anna@xn--bcher-kva.example"
        );
        assert_eq!(
            "Müller@Example.com".parse::<Identifier>().unwrap().as_str(),
            "müller@example.com"
        );
    }

    #[test]
    fn full_names_are_for_people() {
        check::<FullName>(
            &["Ann", "Åsa Öberg", "李小龍", " trimmed "],
            &["", "   ", "a\nb", &"a".repeat(101)],
        );
    }
}
