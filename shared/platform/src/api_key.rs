//! The text of an API key: `tly_<id>_<secret><checksum>`, all of it lower-case hexadecimal after
//! the prefix.
//!
//! The prefix and the fixed form (`tly_[0-9a-f]{32}_[0-9a-f]{56}`) let secret scanners find a
//! leaked key. With the checksum, scanners and our code recognise a real key without asking a
//! table.

use std::fmt::Write as _;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Uuid;

use crate::ids;

/// Bytes of the secret: 192 bits.
const SECRET_BYTES: usize = 24;

/// Characters of the secret and its checksum.
const TAIL: usize = SECRET_BYTES * 2 + CHECKSUM;

/// Characters of the checksum.
const CHECKSUM: usize = 8;

/// A key as its owner has it. Only its hash is stored, and it is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKeyText(String);

impl ApiKeyText {
    /// A new key with this id, which is a UUID.
    pub fn new(id: Uuid) -> Self {
        let text = format!("tly_{}_{}", id.simple(), hex(&ids::random::<SECRET_BYTES>()));
        Self(format!("{text}{}", checksum(&text)))
    }

    /// Id of the key: a UUIDv7 with hyphens.
    pub fn id(&self) -> String {
        let simple = self.0.split('_').nth(1).unwrap_or_default();
        Uuid::try_parse(simple).unwrap_or_default().to_string()
    }

    /// SHA-256 of the whole text.
    pub fn hash(&self) -> String {
        ids::sha256(&self.0)
    }

    /// The text itself, which is shown only once.
    pub fn reveal(self) -> String {
        self.0
    }
}

crate::opaque!(ApiKeyText);

impl FromStr for ApiKeyText {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (id, tail) =
            text.strip_prefix("tly_").and_then(|rest| rest.split_once('_')).ok_or(())?;
        let is_hex = |part: &str, length: usize| {
            part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        if !is_hex(id, 32) || !is_hex(tail, TAIL) {
            return Err(());
        }
        let (body, sum) = text.split_at(text.len() - CHECKSUM);
        if checksum(body) == sum { Ok(Self(text.to_owned())) } else { Err(()) }
    }
}

fn checksum(text: &str) -> String {
    hex(&digest(&SHA256, text.as_bytes()).as_ref()[..CHECKSUM / 2])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-00000000000a";

    #[test]
    fn a_key_is_read_as_it_was_made() {
        let key = ApiKeyText::new(ID.parse().unwrap());
        assert_eq!(key.id(), ID);
        let text = key.clone().reveal();
        assert_eq!(text.len(), 4 + 32 + 1 + 56);
        assert_eq!(text.parse(), Ok(key.clone()));
        assert_ne!(ApiKeyText::new(ID.parse().unwrap()), key);
        assert_eq!(format!("{key:?}"), "ApiKeyText");
    }

    #[test]
    fn what_is_no_key_is_refused_before_any_table_is_asked() {
        let text = ApiKeyText::new(ID.parse().unwrap()).reveal();
        for at in 4..text.len() {
            let other = if &text[at..=at] == "0" { "1" } else { "0" };
            let altered = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(altered.parse::<ApiKeyText>().is_err(), "character {at}");
        }
        for wrong in [
            "",
            "tly_",
            "tly__",
            &text[1..],
            &text[..92],
            &format!("{text}0"),
            &text.to_uppercase(),
            &text.replace("tly", "sk"),
        ] {
            assert!(wrong.parse::<ApiKeyText>().is_err(), "{wrong}");
        }
    }
}
