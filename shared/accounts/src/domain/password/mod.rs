//! Passwords: the rules for a new one, its hash, and the check of a given one.

mod argon2;
mod bcrypt;
mod common;
mod hasher;
mod stored;

pub use self::argon2::HashError;
pub use hasher::{Check, Hasher};
pub use stored::Work;

use platform::domain::Username;
use platform::input::{FromField, RawValue};
use unicode_normalization::UnicodeNormalization as _;

/// A password. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password {
    /// In Unicode normalisation form KC (NIST SP 800-63B section 3.1.1.2): the form that is judged
    /// and hashed.
    normal: String,
    /// As it was typed: the form that other systems have hashed.
    typed: String,
}

platform::opaque!(Password);

/// Any text up to 1,024 characters can be tried as a password; only a new one has to follow the
/// rules.
impl FromField for Password {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > 1024 {
            return Err("must be at most 1,024 characters".into());
        }
        Ok(Self::new(text))
    }
}

impl Password {
    /// The password that a text stands for.
    pub fn new(text: &str) -> Self {
        Self { normal: text.nfkc().collect(), typed: text.to_owned() }
    }

    /// Why this must not become a password of `username`, if there is a reason.
    pub fn objection(&self, username: Option<&Username>) -> Option<&'static str> {
        let text = &self.normal;
        if !(8..=128).contains(&text.chars().count()) {
            return Some("must be 8 to 128 characters");
        }
        let classes: [fn(char) -> bool; 4] =
            [char::is_lowercase, char::is_uppercase, |c| c.is_numeric(), |c| !c.is_alphanumeric()];
        if !classes.iter().all(|class| text.chars().any(class)) {
            return Some(
                "must contain a lower-case letter, an upper-case letter, a digit and a special \
                 character",
            );
        }
        if common::is_common(text) {
            return Some("is one of the passwords that attackers try first; choose another");
        }
        if username.is_some_and(|username| text.to_lowercase().contains(&username.folded())) {
            return Some("must not contain the username");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_password_has_to_follow_the_rules() {
        let username = "anna_b".parse().unwrap();
        for (text, objection) in [
            ("SecureDemo123!", None),
            ("Пароль-2026", None),
            ("aB3$567", Some("8 to 128")),
            ("alllower1!", Some("upper-case")),
            ("ALLUPPER1!", Some("lower-case")),
            ("NoDigits!!", Some("digit")),
            ("NoSpecial1", Some("special")),
            ("P@ssw0rd", Some("attackers try first")),
            ("PASSword1!", Some("attackers try first")),
            // Full-width: it is the same password once it is normalised.
            ("Ｐａｓｓｗｏｒｄ１！", Some("attackers try first")),
            ("xAnna_B99!x", Some("username")),
        ] {
            let found = Password::new(text).objection(Some(&username));
            assert_eq!(found.is_some(), objection.is_some(), "{text}: {found:?}");
            assert!(
                found.unwrap_or_default().contains(objection.unwrap_or_default()),
                "{text}: {found:?}"
            );
        }
        assert_eq!(Password::new(&format!("aB3$5678{}", "é".repeat(120))).objection(None), None);
        assert!(Password::new(&format!("aB3$5678{}", "é".repeat(121))).objection(None).is_some());
    }

    #[test]
    fn an_attempt_is_any_text_of_a_bearable_length() {
        assert!(Password::read(&RawValue::Text("")).is_ok());
        assert!(Password::read(&RawValue::Text(&"é".repeat(1024))).is_ok());
        assert!(Password::read(&RawValue::Text(&"é".repeat(1025))).is_err());
    }
}
