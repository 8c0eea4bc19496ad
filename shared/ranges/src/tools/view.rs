//! The rows and columns of a range that a tool may use.

use cells::address::{Address, Area, Cell, column_letters};
use cells::currency::Currency;
use cells::names::fold;
use cells::prompt::Chosen;
use cells::value::Value;
use serde_json::{Value as Json, json};

use super::{Range, shown};

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
        let Chosen { rows, columns } = range.cells.chosen(range.cells.area(), range.include_hidden);
        Self { range, rows, columns, headers: range.cells.headers() }
    }

    /// The address of the range.
    pub fn address(&self) -> Json {
        let area = self.range.cells.area();
        shown(&Address { sheet: Some(self.range.sheet.to_owned()), area }.to_string())
    }

    /// A cell; `None` if it is withheld.
    pub fn value(&self, row: u32, column: u32) -> Option<&'a Value> {
        self.range.cells.value(Cell { row, column })
    }

    /// Letter, header and type of a column.
    pub fn about(&self, column: u32) -> Json {
        let of = self.range.cells.column_type(column);
        let kind = of.currency.map_or(of.kind.name(), Currency::code);
        json!([column_letters(column), shown(self.header(column)), kind])
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

impl Range<'_> {
    /// The part of the range that an address means.
    pub fn part(&self, address: &str) -> Result<Area, String> {
        let whole = self.cells.area();
        let Address { sheet, area } = address
            .parse::<Address>()
            .map_err(|error| format!("The address {error}. An address is like B2:D14."))?;
        if sheet.is_some_and(|sheet| fold(&sheet) != fold(self.sheet)) {
            return Err("The address names another sheet than that of the range.".to_owned());
        }
        area.intersection(whole)
            .ok_or_else(|| format!("The address has no cell of the range, which is {whole}."))
    }
}

/// Letters of columns, not all if they are many.
fn letters(columns: &[u32]) -> String {
    let most = 30;
    let some: Vec<_> = columns.iter().take(most).map(|column| column_letters(*column)).collect();
    let more = if columns.len() > most { ", …" } else { "" };
    format!("{}{more}", some.join(", "))
}
