//! Hashes as accounts have them: ours of either kind, and those that were imported.

use ::argon2::password_hash::phc::PasswordHash;
use ::argon2::{Algorithm, Params, Version};

use super::Password;
use super::argon2::{self, HashError};
use super::bcrypt::Bcrypt;

/// The most that an imported Argon2 hash may ask for: four seconds of a full CPU, and a fraction of
/// a function's memory.
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
        let bearable = params.m_cost() <= MOST_MEMORY_KIB
            && params.t_cost() <= MOST_PASSES
            && params.p_cost() <= MOST_LANES;
        // Hashes from before Argon2 had a second version do not say that they are of the first.
        let version = hash.version.or(Some(Version::V0x10.into()));
        let hash = Box::new(PasswordHash { version, ..hash });
        (bearable && hash.salt.is_some() && hash.hash.is_some())
            .then_some(Self::Argon2 { hash, params })
    }

    /// Whether this is the hash of a password.
    pub(super) fn matches(&self, password: &Password) -> Result<bool, HashError> {
        match self {
            Self::Argon2 { hash, params } => argon2::matches(hash, params, password),
            Self::Bcrypt(bcrypt) => Ok(bcrypt.matches(password)),
        }
    }

    /// The work of checking a password against it.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::Argon2 { params, .. } => Work::Argon2 {
                memory_kib: params.m_cost(),
                passes: params.t_cost(),
                lanes: params.p_cost(),
            },
            Self::Bcrypt(bcrypt) => Work::Bcrypt { cost: bcrypt.cost() },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
