//! A range in the list of those that a model may read.

use cells::address::Area;
use serde::Serialize;
use utoipa::ToSchema;

use super::fence::weigh;
use super::view::{ListedColumn, View, address_of};
use super::{Answer, Range};

/// Bytes of the columns that are listed, at most. An answer has room for a range with so many.
const BYTES: usize = 20_000;

/// A range that a model may read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolRange)]
pub struct ListedRange {
    /// Its id.
    #[schema(format = "uuid")]
    pub range_id: String,
    /// Its workbook.
    #[schema(format = "uuid")]
    pub workbook_id: String,
    /// Its sheet and its rectangle.
    #[schema(example = "'P&L'!A1:F6")]
    pub range: String,
    /// Rows below the headers.
    #[schema(example = 5)]
    pub rows: u32,
    /// Number of columns that you may read.
    #[schema(example = 6)]
    pub columns_in_all: usize,
    /// The first of these columns, as many as an answer has room for. Their types are those of the
    /// first rows.
    pub columns: Vec<ListedColumn>,
}

/// Describes a range. Its `cells` may be those of the first rows of its `area` alone.
pub fn list_range(range: Range<'_>, workbook_id: &str, area: Area) -> Answer<ListedRange> {
    let view = View::new(range);
    let mut bytes = 0;
    let about = view.columns.iter().map(|column| (*column, view.about(*column)));
    let (columns, listed): (Vec<_>, Vec<_>) = about
        .take_while(|(_, about)| {
            bytes += weigh(about).unwrap_or(BYTES);
            bytes <= BYTES
        })
        .unzip();
    let output = ListedRange {
        range_id: range.id.to_owned(),
        workbook_id: workbook_id.to_owned(),
        range: address_of(range.sheet, area),
        rows: area.rows().saturating_sub(range.cells.header_rows()),
        columns_in_all: view.columns.len(),
        columns: listed,
    };
    Answer { output, columns }
}
