//! Passwords: the rules for a new one, its hash, and the check of a given one.

use std::fmt;

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization as _;

use super::Username;
use crate::http::{Field, Raw};
use crate::ids;

/// Passwords that satisfy the other rules and are in every list of common ones, in lower case.
const COMMON: &str = include_str!("common-passwords.txt");

/// A password in Unicode normalisation form KC (NIST SP 800-63B section 3.1.1.2). It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Any text up to 1,024 characters can be tried as a password; only a new one has to follow the rules.
impl Field for Password {
    fn read(raw: &Raw<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if text.chars().count() > 1024 {
            return Err("must be at most 128 characters".into());
        }
        Ok(Self::new(text))
    }
}

impl Password {
    /// The password that a text stands for.
    pub fn new(text: &str) -> Self {
        Self(text.nfkc().collect())
    }

    /// Why this must not become a password of `username`, if anything speaks against it.
    pub fn objection(&self, username: Option<&Username>) -> Option<&'static str> {
        let text = &self.0;
        let folded = text.to_lowercase();
        if !(8..=128).contains(&text.chars().count()) {
            return Some("must be 8 to 128 characters");
        }
        let classes: [fn(char) -> bool; 4] = [char::is_lowercase, char::is_uppercase, |c| c.is_numeric(), |c| !c.is_alphanumeric()];
        if !classes.iter().all(|class| text.chars().any(class)) {
            return Some("must contain a lower-case letter, an upper-case letter, a digit and a special character");
        }
        if COMMON.lines().any(|common| common == folded) {
            return Some("is one of the passwords that are tried first; choose another");
        }
        if username.is_some_and(|username| folded.contains(&username.folded())) {
            return Some("must not contain the username");
        }
        None
    }

    /// Hashes with Argon2id, m=19456 KiB, t=2, p=1 (OWASP), off the async thread. The result is a PHC string.
    pub async fn hash(self) -> Result<String, HashError> {
        let salt = ids::random::<16>();
        off_thread(move || argon2().hash_password_with_salt(self.0.as_bytes(), &salt).map(|hash| hash.to_string()))
            .await?
            .map_err(|_| HashError)
    }

    /// Whether this is the password behind a PHC string, off the async thread. `None` (no such user) takes the same work.
    pub async fn verify(self, hash: Option<String>) -> Result<bool, HashError> {
        off_thread(move || {
            let known = hash.is_some();
            let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
            argon2().verify_password(self.0.as_bytes(), hash.as_str()).is_ok() && known
        })
        .await
    }
}

/// Hashing failed, which only a lack of memory does.
#[derive(Debug, thiserror::Error)]
#[error("the password could not be hashed")]
pub struct HashError;

/// A hash of a random password with today's parameters, verified against where there is no user.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$b6J2Xj7bqd2hZ3G2pXz6c0Ckyo2sQO1j3Zr1u5i8x0E";

fn argon2() -> Argon2<'static> {
    Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default())
}

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HashError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| HashError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::read(&Raw::Text(text)).unwrap()
    }

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
            ("P@ssw0rd", Some("tried first")),
            ("PASSword1!", Some("tried first")),
            ("xAnna_B99!x", Some("username")),
        ] {
            let found = password(text).objection(Some(&username));
            assert_eq!(found.is_some(), objection.is_some(), "{text}: {found:?}");
            assert!(found.unwrap_or_default().contains(objection.unwrap_or_default()), "{text}: {found:?}");
        }
        assert_eq!(password(&format!("aB3$5678{}", "é".repeat(120))).objection(None), None);
        assert!(password(&format!("aB3$5678{}", "é".repeat(121))).objection(None).is_some());
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        let hash = password("Caf\u{e9}-2026!").hash().await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        // The same text composed otherwise.
        assert!(password("Cafe\u{301}-2026!").verify(Some(hash.clone())).await.unwrap());
        assert!(!password("Cafe-2026!").verify(Some(hash)).await.unwrap());
        assert!(!password("Cafe-2026!").verify(None).await.unwrap());
        assert!(!password("Cafe-2026!").verify(Some("nonsense".into())).await.unwrap());
    }

    #[test]
    fn the_hash_of_nobody_is_well_formed() {
        let parsed = argon2::password_hash::phc::PasswordHash::new(NOBODY).unwrap();
        assert_eq!(parsed.params.get_decimal("m"), Some(19456));
        assert_eq!(parsed.hash.map(|hash| hash.len()), Some(32));
    }
}
