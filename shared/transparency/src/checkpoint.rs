//! Checkpoints: the size and the root of a log, as the text of a note.

use std::fmt;

use crate::hash::Hash;
use crate::note::{Note, NoteError};
use crate::text::{decimal, has_control};
use crate::verifier::Verifier;

/// The size and the root of a log. Its text is that of the note, without signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: String,
    size: u64,
    root: Hash,
    /// Lines of other programs, which have no meaning here.
    extensions: Vec<String>,
}

/// Why a note is not a checkpoint of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text is not a checkpoint.
    #[error("this is not a checkpoint")]
    Form,
    /// It is a checkpoint of another log.
    #[error("this is a checkpoint of {0}")]
    Origin(String),
    /// Its note is not one, or not signed as it must be.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl Checkpoint {
    /// A checkpoint without extension lines. The origin is one line.
    pub fn new(origin: &str, size: u64, root: Hash) -> Result<Self, CheckpointError> {
        let is_line = !origin.is_empty() && !origin.contains('\n') && !has_control(origin);
        let is_root = size > 0 || root == Hash::EMPTY;
        if is_line && is_root {
            Ok(Self { origin: origin.to_owned(), size, root, extensions: Vec::new() })
        } else {
            Err(CheckpointError::Form)
        }
    }

    /// Reads the text of a note. It says nothing about signatures.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Form)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::Form);
        };
        let size = decimal(size).ok_or(CheckpointError::Form)?;
        let root = root.parse().map_err(|_| CheckpointError::Form)?;
        let extensions: Vec<_> = lines.map(str::to_owned).collect();
        if extensions.iter().any(|line| line.is_empty() || has_control(line)) {
            return Err(CheckpointError::Form);
        }
        Ok(Self { extensions, ..Self::new(origin, size, root)? })
    }

    /// Reads a signed checkpoint of this log. One of the keys must have signed it. By the
    /// specification, the log's key is named like its origin.
    pub fn open(note: &Note, origin: &str, keys: &[Verifier]) -> Result<Self, CheckpointError> {
        note.verify(keys)?;
        let checkpoint = Self::parse(note.text())?;
        if checkpoint.origin == origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::Origin(checkpoint.origin))
        }
    }

    /// Name of the log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Entries of the log.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Root of the log.
    pub fn root(&self) -> Hash {
        self.root
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}\n{}\n{}", self.origin, self.size, self.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification.
    const TEXT: &str = "example.com/behind-the-sofa\n20852163\n\
                        CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n";

    #[test]
    fn a_checkpoint_has_one_text() {
        let checkpoint = Checkpoint::parse(TEXT).unwrap();
        assert_eq!(
            (checkpoint.origin(), checkpoint.size()),
            ("example.com/behind-the-sofa", 20_852_163)
        );
        let extended = format!("{TEXT}extension\nanother one\n");
        let empty = Checkpoint::new("o", 0, Hash::EMPTY).unwrap().to_string();
        assert_eq!(empty, format!("o\n0\n{}\n", Hash::EMPTY));
        for text in [TEXT, &extended, &empty] {
            assert_eq!(Checkpoint::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        for (from, to) in [
            ("example.com/behind-the-sofa\n", "\n"),
            ("example.com/behind-the-sofa\n", ""),
            ("behind", "be\thind"),
            ("20852163", "020852163"),
            ("20852163", "+20852163"),
            ("20852163", "0x13e2c43"),
            ("20852163", "20852163 "),
            ("20852163", "-1"),
            ("20852163", "18446744073709551616"),
            ("20852163", "0"),
            ("20852163", ""),
            ("q2I=\n", "q2I\n"),
            ("q2I=\n", "q2J=\n"),
            ("q2I=\n", "q2I=="),
            ("q2I=\n", "q2I="),
            ("q2I=\n", "q2I=\n\n"),
            ("q2I=\n", "q2I=\nextension"),
            ("q2I=\n", "q2I=\n\nextension\n"),
            ("q2I=\n", "q2I=\next\rension\n"),
            ("\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=", ""),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::Form), "{text:?}");
        }
        assert_eq!(Checkpoint::new("a\nb", 1, Hash::EMPTY), Err(CheckpointError::Form));
    }
}
