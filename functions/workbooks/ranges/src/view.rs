//! A range as its callers see it.

use std::collections::BTreeMap;

use cells::grid::Withheld;
use platform::Problem;
use platform::clock::rfc3339_ms;
use serde::Serialize;
use serde_json::Value;
use tally_ranges::domain::{RangeHead, RangeStatus};
use tally_ranges::{Opened, Profile};
use utoipa::ToSchema;

/// A range in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RangeItem)]
pub struct RangeItem {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// The workbook.
    #[schema(format = "uuid")]
    pub workbook_id: String,
    /// The sheet. An add-in keeps this id in the custom properties of the worksheet.
    #[schema(format = "uuid")]
    pub sheet_id: String,
    /// The name that the sheet had.
    #[schema(example = "P&L")]
    pub sheet_name: String,
    /// State of the upload.
    #[schema(value_type = RangeProgress)]
    pub status: RangeStatus,
    /// The rectangle.
    #[schema(example = "A1:D500")]
    pub address: String,
    /// Number of its cells.
    #[schema(example = 2000)]
    pub cells: u64,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// From then on the range does not exist. RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-02-03T09:30:00.000Z")]
    pub expires_at: String,
}

/// A range, with the facts about its cells that the caller may know. Before the upload is complete
/// there are none.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Range)]
pub struct RangeView {
    /// The fields that a list has, too.
    #[serde(flatten)]
    pub item: RangeItem,
    /// Rows at the top that have the headers.
    #[schema(example = 1)]
    pub header_rows: u32,
    /// Its columns, from the left.
    #[schema(value_type = Vec<RangeColumn>)]
    pub columns: Vec<Value>,
    /// The number of issues of each code.
    #[schema(value_type = BTreeMap<String, u64>)]
    pub issues: BTreeMap<String, u64>,
    /// The number of withheld columns and cells.
    #[schema(value_type = RangeWithheld)]
    pub withheld: Withheld,
}

/// The state of an upload.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it is here to be described")]
pub enum RangeProgress {
    /// The range takes parts.
    Uploading,
    /// The range is whole, and never changes.
    Ready,
}

/// The number of columns and cells that are withheld from the caller.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct RangeWithheld {
    /// Whole columns.
    #[schema(example = 1)]
    columns: usize,
    /// Cells of other columns.
    #[schema(example = 12)]
    cells: usize,
}

/// A column of a range. Of one that is withheld, the answer has `letter` and `access` alone. All
/// other members are about the cells below the headers that the caller may see.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is here to be described")]
pub struct RangeColumn {
    /// Its letter.
    #[schema(example = "D")]
    letter: String,
    /// Set if the column is withheld.
    #[schema(nullable = false, pattern = "^withheld$")]
    access: Option<String>,
    /// The header, or null if there is none.
    #[schema(example = "Net amount")]
    header: Option<String>,
    /// The type of nine tenths of the filled cells, or `mixed` if there is none. The types are
    /// `empty`, `integer`, `number`, `currency`, `percent`, `date`, `datetime`, `time`, `duration`,
    /// `boolean`, `text` and `error`.
    #[schema(rename = "type", nullable = false, example = "currency")]
    kind: Option<String>,
    /// The currency of amounts (ISO 4217).
    #[schema(nullable = false, example = "EUR")]
    currency: Option<String>,
    /// The share of the filled cells that have the type, from 0 to 1.
    #[schema(nullable = false, example = 0.98)]
    share: Option<f64>,
    /// The number of cells of each type.
    #[schema(nullable = false)]
    counts: Option<BTreeMap<String, u64>>,
    /// The smallest value of the type.
    #[schema(nullable = false, example = "12.50")]
    min: Option<String>,
    /// The largest value of the type.
    #[schema(nullable = false, example = "880.00")]
    max: Option<String>,
    /// The exact sum of the values of the type.
    #[schema(nullable = false, example = "10422.75")]
    sum: Option<String>,
}

impl From<&RangeHead> for RangeItem {
    fn from(head: &RangeHead) -> Self {
        Self {
            id: head.id.clone(),
            workbook_id: head.workbook_id.clone(),
            sheet_id: head.sheet_id.clone(),
            sheet_name: head.sheet_name.clone(),
            status: head.status,
            address: head.area.to_string(),
            cells: head.area.cells(),
            created_at: rfc3339_ms(head.created_at),
            expires_at: rfc3339_ms(head.expires_at.saturating_mul(1000)),
        }
    }
}

impl RangeView {
    /// A range that has no cells yet.
    pub fn empty(head: &RangeHead) -> Self {
        Self {
            item: head.into(),
            header_rows: head.header_rows,
            columns: Vec::new(),
            issues: BTreeMap::new(),
            withheld: Withheld::default(),
        }
    }

    /// A range as its caller may see it now.
    pub async fn of(opened: &Opened) -> Result<Self, Problem> {
        let empty = Self::empty(opened.head());
        if !opened.head().is_ready() {
            return Ok(empty);
        }
        let Profile { columns, issues, withheld } = opened.profile().await?;
        Ok(Self { columns, issues, withheld, ..empty })
    }
}
