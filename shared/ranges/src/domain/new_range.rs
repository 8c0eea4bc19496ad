//! A range to upload.

use cells::address::Area;
use cells::formula::{Name, Table};
use cells::layout::Layout;

use super::head::{Headers, RangeSettings, Visibility};

/// Parts of a range, at most.
pub const PARTS: u32 = 100;

/// Bytes of text that the parts of a range have together, at most. A completion has this much room
/// in memory.
pub const TEXT: u64 = 64 << 20;

/// Defined names of an upload, at most.
pub const NAMES: usize = 10_000;

/// Tables of an upload, at most.
pub const TABLES: usize = 1_000;

/// A range to upload.
#[derive(Debug, Clone)]
pub struct NewRange {
    /// The sheet.
    pub sheet: UploadedSheet,
    /// The rectangle.
    pub area: Area,
    /// Number of its parts, 1 to [`PARTS`].
    pub parts: u32,
    /// Where the headers are.
    pub headers: Headers,
    /// How its cells are read.
    pub settings: RangeSettings,
    /// The surroundings of the cells. Completion finds the rows of the headers.
    pub layout: Layout,
    /// The lists of cells without a formula of their own that the upload leaves out: `spills`,
    /// `pivots`. Such a cell looks like a typed value then.
    pub unstated: Vec<String>,
    /// The defined names of the workbook.
    pub names: Vec<Name>,
    /// The tables of the workbook.
    pub tables: Vec<Table>,
}

/// The sheet of a range.
#[derive(Debug, Clone)]
pub struct UploadedSheet {
    /// Our id; `None` for a new sheet.
    pub id: Option<String>,
    /// Its name now.
    pub name: String,
    /// Whether Excel shows it.
    pub visibility: Visibility,
}

/// The body of a part.
#[derive(Debug, Clone, Copy)]
pub enum PartBytes<'a> {
    /// `application/json`, in the form of [`cells::part::PartBody`].
    Json(&'a [u8]),
    /// `text/csv`. It begins below the parts before it, at the range's first column.
    Csv(&'a [u8]),
}
