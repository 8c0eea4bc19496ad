//! bcrypt: our hashes, over an HMAC of the password, and plain ones of other systems.

use std::fmt;

use ::bcrypt::BASE_64;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{NO_PAD, STANDARD};
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use platform::ids;

use super::Password;

/// Binary logarithm of the rounds of a new hash.
const COST: u32 = 12;

/// The most that an imported hash may ask for: four seconds of a full CPU.
const MOST_COST: u32 = 16;

/// bcrypt looks at 72 bytes of a password and, in some implementations, not beyond a NUL.
const LONGEST: usize = 72;

/// The text before `$2b$…` in a hash of ours. Without it a stolen HMAC would do as a password of a
/// plain hash.
const TAG: &str = "$bcrypt-hmac-sha384";

/// Key of the HMAC. It is no secret. It keeps our inputs to bcrypt apart from those of other
/// systems. So an attacker who finds SHA-384 hashes of passwords in another system's breach cannot
/// try them here without cracking them first.
const CONTEXT: &[u8] = b"tally password, bcrypt input, version 1";

/// Other implementations leave bits in the last characters that mean nothing.
const LENIENT: GeneralPurpose = GeneralPurpose::new(&BCRYPT, NO_PAD_LENIENT);
const NO_PAD_LENIENT: GeneralPurposeConfig = NO_PAD.with_decode_allow_trailing_bits(true);

/// A bcrypt hash. Its text is `$2b$<cost>$<salt><hash>`, with the tag before it if it is ours.
pub(super) struct Bcrypt {
    ours: bool,
    cost: u32,
    salt: [u8; 16],
    output: [u8; 23],
}

impl Bcrypt {
    /// The hash of a new password.
    pub(super) fn hash(password: &Password) -> Self {
        let salt = ids::random();
        Self { ours: true, cost: COST, salt, output: compute(COST, salt, &digest(password)) }
    }

    /// Reads `$2a$`, `$2b$`, `$2y$` and ours. `$2x$` marks hashes of an implementation with a
    /// defect: it is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (ours, plain) = text.strip_prefix(TAG).map_or((false, text), |plain| (true, plain));
        let mut parts = plain.split('$');
        let (Some(""), Some("2a" | "2b" | "2y"), Some(cost), Some(rest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        let cost =
            cost.parse().ok().filter(|cost| (4..=MOST_COST).contains(cost) && plain.len() == 60)?;
        let (salt, output) = rest.split_at_checked(22)?;
        let bytes = |text: &str| LENIENT.decode(text).ok();
        Some(Self {
            ours,
            cost,
            salt: bytes(salt)?.try_into().ok()?,
            output: bytes(output)?.try_into().ok()?,
        })
    }

    /// Whether this is the hash of a password.
    pub(super) fn matches(&self, password: &Password) -> bool {
        let typed = password.typed.as_bytes();
        let key = if self.ours { digest(password) } else { typed.to_vec() };
        let same =
            verify_slices_are_equal(&compute(self.cost, self.salt, &key), &self.output).is_ok();
        // To bcrypt, `a`, `a NUL a`, `a NUL a NUL a` are one password.
        same && (self.ours || !typed.contains(&0))
    }

    /// Binary logarithm of its rounds.
    pub(super) fn cost(&self) -> u32 {
        self.cost
    }

    /// Whether it is as strong as a new one.
    pub(super) fn is_current(&self) -> bool {
        self.ours && self.cost >= COST
    }
}

impl fmt::Display for Bcrypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = if self.ours { TAG } else { "" };
        write!(
            f,
            "{tag}$2b${:02}${}{}",
            self.cost,
            BASE_64.encode(self.salt),
            BASE_64.encode(self.output)
        )
    }
}

/// 64 characters without a NUL that stand for the whole password.
fn digest(password: &Password) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA384, CONTEXT);
    STANDARD.encode(hmac::sign(&key, password.normal.as_bytes())).into_bytes()
}

/// The password as C has it, with its NUL, if that is still among the first 72 bytes.
fn compute(cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let key: Vec<u8> = password.iter().copied().chain([0]).take(LONGEST).collect();
    let mut output = [0; 23];
    // The 24th byte is not part of the hash, by a mistake of the first implementation that all
    // others have kept.
    output.copy_from_slice(&::bcrypt::bcrypt(cost, salt, &key)[..23]);
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = Bcrypt::hash(&Password::new("Correct-Horse-9"));
        let text = hash.to_string();
        let read = Bcrypt::parse(&text).unwrap();
        assert!(read.ours && read.is_current() && read.to_string() == text, "{text}");
        // Bits that mean nothing: the last character of a salt has two that count.
        assert_eq!(
            Bcrypt::parse(&PLAIN.replace("CC.E5", "CC/E5")).unwrap().salt,
            Bcrypt::parse(PLAIN).unwrap().salt
        );
    }

    #[test]
    fn ours_and_plain_ones_are_not_taken_for_each_other() {
        let password = Password::new("Correct-Horse-9");
        let ours = Bcrypt::hash(&password).to_string();
        let digest = String::from_utf8(digest(&password)).unwrap();
        let plain = ours.strip_prefix(TAG).unwrap();
        assert!(!Bcrypt::parse(&ours).unwrap().matches(&Password::new(&digest)));
        assert!(!Bcrypt::parse(plain).unwrap().matches(&password));
        assert!(!Bcrypt::parse(&format!("{TAG}{PLAIN}")).unwrap().matches(&Password::new("U*U")));
    }

    #[test]
    fn a_plain_hash_is_of_what_was_typed() {
        // "²" is "2" once it is normalised, and the system that made the hash did not.
        let typed = Password::new("U*²");
        let hash = Bcrypt {
            ours: false,
            cost: 4,
            salt: [7; 16],
            output: compute(4, [7; 16], "U*²".as_bytes()),
        };
        assert!(hash.matches(&typed) && !hash.matches(&Password::new("U*2")));
        let hash = Bcrypt::parse(PLAIN).unwrap();
        for text in ["U*U\0U*U", "U*U\0", "U*U\0U*U\0U*U", "\0"] {
            assert!(!hash.matches(&Password::new(text)), "{text:?}");
        }
    }

    #[test]
    fn other_texts_are_no_hashes() {
        for text in [
            &PLAIN[1..],
            &PLAIN[..59],
            &format!("{PLAIN}x"),
            &PLAIN.replace("$2a$", "$2x$"),
            &PLAIN.replace("$05$", "$03$"),
            &PLAIN.replace("$05$", "$17$"),
            &PLAIN.replace("E5YPO", "E5é!O"),
            &format!("{TAG}{TAG}{PLAIN}"),
            TAG,
        ] {
            assert!(Bcrypt::parse(text).is_none(), "{text}");
        }
    }
}
