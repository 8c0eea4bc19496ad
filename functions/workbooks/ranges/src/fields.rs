//! Fields that several endpoints read: addresses of a range's sheet, and how they are written.

use cells::address::{Address, Area, COLUMNS, ROWS, Style};
use cells::names::fold;
use platform::Problem;
use platform::input::{FromField, RawValue};
use serde_json::Value;
use utoipa::ToSchema;

/// How the addresses of a request are written.
#[derive(Debug, Clone, Copy)]
pub struct StyleField(pub Style);

/// How addresses are written: `B2:D14` or `R2C2:R14C4`.
#[derive(Default, ToSchema)]
#[schema(rename_all = "lowercase")]
#[allow(dead_code, reason = "it is here to be described")]
pub enum AddressStyle {
    /// `B2:D14`
    #[default]
    A1,
    /// `R2C2:R14C4`
    R1C1,
}

/// A list of texts.
pub struct Texts(pub Vec<String>);

impl From<StyleField> for Style {
    fn from(StyleField(style): StyleField) -> Self {
        style
    }
}

impl FromField for StyleField {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "a1" => Ok(Self(Style::A1)),
            "r1c1" => Ok(Self(Style::R1C1)),
            _ => Err("must be a1 or r1c1".into()),
        }
    }
}

impl FromField for Texts {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be a list of texts".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let text = |item: &Value| item.as_str().map(str::to_owned);
        items.iter().map(text).collect::<Option<_>>().map(Self).ok_or_else(wrong)
    }
}

/// The area of an address of a sheet. The address need not name the sheet. The error continues "the
/// address …".
pub fn area_of(text: &str, style: Style, sheet: &str) -> Result<Area, String> {
    let address = Address::parse(text, style).map_err(|error| error.to_string())?;
    match address.sheet {
        Some(other) if fold(&other) != fold(sheet) => Err("names another sheet".into()),
        _ => Ok(address.area),
    }
}

/// The area of an address in a range, for the parameter `name`. Whole columns and whole rows stand
/// for their cells in the range.
pub fn area_within(
    name: &str,
    text: &str,
    style: Style,
    (sheet, range): (&str, Area),
) -> Result<Area, Problem> {
    let refused = |detail: String| Problem::invalid_parameter(name, detail);
    let area = area_of(text, style, sheet).map_err(refused)?;
    let is_whole = area.rows() == ROWS || area.columns() == COLUMNS;
    let inside = area.intersection(range).filter(|inside| is_whole || *inside == area);
    inside.ok_or_else(|| refused(format!("reaches beyond the range {range}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_of_the_range_and_its_sheet() {
        let range = area_of("B2:D14", Style::A1, "P&L").unwrap();
        for (text, style, expected) in [
            ("B2:D14", Style::A1, Ok("B2:D14")),
            ("$C$3", Style::A1, Ok("C3")),
            ("'p&l'!C3", Style::A1, Ok("C3")),
            ("R3C3", Style::R1C1, Ok("C3")),
            ("C:C", Style::A1, Ok("C2:C14")),
            ("A:XFD", Style::A1, Ok("B2:D14")),
            ("3:4", Style::A1, Ok("B3:D4")),
            ("Q1!C3", Style::A1, Err("names another sheet")),
            ("A2:D14", Style::A1, Err("reaches beyond the range B2:D14")),
            ("E:F", Style::A1, Err("reaches beyond the range B2:D14")),
            ("20:20", Style::A1, Err("reaches beyond the range B2:D14")),
            ("B2,D4", Style::A1, Err("names several areas; give one rectangle")),
            ("", Style::A1, Err("is empty; give a rectangle such as A1:D20")),
        ] {
            let found = area_within("address", text, style, ("P&L", range));
            let found = found.map(|area| area.to_string());
            let found = found.map_err(|problem| problem.errors[0].detail.clone());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
