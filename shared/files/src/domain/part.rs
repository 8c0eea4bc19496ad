//! The parts of a prepared file. A model is given one part at a time.

use serde::{Deserialize, Serialize};

/// The parts of a file, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The parts.
    pub parts: Vec<Part>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Path within the archive. Absent for a file that is no archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The place of the part in its file.
    pub span: Span,
    /// Bytes of the part's object.
    pub bytes: u64,
}

/// A place in a file. Numbers begin at 1, and the last one is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Span {
    /// Lines of a text. Each line of the object begins with its number and a tab. A line that is
    /// longer than a part is cut into pieces, and each piece begins with the number of the line. So
    /// a line may be the last one of a part and the first one of the next.
    Lines(u32, u32),
    /// Rows of a CSV, counted from the first one after the header. Blank lines are no rows. The
    /// object repeats the header, and its rows have no numbers. A row is never cut.
    Rows(u32, u32),
    /// Pages of a PDF. The object is a PDF of these pages. The text of each page is beside it, at
    /// [`super::keys::page_texts`].
    Pages(u32, u32),
}
