//! Parts on their way to the bucket.

use std::vec;

use tally_files::domain::{Reason, Skipped, Span};

/// Parts of a file, at most.
pub const MOST_PARTS: usize = 500;

/// A part.
#[derive(Debug, PartialEq, Eq)]
pub struct Piece {
    /// Path within the archive.
    pub path: Option<String>,
    /// Place in the file.
    pub span: Span,
    /// The part's object.
    pub bytes: Vec<u8>,
    /// Text of each page, if the part is a PDF.
    pub texts: Option<Vec<String>>,
}

/// Parts in their order, at most [`MOST_PARTS`].
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Pieces(Vec<Piece>);

impl Pieces {
    /// Adds a part.
    pub fn push(&mut self, piece: Piece) -> Result<(), Reason> {
        if self.0.len() == MOST_PARTS {
            return Err(Reason::TooLarge);
        }
        self.0.push(piece);
        Ok(())
    }

    /// Whether there is no part.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for Pieces {
    type Item = Piece;
    type IntoIter = vec::IntoIter<Piece>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// The facts about a file that stand after its last part.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Number of pages of a PDF.
    pub pages: Option<u32>,
    /// Entries of an archive that have no part.
    pub skipped: Vec<Skipped>,
}
