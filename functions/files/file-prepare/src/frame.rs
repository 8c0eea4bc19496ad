//! The answer of the parser to the worker: lines of JSON. The bytes of a part follow its line.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use tally_files::domain::{Reason, Skipped, Span};

use crate::piece::{Ended, Piece};

/// A line.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "frame", rename_all = "lowercase")]
pub enum Header {
    /// A part. Its object follows, and then the text of its pages as JSON.
    Part {
        /// Path within the archive.
        path: Option<String>,
        /// Place in the file.
        span: Span,
        /// Bytes of its object.
        bytes: usize,
        /// Bytes of the text of its pages, if it is a PDF.
        texts: Option<usize>,
    },
    /// The file has no further part.
    Ended {
        /// Number of pages of a PDF.
        pages: Option<u32>,
        /// Entries of an archive that have no part.
        skipped: Vec<Skipped>,
    },
    /// The file cannot be used.
    Rejected {
        /// The reason.
        reason: Reason,
    },
}

/// Writes a part.
pub fn write_part(output: &mut impl Write, piece: Piece) -> io::Result<()> {
    let Piece { path, span, bytes, texts } = piece;
    let texts = texts.map(|texts| serde_json::to_vec(&texts)).transpose()?;
    let header =
        Header::Part { path, span, bytes: bytes.len(), texts: texts.as_ref().map(Vec::len) };
    write_line(output, &header)?;
    output.write_all(&bytes)?;
    output.write_all(&texts.unwrap_or_default())
}

/// Writes the end.
pub fn write_end(output: &mut impl Write, ended: Result<Ended, Reason>) -> io::Result<()> {
    let header = match ended {
        Ok(Ended { pages, skipped }) => Header::Ended { pages, skipped },
        Err(reason) => Header::Rejected { reason },
    };
    write_line(output, &header)?;
    output.flush()
}

fn write_line(output: &mut impl Write, header: &Header) -> io::Result<()> {
    serde_json::to_writer(&mut *output, header)?;
    output.write_all(b"\n")
}
