//! Signed notes: a text, and signatures of it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::text::has_control;
use crate::verifier::{Verifier, cosigned, is_name};

/// The most bytes of a note that are read.
const LENGTH_LIMIT: usize = 1_000_000;
/// The most signatures of a note. The specification wants at least 16.
const SIGNATURE_LIMIT: usize = 100;

/// A text with signatures. Do not trust the text before [`Note::verify`]. The display of a note
/// that was read is what was read, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// A signature of a note, also of an unknown kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: String,
    id: u32,
    bytes: Vec<u8>,
}

/// Why a note, or a signature for it, is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has not the form of a note.
    #[error("this is not a signed note")]
    Form,
    /// A signature by a known key is wrong.
    #[error("the signature by {0} is wrong")]
    Signature(String),
    /// No known key has signed it.
    #[error("the note has no signature by a known key")]
    Unsigned,
}

impl Note {
    /// A note without signatures. The text must end with a line feed, and must have no other
    /// control character.
    pub fn new(text: String) -> Result<Self, NoteError> {
        if text.len() > LENGTH_LIMIT || !text.ends_with('\n') || has_control(&text) {
            return Err(NoteError::Form);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Reads a signed note.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > LENGTH_LIMIT {
            return Err(NoteError::Form);
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteError::Form)?;
        // The last empty line ends the text.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Form)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Form)?;
        let mut note = Self::new(format!("{text}\n"))?;
        for line in lines.split('\n') {
            let signature = Signature::parse(line).ok_or(NoteError::Form)?;
            note.signatures.push(signature);
            if note.signatures.len() > SIGNATURE_LIMIT {
                return Err(NoteError::Form);
            }
        }
        Ok(note)
    }

    /// The signed text, with its last line feed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Adds a signature of [`Note::text`] that was made elsewhere, for example by KMS. It replaces
    /// an earlier one by the same key. A wrong signature is refused.
    pub fn add_signature(&mut self, key: &Verifier, signature: &[u8]) -> Result<(), NoteError> {
        if !key.has_signed(&self.text, signature) {
            return Err(NoteError::Signature(key.name().to_owned()));
        }
        self.signatures.retain(|earlier| !earlier.is_by(key));
        self.signatures.push(Signature {
            name: key.name().to_owned(),
            id: key.id(),
            bytes: signature.to_vec(),
        });
        Ok(())
    }

    /// The text that a cosigner signs at this time, in seconds since 1970.
    pub fn cosigned_text(&self, time: u64) -> String {
        cosigned(time, &self.text)
    }

    /// Adds a signature of [`Note::cosigned_text`] by a [`Verifier::cosigner`].
    pub fn add_cosignature(
        &mut self,
        key: &Verifier,
        time: u64,
        signature: &[u8],
    ) -> Result<(), NoteError> {
        self.add_signature(key, &[&time.to_be_bytes()[..], signature].concat())
    }

    /// The time that a [`Verifier::cosigner`] has signed with the note, in seconds since 1970.
    pub fn time(&self, key: &Verifier) -> Option<u64> {
        let mut signatures = self.signatures.iter().filter(|signature| signature.is_by(key));
        let signature = signatures.find(|found| key.has_signed(&self.text, &found.bytes))?;
        key.time_of(&signature.bytes)
    }

    /// Verifies every signature by a known key, and ignores the others. Gives the keys that have
    /// signed, at least one.
    pub fn verify<'k>(&self, known: &'k [Verifier]) -> Result<Vec<&'k Verifier>, NoteError> {
        let mut signers: Vec<&Verifier> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = known.iter().find(|key| signature.is_by(key)) else { continue };
            if !key.has_signed(&self.text, &signature.bytes) {
                return Err(NoteError::Signature(key.name().to_owned()));
            }
            if !signers.contains(&key) {
                signers.push(key);
            }
        }
        if signers.is_empty() { Err(NoteError::Unsigned) } else { Ok(signers) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let signature = STANDARD.encode([&id.to_be_bytes()[..], bytes].concat());
            writeln!(formatter, "— {name} {signature}")?;
        }
        Ok(())
    }
}

impl Signature {
    /// Name of the key.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id of the key.
    pub fn id(&self) -> u32 {
        self.id
    }

    fn parse(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix("— ")?.split_once(' ')?;
        let signature = STANDARD.decode(signature).ok()?;
        let (id, bytes) = signature.split_first_chunk::<4>()?;
        if !is_name(name) || bytes.is_empty() {
            return None;
        }
        let id = u32::from_be_bytes(*id);
        Some(Self { name: name.to_owned(), id, bytes: bytes.to_vec() })
    }

    fn is_by(&self, key: &Verifier) -> bool {
        self.name == key.name() && self.id == key.id()
    }
}
