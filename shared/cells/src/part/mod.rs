//! A part of a range as an add-in sends it, and its cells as they are stored.

mod cell;
mod checked;
mod error;

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

pub(crate) use self::cell::MAX_TEXT;
pub use self::cell::{RawCell, ValueType};
use self::checked::Checked;
pub use self::error::PartError;
use crate::address::{Address, Area, Style};
use crate::matrix::{Matrix, Scalar};

/// Most cells of a range, and so of a part.
pub const MAX_CELLS: u64 = 500_000;

/// Most bytes of text in a part, where one text may stand for each cell.
const MAX_TEXTS: usize = 8 << 20;

/// Most formats of a part. A workbook has a few hundred.
const MAX_FORMATS: usize = 4_096;

/// Most bytes of the formats of a part, which one item stores.
const MAX_FORMAT_BYTES: usize = 128 << 10;

/// The body of a part. Each matrix has the shape of the address, or is one value for all cells.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartBody {
    /// The part's rectangle.
    pub address: String,
    /// Style of the address.
    #[serde(default)]
    pub style: Style,
    /// `range.values`
    pub values: Option<Matrix>,
    /// `range.formulas`, in A1 style also where the address is in another one
    pub formulas: Option<Matrix>,
    /// `range.numberFormat`
    pub number_formats: Option<Matrix>,
    /// `range.valueTypes`
    pub value_types: Option<Matrix>,
    /// `range.text`
    pub text: Option<Matrix>,
}

/// The cells of a part, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// The rectangle.
    pub area: Area,
    /// Number formats, each once. The first one is `General`.
    pub formats: Vec<Arc<str>>,
    /// The cells.
    pub cells: Vec<RawCell>,
    /// Whether formulas were sent.
    pub has_formulas: bool,
}

impl Part {
    /// Checks a body, and makes cells of its matrices.
    pub fn new(body: &PartBody) -> Result<Self, PartError> {
        let area = Address::parse(&body.address, body.style)?.area;
        if area.cells() > MAX_CELLS {
            return Err(PartError::Cells(area.cells()));
        }
        let values = body.values.as_ref().ok_or(PartError::NoValues)?;
        let mut builder = Builder::default();
        let values = Checked::new("values", Some(values), area)?;
        let formulas = Checked::new("formulas", body.formulas.as_ref(), area)?;
        let formats = Checked::new("number_formats", body.number_formats.as_ref(), area)?;
        let types = Checked::new("value_types", body.value_types.as_ref(), area)?;
        let texts = Checked::new("text", body.text.as_ref(), area)?;
        let mut cells = Vec::with_capacity(usize::try_from(area.cells()).unwrap_or_default());
        for row in 0..usize::try_from(area.rows()).unwrap_or_default() {
            for column in 0..usize::try_from(area.columns()).unwrap_or_default() {
                let value_type = types.value_type(row, column)?;
                let shown = if value_type == ValueType::Rich { &texts } else { &values };
                let shown = if shown.matrix.is_some() { shown } else { &values };
                let value = shown.at(row, column).clone();
                shown.check_length(&value, row, column, MAX_TEXT)?;
                let formula = formulas.formula(&value, row, column)?;
                builder.count(&value, formula.as_ref())?;
                let format = builder.format(formats.text(row, column)?)?;
                cells.push(RawCell { value, formula, format, value_type });
            }
        }
        Ok(Self { area, formats: builder.formats, cells, has_formulas: body.formulas.is_some() })
    }

    /// Bytes of the values and formulas that are text, as each cell has them.
    pub fn text_bytes(&self) -> usize {
        let bytes = self.cells.iter().map(|cell| {
            let value = if let Scalar::Text(text) = &cell.value { text.len() } else { 0 };
            value + cell.formula.as_ref().map_or(0, |formula| formula.len())
        });
        bytes.sum()
    }

    /// Empties the columns that the uploader may not read. Columns count from zero in the sheet.
    pub fn drop_columns(&mut self, is_readable: impl Fn(u32) -> bool) {
        let columns = (self.area.first().column..=self.area.last().column).map(is_readable);
        let columns: Vec<bool> = columns.collect();
        for row in self.cells.chunks_mut(columns.len()) {
            for (cell, &is_kept) in row.iter_mut().zip(&columns) {
                if !is_kept {
                    *cell = RawCell::default();
                }
            }
        }
    }
}

/// The data that the cells of a part share.
struct Builder {
    formats: Vec<Arc<str>>,
    indices: HashMap<Arc<str>, u16>,
    texts: usize,
    format_bytes: usize,
}

impl Default for Builder {
    fn default() -> Self {
        let general: Arc<str> = "General".into();
        let indices = HashMap::from([(general.clone(), 0)]);
        Self { formats: vec![general], indices, texts: 0, format_bytes: 0 }
    }
}

impl Builder {
    fn count(&mut self, value: &Scalar, formula: Option<&Arc<str>>) -> Result<(), PartError> {
        let value = if let Scalar::Text(text) = value { text.len() } else { 0 };
        self.texts += value + formula.map_or(0, |formula| formula.len());
        if self.texts > MAX_TEXTS { Err(PartError::Texts) } else { Ok(()) }
    }

    fn format(&mut self, format: &str) -> Result<u16, PartError> {
        if format.is_empty() {
            return Ok(0);
        }
        if let Some(&index) = self.indices.get(format) {
            return Ok(index);
        }
        self.format_bytes += format.len();
        if self.formats.len() >= MAX_FORMATS || self.format_bytes > MAX_FORMAT_BYTES {
            return Err(PartError::Formats);
        }
        let index = u16::try_from(self.formats.len()).map_err(|_| PartError::Formats)?;
        let format: Arc<str> = format.into();
        self.formats.push(format.clone());
        self.indices.insert(format, index);
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn part(body: Value) -> Result<Part, String> {
        let body: PartBody = serde_json::from_value(body).map_err(|error| error.to_string())?;
        Part::new(&body).map_err(|error| error.to_string())
    }

    #[test]
    fn a_scalar_stands_for_all_cells() {
        let part = part(json!({
            "address": "B2:C3",
            "values": 5,
            "number_formats": "0%",
            "value_types": [["Double", "Double"], ["Error", "RichValue"]],
            "text": [["", ""], ["", "Contoso"]],
        }));
        let part = part.unwrap();
        assert_eq!(part.cells.len(), 4);
        assert!(part.cells.iter().all(|cell| cell.format == 1));
        assert_eq!(part.cells[2].value_type, ValueType::Error);
        assert_eq!(part.cells[3].value, Scalar::Text("Contoso".into()));
        assert!(!part.has_formulas);
    }

    #[test]
    fn a_formula_begins_with_an_equals_sign_and_is_not_the_value() {
        let part = part(json!({
            "address": "A1:F1",
            "values": [[3, "=A1", "text", 45000, 7, ""]],
            "formulas": [["=1+2", "=A1", "text", "45000", "{=SUM(A1:A2)}", "=IF(A1,\"\")"]],
        }));
        let formulas = part.unwrap().cells.into_iter().map(|cell| cell.formula);
        let formulas: Vec<_> = formulas.collect();
        let formulas: Vec<_> = formulas.iter().map(Option::as_deref).collect();
        let expected = [Some("=1+2"), None, None, None, Some("=SUM(A1:A2)"), Some("=IF(A1,\"\")")];
        assert_eq!(formulas, expected);
    }

    #[test]
    fn what_does_not_fit_says_where() {
        let long = "x".repeat(32_768);
        for (body, expected) in [
            (json!({"address": "A1"}), "values is null"),
            (json!({"address": "A1", "values": null}), "Read smaller blocks"),
            (json!({"address": "", "values": 1}), "address is empty"),
            (json!({"address": "A1,B1", "values": 1}), "address names several areas"),
            (json!({"address": "A:B", "values": 1}), "address has 2097152 cells"),
            (
                json!({"address": "A1:A2", "values": [[1]]}),
                "values has 1 rows, and the address has 2",
            ),
            (json!({"address": "A1:B2", "values": [[1, 2], [3]]}), "values[1] has 1 cells"),
            (json!({"address": "A1", "values": []}), "values has 0 rows"),
            (
                json!({"address": "A1", "values": 1, "formulas": [[1, 2]]}),
                "formulas[0] has 2 cells",
            ),
            (
                json!({"address": "A1", "values": 1, "number_formats": [[1]]}),
                "number_formats[0][0] must be text",
            ),
            (
                json!({"address": "A1", "values": 1, "value_types": "Float"}),
                "value_types[0][0] must be one of",
            ),
            (
                json!({"address": "A1", "values": [[long]]}),
                "values[0][0] has more than 32767 characters",
            ),
            (json!({"address": "A1:A20000", "values": "x".repeat(500)}), "more than 8 MiB"),
            (
                json!({"address": "A1", "values": 1, "number_formats": "0".repeat(131_073)}),
                "more than 128 KiB",
            ),
            (json!({"address": "A1", "values": [[{}]]}), "invalid type"),
            (json!({"address": "A1", "values": [1]}), "invalid type"),
            (json!({"address": "A1", "values": 1, "value": 1}), "unknown field"),
        ] {
            let error = part(body).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        assert!(part(json!({"address": "A1", "values": "x".repeat(32_767)})).is_ok());
        assert!(part(json!({"address": "A1", "values": "é".repeat(32_767)})).is_ok());
        assert!(part(json!({"address": "A1", "values": "😀".repeat(16_384)})).is_err());
    }

    #[test]
    fn a_column_that_the_uploader_may_not_read_is_dropped() {
        let part = part(json!({"address": "B1:C2", "values": [[1, 2], [3, 4]], "formulas": "=A1"}));
        let mut part = part.unwrap();
        part.drop_columns(|column| column != 2);
        let values: Vec<_> = part.cells.iter().map(|cell| cell.value.clone()).collect();
        let one = |number| Scalar::Number(number);
        assert_eq!(values, [one(1.0), Scalar::Null, one(3.0), Scalar::Null]);
        assert_eq!(part.cells[1], RawCell::default());
    }

    #[test]
    fn the_text_of_each_cell_counts() {
        let part = part(json!({"address": "A1:B2", "values": "four", "formulas": "=A1"})).unwrap();
        assert_eq!(part.text_bytes(), 4 * (4 + 3));
    }
}
