//! The rows and columns of a range that a tool may use.

use cells::address::{Address, Area, Cell, column_letters};
use cells::currency::Currency;
use cells::names::fold;
use cells::profile::ColumnType;
use cells::prompt::Chosen;
use cells::value::Value;
use serde::Serialize;
use utoipa::ToSchema;

use super::Range;
use super::fence::shown;

/// Bytes of a header, a name or a value in a list, at most.
pub const SHORT: usize = 200;

/// A column of a range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ToolColumn)]
pub struct ListedColumn {
    /// Its letter.
    #[schema(example = "C")]
    pub letter: String,
    /// Its header, or an empty text.
    #[schema(example = "Net amount")]
    pub header: String,
    /// The type of its values, or the currency of its amounts.
    #[serde(rename = "type")]
    #[schema(example = "number")]
    pub kind: String,
}

/// The rows and columns of a range that a tool may use.
pub struct View<'a> {
    range: Range<'a>,
    /// Rows below the headers, from zero in the sheet.
    pub rows: Vec<u32>,
    /// Columns, from zero in the sheet.
    pub columns: Vec<u32>,
    headers: Vec<Option<String>>,
}

impl<'a> View<'a> {
    /// Those of the whole range.
    pub fn new(range: Range<'a>) -> Self {
        Self::of(range, range.cells.area())
    }

    /// Those of an area.
    pub fn of(range: Range<'a>, area: Area) -> Self {
        let Chosen { rows, columns } = range.cells.chosen(area, range.include_hidden);
        Self { range, rows, columns, headers: range.cells.headers() }
    }

    /// A cell; `None` if it is withheld.
    pub fn value(&self, row: u32, column: u32) -> Option<&'a Value> {
        self.range.cells.value(Cell { row, column })
    }

    /// The type of a column.
    pub fn column_type(&self, column: u32) -> ColumnType {
        self.range.cells.column_type(column)
    }

    /// Letter, header and type of a column.
    pub fn about(&self, column: u32) -> ListedColumn {
        let of = self.column_type(column);
        ListedColumn {
            letter: column_letters(column),
            header: shown(self.header(column), SHORT),
            kind: of.currency.map_or(of.kind.name(), Currency::code).to_owned(),
        }
    }

    /// A column by its letter or its header. A column that is withheld is none.
    pub fn column(&self, name: &str) -> Result<u32, String> {
        let by_letter =
            || self.columns.iter().find(|at| name.eq_ignore_ascii_case(&column_letters(**at)));
        if let Some(column) = by_letter() {
            return Ok(*column);
        }
        let name = fold(name);
        let named = |at: &&u32| !name.is_empty() && fold(self.header(**at)) == name;
        let found: Vec<_> = self.columns.iter().filter(named).copied().collect();
        match found[..] {
            [column] => Ok(column),
            [] => Err(format!(
                "The range has no such column. Name one by its letter ({}), or by its header as \
                 list_ranges gives it.",
                letters(&self.columns)
            )),
            _ => Err(format!(
                "Several columns have this header. Name one by its letter: {}.",
                letters(&found)
            )),
        }
    }

    fn header(&self, column: u32) -> &str {
        let place = column - self.range.cells.area().first().column;
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.headers.get(place).and_then(Option::as_deref).unwrap_or_default()
    }
}

/// An area with the name of its sheet, as text.
pub fn address_of(sheet: &str, area: Area) -> String {
    shown(&Address { sheet: Some(sheet.to_owned()), area }.to_string(), SHORT)
}

/// The part of a range, which is this area of this sheet, that an address means.
pub fn area_of(address: &str, sheet: &str, whole: Area) -> Result<Area, String> {
    let found = address
        .parse::<Address>()
        .map_err(|error| format!("The address {error}. An address is like B2:D14."))?;
    if found.sheet.is_some_and(|named| fold(&named) != fold(sheet)) {
        return Err("The address names another sheet than that of the range.".to_owned());
    }
    found
        .area
        .intersection(whole)
        .ok_or_else(|| format!("The address has no cell of the range, which is {whole}."))
}

/// Letters of columns, not all if they are many.
fn letters(columns: &[u32]) -> String {
    let most = 30;
    let some: Vec<_> = columns.iter().take(most).map(|column| column_letters(*column)).collect();
    let more = if columns.len() > most { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
