//! The hash of new passwords, and the check of a given password against a stored hash of any kind.

use platform::ConfigError;
use platform::config::{Config, invalid};

use super::Password;
use super::argon2::{self, HashError};
use super::bcrypt::Bcrypt;
use super::stored::{Stored, Work};

/// The setting `PASSWORD_HASHER`. Hashing takes tens of milliseconds of CPU, so it is done off the
/// async thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hasher {
    /// Argon2id, m=19456 KiB, t=2, p=1 (OWASP); a PHC string.
    Argon2id,
    /// bcrypt of cost 12 over an HMAC of the password.
    Bcrypt,
}

/// Result of the check of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    /// Whether it is the password.
    pub matches: bool,
    /// Whether its hash is weaker than what the setting asks for now, or of another kind.
    pub outdated: bool,
    /// The work that the check took.
    pub work: Work,
}

impl Hasher {
    /// The setting; Argon2id where there is none.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        const NAME: &str = "PASSWORD_HASHER";
        match config.get(NAME) {
            Some("argon2id") | None => Ok(Self::Argon2id),
            Some("bcrypt") => Ok(Self::Bcrypt),
            Some(other) => Err(invalid(NAME, other, "it must be `argon2id` or `bcrypt`")),
        }
    }

    /// The hash of a new password.
    pub async fn hash(self, password: &Password) -> Result<String, HashError> {
        let password = password.clone();
        off_thread(move || match self {
            Self::Argon2id => argon2::hash(&password),
            Self::Bcrypt => Ok(Bcrypt::hash(&password).to_string()),
        })
        .await
    }

    /// Checks a password against the hash of an account. Where there is no such account, it
    /// computes as much as for an account whose hash is what the setting asks for. A hash of
    /// another kind takes what that kind takes, until the account's next login replaces it.
    pub async fn check(
        self,
        password: &Password,
        stored: Option<&str>,
    ) -> Result<Check, HashError> {
        let password = password.clone();
        let stored = stored.map(str::to_owned);
        let check = off_thread(move || {
            let found = stored.and_then(|text| {
                let found = Stored::parse(&text);
                if found.is_none() {
                    tracing::error!(
                        "failed to parse the password hash of an account: it matches no password"
                    );
                }
                found
            });
            let known = found.is_some();
            let hash = found.or_else(|| Stored::parse(self.nobody())).ok_or(HashError)?;
            Ok(Check {
                matches: hash.matches(&password)? && known,
                outdated: !self.is_met_by(&hash),
                work: hash.work(),
            })
        });
        let check = check.await?;
        tracing::debug!(work = ?check.work, "a password was checked");
        Ok(check)
    }

    /// Whether a hash is at least what the setting asks for. A hash of another kind is not, however
    /// strong. An operator who chooses a kind wants the passwords hashed so. And only accounts of
    /// that kind take the same time as no account.
    fn is_met_by(self, stored: &Stored) -> bool {
        match (self, stored) {
            (Self::Argon2id, Stored::Argon2 { hash, params }) => argon2::is_current(hash, params),
            (Self::Bcrypt, Stored::Bcrypt(bcrypt)) => bcrypt.is_current(),
            _ => false,
        }
    }

    /// A hash of no account, to be computed where there is no account.
    fn nobody(self) -> &'static str {
        match self {
            Self::Argon2id => {
                "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$b6J2Xj7bqd2hZ3G2pXz6c0Ckyo2sQO1j3Zr1u5i8x0E"
            }
            Self::Bcrypt => {
                "$bcrypt-hmac-sha384$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234"
            }
        }
    }
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
) -> Result<T, HashError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| HashError)?
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARGON2ID: Work = Work::Argon2 { memory_kib: 19_456, passes: 2, lanes: 1 };
    const BCRYPT: Work = Work::Bcrypt { cost: 12 };

    #[tokio::test]
    async fn a_hash_verifies_its_password_only() {
        for (hasher, form) in [
            (Hasher::Argon2id, "$argon2id$v=19$m=19456,t=2,p=1$"),
            (Hasher::Bcrypt, "$bcrypt-hmac-sha384$2b$12$"),
        ] {
            let hash = hasher.hash(&Password::new("Caf\u{e9}-2026!")).await.unwrap();
            assert!(hash.starts_with(form), "{hash}");
            for (text, matches) in [
                ("Caf\u{e9}-2026!", true),
                // The same text composed otherwise.
                ("Cafe\u{301}-2026!", true),
                ("Cafe-2026!", false),
                ("Caf\u{e9}-2026! ", false),
                ("", false),
            ] {
                assert_eq!(
                    hasher.check(&Password::new(text), Some(&hash)).await.unwrap().matches,
                    matches,
                    "{text:?} of {hash}"
                );
            }
            assert_ne!(
                hasher.hash(&Password::new("Caf\u{e9}-2026!")).await.unwrap(),
                hash,
                "salted"
            );
        }
    }

    #[tokio::test]
    async fn nothing_of_a_long_password_is_cut() {
        let long = "aB3$5678".repeat(16);
        let longer = format!("{}x", "aB3$5678".repeat(16));
        for hasher in [Hasher::Argon2id, Hasher::Bcrypt] {
            let hash = hasher.hash(&Password::new(&long)).await.unwrap();
            assert!(hasher.check(&Password::new(&long), Some(&hash)).await.unwrap().matches);
            assert!(!hasher.check(&Password::new(&longer), Some(&hash)).await.unwrap().matches);
        }
    }

    #[tokio::test]
    async fn as_much_is_computed_for_nobody_as_for_somebody() {
        for (hasher, work) in [(Hasher::Argon2id, ARGON2ID), (Hasher::Bcrypt, BCRYPT)] {
            let right = Password::new("Correct-Horse-9");
            let wrong = Password::new("Wrong-Horse-9");
            let hash = hasher.hash(&right).await.unwrap();
            for (password, stored, matches) in [
                (&right, Some(hash.as_str()), true),
                (&wrong, Some(&hash), false),
                (&right, None, false),
                // A defect of the table: it lets no user in, and the check does not tell either.
                (&right, Some("nonsense"), false),
                (&right, Some(""), false),
            ] {
                let check = hasher.check(password, stored).await.unwrap();
                assert_eq!(check, Check { matches, outdated: false, work }, "{stored:?}");
            }
        }
    }

    #[test]
    fn imported_hashes_verify_and_the_weaker_ones_are_told() {
        // The vectors of Argon2's reference implementation, and of crypt_blowfish (which it has
        // under `$2a$`).
        let argon2 = |text: &str| format!("$argon2{text}");
        let ignored = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
        for (hash, text, current) in [
            (
                argon2(
                    "i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
                ),
                "password",
                false,
            ),
            (
                argon2("i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"),
                "password",
                false,
            ),
            (
                argon2(
                    "id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
                ),
                "password",
                false,
            ),
            (
                argon2(
                    "id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
                ),
                "password",
                true,
            ),
            (
                "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(),
                "U*U",
                false,
            ),
            (
                "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a".to_owned(),
                "U*U*U",
                false,
            ),
            (
                "$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
                ignored,
                false,
            ),
            (
                "$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(),
                &ignored[..72],
                false,
            ),
        ] {
            let stored = Stored::parse(&hash).unwrap_or_else(|| panic!("{hash} is not understood"));
            assert!(stored.matches(&Password::new(text)).unwrap(), "{hash}");
            assert!(!stored.matches(&Password::new("other")).unwrap(), "{hash}");
            assert_eq!(Hasher::Argon2id.is_met_by(&stored), current, "{hash}");
            assert!(!Hasher::Bcrypt.is_met_by(&stored), "{hash}");
        }
    }

    #[test]
    fn the_setting_is_read_or_refused() {
        let read =
            |text: &str| Hasher::from_config(&Config::from_iter([("PASSWORD_HASHER", text)]));
        assert_eq!(read("").unwrap(), Hasher::Argon2id);
        assert_eq!(read("argon2id").unwrap(), Hasher::Argon2id);
        assert_eq!(read("bcrypt").unwrap(), Hasher::Bcrypt);
        assert!(read("md5").is_err());
    }
}
