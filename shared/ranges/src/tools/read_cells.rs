//! `read_cells`: the cells of a rectangle.

use cells::address::Area;
use cells::profile::ColumnType;
use cells::value::Value;
use platform::domain::ResourceId;
use platform::input::{Fields, Input};
use serde::Serialize;
use utoipa::ToSchema;

use super::fence::shown;
use super::view::{ListedColumn, View, address_of, area_of};
use super::{Answer, Range};

/// Cells that are read at once, at most.
const CELLS: u64 = 2_000;

/// Bytes of a value, at most.
const LONG: usize = 2_000;

/// Instead of a withheld value.
const WITHHELD: &str = "#WITHHELD";

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = ReadCellsArguments)]
pub struct ReadCells {
    /// Id of a range, as `list_ranges` gives it.
    #[schema(value_type = String, format = "uuid")]
    pub range_id: ResourceId,
    /// A rectangle of the range's sheet in A1 notation, like `B2:D14`.
    #[schema(max_length = 400, example = "B2:D14")]
    pub address: String,
}

/// The cells of a rectangle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolCells)]
pub struct CellRows {
    /// The sheet and the rectangle.
    #[schema(example = "'P&L'!B2:D14")]
    pub range: String,
    /// The columns.
    pub columns: Vec<ListedColumn>,
    /// The rows below the headers.
    pub items: Vec<CellRow>,
}

/// The cells of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolCellRow)]
pub struct CellRow {
    /// Number of the row in the sheet.
    #[schema(example = 2)]
    pub row: u32,
    /// A value for each column: exact decimals, dates in ISO 8601, null for an empty cell.
    /// `#WITHHELD` stands for a cell that the user may not give you. A text of more than 2,000
    /// bytes is cut.
    #[schema(example = json!(["Ops", "12.50", null]))]
    pub values: Vec<Option<String>>,
}

impl Input for ReadCells {
    fn read(fields: &mut Fields) -> Option<Self> {
        let range_id = fields.required("range_id");
        let address = fields.required("address");
        Some(Self { range_id: range_id?, address: address? })
    }
}

/// The part of a range, which is this area of this sheet, that an address means. It is no larger
/// than what is read at once.
pub fn rectangle(address: &str, sheet: &str, whole: Area) -> Result<Area, String> {
    let area = area_of(address, sheet, whole)?;
    if area.cells() > CELLS {
        return Err(format!(
            "The address has {} cells of the range. Read at most {CELLS} at once, or use aggregate \
             or find.",
            area.cells()
        ));
    }
    Ok(area)
}

/// Reads the cells of an area.
pub fn read_cells(range: Range<'_>, area: Area) -> Answer<CellRows> {
    let view = View::of(range, area);
    let types = view.columns.iter().map(|&column| (column, view.column_type(column)));
    let types: Vec<_> = types.collect();
    let row = |&row: &u32| {
        let values = types.iter().map(|&(column, of)| text_of(view.value(row, column), of));
        CellRow { row: row + 1, values: values.collect() }
    };
    let output = CellRows {
        range: address_of(range.sheet, area),
        columns: view.columns.iter().map(|column| view.about(*column)).collect(),
        items: view.rows.iter().map(row).collect(),
    };
    Answer { output, columns: view.columns }
}

/// A value of a column with this type. `None` stands for an empty cell.
fn text_of(value: Option<&Value>, of: ColumnType) -> Option<String> {
    match value {
        None => Some(WITHHELD.to_owned()),
        Some(Value::Empty) => None,
        // The head names no other currency than the column's.
        Some(Value::Currency(number, currency)) if of.currency != Some(*currency) => {
            Some(format!("{number} {}", currency.code()))
        }
        Some(value) => Some(shown(&value.to_string(), LONG)),
    }
}
