//! The sheet that an upload names.

use cells::address::is_sheet_name;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Input, RawValue};
use tally_ranges::domain::{UploadedSheet, Visibility};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// The sheet of a range.
#[derive(ToSchema)]
#[schema(as = RangeSheet)]
pub struct SheetInput {
    /// Its id, which an add-in keeps in the custom properties of the worksheet. A sheet without it
    /// is new.
    #[schema(value_type = Option<String>, format = "uuid")]
    pub id: Option<ResourceId>,
    /// As the workbook has it.
    #[schema(min_length = 1, max_length = 31, example = "P&L")]
    pub name: String,
    /// Whether the workbook shows it. All rows of a hidden sheet count as hidden.
    #[schema(schema_with = visibility, required = false)]
    pub visibility: Visibility,
}

/// The name of a sheet.
struct SheetName(String);

/// Whether a workbook shows a sheet.
struct VisibilityField(Visibility);

fn visibility() -> Schema {
    let names = ["visible", "hidden", "veryHidden", "Visible", "Hidden", "VeryHidden"];
    let description = "Whether the workbook shows it. All rows of a hidden sheet count as hidden.";
    let schema = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
    schema.description(Some(description)).default(Some("visible".into())).into()
}

impl FromField for SheetName {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let name = raw.text()?;
        let refused = || "must be the name of a sheet as Excel takes it".to_owned();
        is_sheet_name(name).then(|| Self(name.to_owned())).ok_or_else(refused)
    }
}

impl FromField for VisibilityField {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "visible" | "Visible" => Ok(Self(Visibility::Visible)),
            "hidden" | "Hidden" => Ok(Self(Visibility::Hidden)),
            "veryHidden" | "VeryHidden" => Ok(Self(Visibility::VeryHidden)),
            _ => Err("must be visible, hidden or veryHidden".into()),
        }
    }
}

impl Input for SheetInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let id = fields.optional("id");
        let name = fields.required("name");
        let visibility = fields.optional("visibility");
        let SheetName(name) = name?;
        let visibility = visibility?.map(|VisibilityField(visibility)| visibility);
        Some(Self { id: id?, name, visibility: visibility.unwrap_or_default() })
    }
}

impl From<SheetInput> for UploadedSheet {
    fn from(sheet: SheetInput) -> Self {
        let SheetInput { id, name, visibility } = sheet;
        Self { id: id.map(String::from), name, visibility }
    }
}
