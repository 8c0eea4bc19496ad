//! The key of a user, and the encryption of one text under it.
//!
//! A text is AES-256-GCM (NIST SP 800-38D) as a whole: a random nonce of 12 bytes, the ciphertext,
//! and the tag of 16 bytes. The associated data are the UTF-8 bytes of `<event id>#<name>`, as in
//! `019a0000-0000-7000-8000-000000000000#prompt`. The id has 36 characters, so no two pairs have
//! the same bytes. A text that is moved to another event or name does not open there.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use crate::error::TextError;

/// Bytes of a data key.
pub const KEY_BYTES: usize = 32;

/// The bytes of a data key, which are wiped when they are dropped.
pub type PlainKey = Zeroizing<[u8; KEY_BYTES]>;

/// The data key of a user.
pub struct DataKey {
    id: String,
    plain: PlainKey,
}

platform::opaque!(DataKey);

impl DataKey {
    /// The key with this id.
    pub fn new(id: String, plain: PlainKey) -> Self {
        Self { id, plain }
    }

    /// Its id. Events name the key by it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Encrypts a text of an event: nonce, ciphertext and tag.
    pub fn seal(&self, event_id: &str, name: &str, text: &str) -> Result<Vec<u8>, TextError> {
        let cipher = self.cipher().ok_or(TextError::Cipher)?;
        let mut rest = text.as_bytes().to_vec();
        let nonce = cipher
            .seal_in_place_append_tag(Aad::from(binding(event_id, name)), &mut rest)
            .map_err(|_| TextError::Cipher)?;
        Ok([&nonce.as_ref()[..], &rest].concat())
    }

    /// Decrypts a text of an event. `None` if it is not the text that was encrypted for this event
    /// and name under this key.
    pub fn open(&self, event_id: &str, name: &str, mut sealed: Vec<u8>) -> Option<String> {
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let binding = Aad::from(binding(event_id, name));
        let text = self.cipher()?.open_in_place(nonce, binding, rest).ok()?;
        String::from_utf8(text.to_vec()).ok()
    }

    fn cipher(&self) -> Option<RandomizedNonceKey> {
        RandomizedNonceKey::new(&AES_256_GCM, self.plain.as_slice()).ok()
    }
}

/// The associated data of a text.
fn binding(event_id: &str, name: &str) -> String {
    format!("{event_id}#{name}")
}

#[cfg(test)]
impl DataKey {
    /// A key of this byte alone.
    pub fn of(byte: u8) -> Self {
        Self::new(format!("k-{byte}"), Zeroizing::new([byte; KEY_BYTES]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = "019a0000-0000-7000-8000-000000000001";
    const OTHER: &str = "019a0000-0000-7000-8000-000000000002";

    #[test]
    fn a_text_opens_for_its_event_name_and_key_alone() {
        for text in ["", "a", "€ 👩‍👩‍👧 \u{0}\n", &"x".repeat(400_000)] {
            let sealed = DataKey::of(1).seal(EVENT, "prompt", text).unwrap();
            assert_eq!(sealed.len(), text.len() + 28);
            for (byte, event, name, opens) in [
                (1, EVENT, "prompt", true),
                (2, EVENT, "prompt", false),
                (1, OTHER, "prompt", false),
                (1, EVENT, "reply", false),
                (1, EVENT, "prompt#", false),
                (1, "", "prompt", false),
            ] {
                let opened = DataKey::of(byte).open(event, name, sealed.clone());
                assert_eq!(opened.as_deref(), opens.then_some(text), "{byte} {event} {name}");
            }
        }
    }

    #[test]
    fn an_altered_text_does_not_open() {
        let sealed = DataKey::of(1).seal(EVENT, "reply", "Alpha made 12").unwrap();
        let open = |altered: Vec<u8>| DataKey::of(1).open(EVENT, "reply", altered);
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(open(altered), None, "byte {at}");
            assert_eq!(open(sealed[..at].to_vec()), None, "cut to {at} bytes");
        }
        assert_eq!(open(sealed[1..].to_vec()), None);
        assert_eq!(open([&sealed[..], b"x"].concat()), None);
    }

    #[test]
    fn one_text_is_never_encrypted_to_the_same_bytes_twice() {
        let seal = || DataKey::of(1).seal(EVENT, "reply", "Alpha").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_key_prints_nothing_of_itself() {
        assert_eq!(format!("{:?}", DataKey::of(7)), "DataKey");
    }
}
