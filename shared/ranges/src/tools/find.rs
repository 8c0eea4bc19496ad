//! `find`: the cells that have a text.

use cells::address::column_letters;
use cells::names::fold;
use cells::number::Number;
use cells::value::Value;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Input, RawValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::fence::shown;
use super::input::Names;
use super::view::{SHORT, View, address_of};
use super::{Answer, Range};

/// Cells that an answer lists, at most.
const LISTED: usize = 100;

/// Characters of the text to find, at most.
const LONGEST: usize = 200;

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = FindArguments)]
pub struct Find {
    /// Id of a range, as `list_ranges` gives it.
    #[schema(value_type = String, format = "uuid")]
    pub range_id: ResourceId,
    /// The text, or a number like 1234.5, or a date like 2024-02-29.
    #[schema(min_length = 1, max_length = 200)]
    pub text: String,
    /// Whether the text has to be all of a cell.
    #[schema(required = false, default = false)]
    pub whole_cell: bool,
    /// The columns to look at, each by its letter, or by its header as `list_ranges` gives it.
    /// Without it, all are meant.
    #[schema(max_items = 100)]
    pub columns: Option<Vec<String>>,
}

/// The cells that were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolFoundCells)]
pub struct FoundCells {
    /// The sheet and the rectangle of the range.
    #[schema(example = "'P&L'!A1:F6")]
    pub range: String,
    /// How many cells were found.
    #[schema(example = 1)]
    pub found: usize,
    /// False if the user may not give you some of the cells that were to be looked at. There may be
    /// more cells then.
    pub complete: bool,
    /// The cells, at most 100, row by row.
    pub items: Vec<FoundCell>,
}

/// A cell that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolFoundCell)]
pub struct FoundCell {
    /// Its address.
    #[schema(example = "B3")]
    pub cell: String,
    /// Its value. A text of more than 200 bytes is cut.
    #[schema(example = "Ops")]
    pub value: String,
}

/// The text to find.
struct Wanted(String);

impl FromField for Wanted {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        if fold(text).is_empty() || text.chars().count() > LONGEST {
            return Err(format!("must have 1 to {LONGEST} characters, not all of them blank"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl Input for Find {
    fn read(fields: &mut Fields) -> Option<Self> {
        let range_id = fields.required("range_id");
        let text = fields.required::<Wanted>("text");
        let whole_cell = fields.optional("whole_cell");
        let columns = fields.optional::<Names>("columns");
        Some(Self {
            range_id: range_id?,
            text: text?.0,
            whole_cell: whole_cell?.unwrap_or_default(),
            columns: columns?.map(|names| names.0),
        })
    }
}

/// Finds cells, and lists those behind the first `skipped`.
pub fn find(range: Range<'_>, input: &Find, skipped: usize) -> Result<Answer<FoundCells>, String> {
    let wanted = fold(&input.text);
    let view = View::new(range);
    let columns = match &input.columns {
        Some(names) => names.iter().map(|name| view.column(name)).collect::<Result<Vec<_>, _>>()?,
        None => view.columns.clone(),
    };
    let number = Number::parse(input.text.trim()).map(|(number, _)| number);
    let is_found = |value: &Value| match (value.number(), number) {
        (Some(cell), Some(number)) => cell == number,
        _ if value.is_empty() => false,
        _ => {
            let text = fold(&value.to_string());
            if input.whole_cell { text == wanted } else { text.contains(&wanted) }
        }
    };
    let mut items = Vec::new();
    // Where no column is named, withheld columns would be looked at too.
    let mut complete = input.columns.is_some() || range.cells.withheld().columns == 0;
    let mut found = 0;
    for &row in &view.rows {
        for &column in &columns {
            let Some(value) = view.value(row, column) else {
                complete = false;
                continue;
            };
            if is_found(value) {
                found += 1;
                if found > skipped && items.len() < LISTED {
                    let cell = format!("{}{}", column_letters(column), row + 1);
                    items.push(FoundCell { cell, value: shown(&value.to_string(), SHORT) });
                }
            }
        }
    }
    let range = address_of(range.sheet, range.cells.area());
    Ok(Answer { output: FoundCells { range, found, complete, items }, columns })
}
