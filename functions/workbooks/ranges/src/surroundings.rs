//! The surroundings of cells that an upload states: headers, separators, dates, tables, names,
//! pivot tables.

use cells::formula::{Name, Table};
use platform::input::{Fields, FromField, Input, RawValue};
use serde_json::Value;
use tally_ranges::domain::{DateSystem, Headers};
use utoipa::ToSchema;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, OneOfBuilder, Type};

use crate::fields::Texts;

/// Rows of headers, at most.
const MAX_HEADERS: u64 = 5;

/// Which rows at the top have the headers.
#[derive(Default)]
pub struct HeadersField(pub Headers);

/// The first year of a date system.
#[derive(Default)]
pub struct DateSystemField(pub DateSystem);

/// The separators of numbers that are text.
#[derive(ToSchema)]
#[schema(as = Separators)]
pub struct SeparatorsInput {
    /// Before the decimals: `.` or `,`.
    #[schema(pattern = "^[.,]$", example = ".")]
    pub decimal: String,
    /// Between groups of digits: `.`, `,`, `'`, a space, or nothing.
    #[schema(max_length = 1, example = ",")]
    pub group: String,
}

/// A table of the workbook.
#[derive(ToSchema)]
#[schema(as = RangeTable)]
pub struct TableInput {
    /// Its name.
    #[schema(example = "Sales")]
    name: String,
    /// Its rectangle with the sheet and the header, in A1 style.
    #[schema(example = "Data!A1:C20")]
    address: String,
    /// The names of its columns, from left to right.
    columns: Vec<String>,
}

/// A defined name of the workbook.
#[derive(ToSchema)]
#[schema(as = RangeName)]
pub struct NameInput {
    /// The name.
    #[schema(example = "Rate")]
    name: String,
    /// Its definition.
    #[schema(example = "=Data!$B$1")]
    formula: String,
    /// The only sheet in which it holds, for a name that does not hold in the whole workbook.
    sheet: Option<String>,
}

/// A pivot table.
#[derive(ToSchema)]
#[schema(as = RangePivot)]
pub struct PivotInput {
    /// Its cells.
    #[schema(example = "F1:H9")]
    pub address: String,
    /// The cells that it summarises, if you know them.
    #[schema(example = "Data!A1:C20")]
    pub source: Option<String>,
}

/// The schema of [`HeadersField`].
pub fn headers() -> Schema {
    let number = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1));
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["auto", "none"]));
    let forms = OneOfBuilder::new().item(word).item(number.maximum(Some(5)));
    let description = "Rows at the top that have the headers: their number, `none`, or `auto` to \
                       let the server tell.";
    forms.description(Some(description)).default(Some("auto".into())).build().into()
}

/// The schema of [`DateSystemField`].
pub fn date_system() -> Schema {
    let year = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([1900, 1904]));
    let description = "The first year of the workbook's date system.";
    year.description(Some(description)).default(Some(1900.into())).into()
}

impl Default for SeparatorsInput {
    fn default() -> Self {
        Self { decimal: ".".to_owned(), group: ",".to_owned() }
    }
}

impl FromField for HeadersField {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let rows = match raw {
            RawValue::Json(Value::String(text)) if text == "auto" => {
                return Ok(Self(Headers::Auto));
            }
            RawValue::Json(Value::String(text)) if text == "none" => {
                return Ok(Self(Headers::Rows(0)));
            }
            _ => u64::read(raw).ok(),
        };
        let rows = rows.filter(|rows| (1..=MAX_HEADERS).contains(rows));
        let rows = rows.and_then(|rows| u32::try_from(rows).ok());
        let wrong = || format!("must be auto, none, or a number from 1 to {MAX_HEADERS}");
        rows.map(|rows| Self(Headers::Rows(rows))).ok_or_else(wrong)
    }
}

impl FromField for DateSystemField {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match u64::read(raw) {
            Ok(1900) => Ok(Self(DateSystem::Y1900)),
            Ok(1904) => Ok(Self(DateSystem::Y1904)),
            _ => Err("must be 1900 or 1904".into()),
        }
    }
}

impl Input for SeparatorsInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let decimal = fields.required("decimal");
        let group = fields.required("group");
        Some(Self { decimal: decimal?, group: group? })
    }
}

impl Input for TableInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let address = fields.required("address");
        let columns = fields.required("columns");
        let Texts(columns) = columns?;
        Some(Self { name: name?, address: address?, columns })
    }
}

impl Input for NameInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let name = fields.required("name");
        let formula = fields.required("formula");
        let sheet = fields.optional("sheet");
        Some(Self { name: name?, formula: formula?, sheet: sheet? })
    }
}

impl Input for PivotInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let address = fields.required("address");
        let source = fields.optional("source");
        Some(Self { address: address?, source: source? })
    }
}

impl From<TableInput> for Table {
    fn from(table: TableInput) -> Self {
        Self { name: table.name, address: table.address, columns: table.columns }
    }
}

impl From<NameInput> for Name {
    fn from(name: NameInput) -> Self {
        Self { name: name.name, formula: name.formula, sheet: name.sheet }
    }
}
