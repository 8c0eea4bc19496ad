//! The keys that verify notes. Their text (vkey) is `<name>+<id>+<Base64 of type and key>`.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What stands before the 32 bytes in a DER `SubjectPublicKeyInfo` of Ed25519 (RFC 8410).
const DER_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];

/// An Ed25519 key that verifies notes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verifier {
    name: String,
    kind: Kind,
    id: u32,
    public_key: [u8; 32],
}

/// What a key signs, by its type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The text of a note.
    Note = 1,
    /// The text with a time before it: `cosignature/v1` of <https://c2sp.org/tlog-cosignature>.
    Cosignature = 4,
}

/// Why a text or bytes are not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A name must not be empty, and must have no space, plus sign or control character.
    #[error("the name of a key must not be empty or have a space, `+` or control character")]
    Name,
    /// The text has not the form of a vkey.
    #[error(
        "this is not `<name>+<id>+<key>`, with an id of 8 lower-case hexadecimal digits, and the \
         Base64 of a type byte and a key of 32 bytes"
    )]
    Form,
    /// The bytes are not a DER public key.
    #[error("this is not an Ed25519 public key in DER")]
    Der,
    /// The type byte is that of neither kind of Ed25519 key.
    #[error("the key has the type {0}, not that of Ed25519, which is 1, or 4 for cosignatures")]
    Type(u8),
    /// The id is not the hash of name and key.
    #[error("the id of the key does not belong to its name and bytes")]
    Id,
}

impl Verifier {
    /// The key with this name and these 32 bytes (RFC 8032).
    pub fn new(name: &str, public_key: [u8; 32]) -> Result<Self, KeyError> {
        Self::of_kind(Kind::Note, name, public_key)
    }

    /// The key with this name and this DER `SubjectPublicKeyInfo`, as KMS gives it.
    pub fn from_der(name: &str, der: &[u8]) -> Result<Self, KeyError> {
        let bytes = der.strip_prefix(&DER_PREFIX).ok_or(KeyError::Der)?;
        Self::new(name, bytes.try_into().map_err(|_| KeyError::Der)?)
    }

    /// The same key as that of a cosigner. A log that cosigns its own checkpoints states their
    /// time.
    #[must_use]
    pub fn cosigner(&self) -> Self {
        let kind = Kind::Cosignature;
        Self { kind, id: id_of(kind, &self.name, &self.public_key), ..self.clone() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The id that signatures carry.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether the key has signed this text.
    pub(crate) fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        let verify = |text: &str, signature: &[u8]| {
            let key = UnparsedPublicKey::new(&ED25519, self.public_key);
            key.verify(text.as_bytes(), signature).is_ok()
        };
        match self.kind {
            Kind::Note => verify(text, signature),
            Kind::Cosignature => split_time(signature)
                .is_some_and(|(time, signature)| verify(&cosigned(time, text), signature)),
        }
    }

    /// The time that this key states in a signature that it has made.
    pub(crate) fn time_of(&self, signature: &[u8]) -> Option<u64> {
        (self.kind == Kind::Cosignature).then(|| split_time(signature))?.map(|(time, _)| time)
    }

    fn of_kind(kind: Kind, name: &str, public_key: [u8; 32]) -> Result<Self, KeyError> {
        if !is_name(name) {
            return Err(KeyError::Name);
        }
        let id = id_of(kind, name, &public_key);
        Ok(Self { name: name.to_owned(), kind, id, public_key })
    }
}

/// The text that a cosigner signs for a note with this text at this time, in seconds since 1970.
pub(crate) fn cosigned(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

/// The time of a cosignature, and its signature.
fn split_time(signature: &[u8]) -> Option<(u64, &[u8])> {
    let (time, signature) = signature.split_first_chunk::<8>()?;
    let time = u64::from_be_bytes(*time);
    (time <= i64::MAX.unsigned_abs()).then_some((time, signature))
}

fn id_of(kind: Kind, name: &str, public_key: &[u8; 32]) -> u32 {
    let hashed = [name.as_bytes(), b"\n", &[kind as u8], public_key].concat();
    let mut id = [0; 4];
    id.copy_from_slice(&digest(&SHA256, &hashed).as_ref()[..4]);
    u32::from_be_bytes(id)
}

/// Whether a key may have this name.
pub(crate) fn is_name(name: &str) -> bool {
    let is_refused = |letter: char| letter.is_whitespace() || letter < ' ' || letter == '+';
    !name.is_empty() && !name.contains(is_refused)
}

impl fmt::Display for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([&[self.kind as u8][..], &self.public_key].concat());
        write!(formatter, "{}+{:08x}+{key}", self.name, self.id)
    }
}

impl FromStr for Verifier {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        // Base64 may have a plus sign too.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let key = STANDARD.decode(key).map_err(|_| KeyError::Form)?;
        let (kind, key) = key.split_first().ok_or(KeyError::Form)?;
        let kinds = [Kind::Note, Kind::Cosignature];
        let known = kinds.into_iter().find(|known| *known as u8 == *kind);
        let kind = known.ok_or(KeyError::Type(*kind))?;
        let key = key.try_into().map_err(|_| KeyError::Form)?;
        let verifier = Self::of_kind(kind, name, key)?;
        if id == format!("{:08x}", verifier.id) { Ok(verifier) } else { Err(KeyError::Id) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const VKEY: &str = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";

    #[test]
    fn a_key_has_one_text() {
        let key: Verifier = VKEY.parse().unwrap();
        assert_eq!((key.name(), key.id()), ("example.com/foo", 0x530d_903a));
        assert_eq!(key.to_string(), VKEY);
        let cosigner = key.cosigner();
        assert_eq!(cosigner.to_string().parse(), Ok(cosigner.clone()));
        assert_ne!((&cosigner, cosigner.id()), (&key, key.id()));
        let der = [&DER_PREFIX[..], &key.public_key].concat();
        assert_eq!(Verifier::from_der("example.com/foo", &der), Ok(key));
        for der in [&der[..43], &der[1..], &[&der[..], &[0]].concat(), &[]] {
            assert_eq!(Verifier::from_der("a", der), Err(KeyError::Der), "{der:?}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for (text, expected) in [
            ("", KeyError::Form),
            ("example.com/foo", KeyError::Form),
            ("example.com/foo+530d903a", KeyError::Form),
            ("example.com/foo+530d903a+", KeyError::Form),
            ("example.com/foo+530d903a+%", KeyError::Form),
            (&VKEY[..VKEY.len() - 4], KeyError::Form),
            (&format!("{VKEY}AAAA"), KeyError::Form),
            (&format!("{VKEY}\n"), KeyError::Form),
            (&VKEY.replace("+Aeky", "+Beky"), KeyError::Type(5)),
            (&VKEY.replace("+530d903a", "+530d903b"), KeyError::Id),
            (&VKEY.replace("+530d903a", "+530D903A"), KeyError::Id),
            (&VKEY.replace("+530d903a", "+0530d903a"), KeyError::Id),
            (&VKEY.replace("foo", "bar"), KeyError::Id),
            (&VKEY.replace("foo", "f oo"), KeyError::Name),
            (&VKEY.replace("foo", "f\u{2003}oo"), KeyError::Name),
            (&VKEY.replace("example.com/foo", ""), KeyError::Name),
        ] {
            assert_eq!(text.parse::<Verifier>(), Err(expected), "{text:?}");
        }
    }
}
