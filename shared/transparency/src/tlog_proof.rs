//! A proof that stands by itself: the place of an entry, the way to the root, and the checkpoint.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::hash::Hash;
use crate::note::Note;
use crate::proof::{InvalidProof, verify_inclusion};
use crate::text::decimal;
use crate::verifier::Verifier;

/// The first line.
const HEADER: &str = "c2sp.org/tlog-proof@v1";
/// The most hashes: one for each level of a tree whose size fits into 64 bits.
const HASH_LIMIT: usize = 64;

/// A proof that a log has an entry. Its text is that of `c2sp.org/tlog-proof@v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Data for the reader. The proof says nothing about it.
    pub extra: Option<Vec<u8>>,
    /// Number of the entry, from 0.
    pub index: u64,
    /// The inclusion proof, from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint.
    pub checkpoint: Note,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// The text is not a proof.
    #[error("this is not a tlog-proof")]
    Form,
    /// The checkpoint is not one of the log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not at this place in the log.
    #[error(transparent)]
    Inclusion(#[from] InvalidProof),
}

impl TlogProof {
    /// Reads a proof.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        let text = str::from_utf8(bytes).map_err(|_| TlogProofError::Form)?;
        let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::Form)?;
        let checkpoint = Note::parse(note.as_bytes()).map_err(CheckpointError::from)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(TlogProofError::Form);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(|line| STANDARD.decode(&line["extra ".len()..])).transpose();
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?));
        let hashes: Result<Vec<Hash>, _> = lines.map(str::parse).collect();
        match (extra, index, hashes) {
            (Ok(extra), Some(index), Ok(hashes)) if hashes.len() <= HASH_LIMIT => {
                Ok(Self { extra, index, hashes, checkpoint })
            }
            _ => Err(TlogProofError::Form),
        }
    }

    /// Verifies that the log of this origin has the leaf. One of the keys must have signed the
    /// checkpoint, which is the result.
    pub fn verify(
        &self,
        leaf: Hash,
        origin: &str,
        keys: &[Verifier],
    ) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, origin, keys)?;
        let (size, root) = (checkpoint.size(), checkpoint.root());
        verify_inclusion(leaf, self.index, size, &self.hashes, root)?;
        Ok(checkpoint)
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(formatter, "extra {}", STANDARD.encode(extra))?;
        }
        writeln!(formatter, "index {}", self.index)?;
        for hash in &self.hashes {
            writeln!(formatter, "{hash}")?;
        }
        write!(formatter, "\n{}", self.checkpoint)
    }
}
