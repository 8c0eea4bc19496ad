//! Hashes as accounts have them: ours of either kind, and those that were imported.

use ::argon2::password_hash::phc::PasswordHash;
use ::argon2::{Algorithm, Params, Version};

use super::bcrypt::Bcrypt;
use super::{HashError, Hasher, Password, argon2};

/// The most that an imported Argon2 hash may ask for: four seconds of a full CPU, and a fraction of a function's memory.
const MOST_MEMORY_KIB: u32 = 256 * 1024;
const MOST_PASSES: u32 = 16;
const MOST_LANES: u32 = 16;

/// A stored hash of a known kind.
pub(super) enum Stored {
    /// Any variant of Argon2, with its own parameters (PHC string format).
    Argon2 { hash: Box<PasswordHash>, params: Params },
    /// bcrypt, ours or plain.
    Bcrypt(Bcrypt),
}

/// The work that computing a hash takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Argon2's parameters.
    Argon2 {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes over it.
        passes: u32,
        /// Lanes.
        lanes: u32,
    },
    /// bcrypt's.
    Bcrypt {
        /// Binary logarithm of its rounds.
        cost: u32,
    },
}

impl Stored {
    /// Reads a hash; `None` if it is of no known kind, or asks for too much.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Some(bcrypt) = Bcrypt::parse(text) {
            return Some(Self::Bcrypt(bcrypt));
        }
        let hash = PasswordHash::new(text).ok()?;
        Algorithm::new(hash.algorithm.as_str()).ok()?;
        let params = Params::try_from(&hash).ok()?;
        let bearable = params.m_cost() <= MOST_MEMORY_KIB && params.t_cost() <= MOST_PASSES && params.p_cost() <= MOST_LANES;
        // Hashes from before Argon2 had a second version do not say that they are of the first.
        let version = hash.version.or(Some(Version::V0x10.into()));
        let hash = Box::new(PasswordHash { version, ..hash });
        (bearable && hash.salt.is_some() && hash.hash.is_some()).then_some(Self::Argon2 { hash, params })
    }

    /// Whether this is the hash of a password.
    pub(super) fn matches(&self, password: &Password) -> Result<bool, HashError> {
        match self {
            Self::Argon2 { hash, params } => argon2::matches(hash, params, password),
            Self::Bcrypt(bcrypt) => Ok(bcrypt.matches(password)),
        }
    }

    /// Whether it is at least what the setting asks for. A hash of another kind is not, however strong. An operator who
    /// chooses a kind wants the passwords hashed so. And only accounts of that kind take the same time as no account.
    pub(super) fn satisfies(&self, hasher: Hasher) -> bool {
        match (hasher, self) {
            (Hasher::Argon2id, Self::Argon2 { hash, params }) => {
                hash.algorithm == Algorithm::Argon2id.ident()
                    && hash.version == Some(Version::V0x13.into())
                    && params.m_cost() >= Params::DEFAULT_M_COST
                    && params.t_cost() >= Params::DEFAULT_T_COST
            }
            (Hasher::Bcrypt, Self::Bcrypt(bcrypt)) => bcrypt.is_current(),
            _ => false,
        }
    }

    /// The work of checking a password against it.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::Argon2 { params, .. } => Work::Argon2 { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() },
            Self::Bcrypt(bcrypt) => Work::Bcrypt { cost: bcrypt.cost() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_hashes_verify_and_the_weaker_ones_are_told() {
        // The vectors of Argon2's reference implementation, and of crypt_blowfish (which it has under `$2a$`).
        let argon2 = |text: &str| format!("$argon2{text}");
        let ignored = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789chars after 72 are ignored";
        for (hash, text, current) in [
            (argon2("i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA"), "password", false),
            (argon2("i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ"), "password", false),
            (argon2("id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc"), "password", false),
            (argon2("id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"), "password", true),
            ("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW".to_owned(), "U*U", false),
            ("$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a".to_owned(), "U*U*U", false),
            ("$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(), ignored, false),
            ("$2y$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui".to_owned(), &ignored[..72], false),
        ] {
            let stored = Stored::parse(&hash).unwrap_or_else(|| panic!("{hash} is not understood"));
            assert!(stored.matches(&Password::new(text)).unwrap(), "{hash}");
            assert!(!stored.matches(&Password::new("other")).unwrap(), "{hash}");
            assert_eq!(stored.satisfies(Hasher::Argon2id), current, "{hash}");
            assert!(!stored.satisfies(Hasher::Bcrypt), "{hash}");
        }
    }

    #[test]
    fn what_is_not_understood_or_not_bearable_is_no_hash() {
        let salt_and_hash = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        for text in [
            String::new(),
            "password".to_owned(),
            "$1$salt$qJH7.N4xYta3aEG/dfqo/0".to_owned(),
            "$argon2id$v=19$m=65536,t=2,p=1".to_owned(),
            format!("$argon2x$v=19$m=65536,t=2,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=262145,t=1,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=65536,t=17,p=1${salt_and_hash}"),
            format!("$argon2id$v=19$m=65536,t=1,p=17${salt_and_hash}"),
            format!("$argon2id$v=19$m=4294967295,t=4294967295,p=1${salt_and_hash}"),
        ] {
            assert!(Stored::parse(&text).is_none(), "{text}");
        }
    }
}
