//! The cells that a message is about, as its sender names them.

use cells::address::{Address, Area};
use cells::names::fold;
use platform::domain::ResourceId;
use platform::input::{Fields, FromField, Input, Items, RawValue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Ranges of one message, at most.
const MOST_RANGES: usize = 5;

/// The cells that a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChatContext {
    /// Ranges of workbooks. The model gets the cells that you may read and give to a model, at most
    /// 60 KB together. Of a larger range it gets statistics and the first rows.
    #[schema(min_items = 1, max_items = 5)]
    pub ranges: Vec<ContextRange>,
    /// Whether the model gets hidden rows and columns too.
    #[schema(value_type = Option<bool>, default = false)]
    pub include_hidden: bool,
}

/// A range that a message is about, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ContextRange {
    /// Id of the range.
    #[schema(format = "uuid")]
    pub range_id: String,
    /// The part of the range, in A1 notation. Without it, the whole range is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 400, example = "A1:D20")]
    pub address: Option<RangeAddress>,
}

/// An address in a range. If it names a sheet, this must be the sheet of the range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RangeAddress(Address);

impl ContextRange {
    /// The cells that it means in a range of this sheet with this area. The error continues "the
    /// address …".
    pub fn area(&self, sheet: &str, whole: Area) -> Result<Area, String> {
        let Some(RangeAddress(Address { sheet: named, area })) = &self.address else {
            return Ok(whole);
        };
        if named.as_deref().is_some_and(|named| fold(named) != fold(sheet)) {
            return Err("names another sheet than that of the range".to_owned());
        }
        area.intersection(whole).ok_or_else(|| format!("has no cell of the range {whole}"))
    }
}

impl Input for ChatContext {
    fn read(fields: &mut Fields) -> Option<Self> {
        let ranges = fields.required::<Items<ContextRange>>("ranges");
        let include_hidden = fields.optional("include_hidden");
        let Items(ranges) = ranges?;
        if !(1..=MOST_RANGES).contains(&ranges.len()) {
            fields.refuse("ranges", "must be 1 to 5 ranges");
        }
        Some(Self { ranges, include_hidden: include_hidden?.unwrap_or_default() })
    }
}

impl Input for ContextRange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let range_id = fields.required::<ResourceId>("range_id");
        let address = fields.optional("address");
        Some(Self { range_id: range_id?.into(), address: address? })
    }
}

impl FromField for RangeAddress {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text()?.to_owned().try_into()
    }
}

impl TryFrom<String> for RangeAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse().map(Self).map_err(|error: cells::address::AddressError| error.to_string())
    }
}

impl From<RangeAddress> for String {
    fn from(address: RangeAddress) -> Self {
        address.0.to_string()
    }
}

#[cfg(test)]
mod tests {
    use platform::input::Inner;
    use serde_json::{Value, json};

    use super::*;

    const ID: &str = "019a0000-0000-7000-8000-000000000000";

    fn read(value: &Value) -> Result<ChatContext, String> {
        Inner::read(&RawValue::Json(value)).map(|Inner(context)| context)
    }

    #[test]
    fn a_context_is_read_or_its_first_fault_is_named_with_its_place() {
        let range = || json!({"range_id": ID});
        let at = |address: &str| json!({"ranges": [range(), {"range_id": ID, "address": address}]});
        for (value, expected) in [
            (json!({"ranges": [range()]}), None),
            (json!({"ranges": vec![range(); 5], "include_hidden": true}), None),
            (at("$A$1:D20"), None),
            (at("'It''s'!A:C"), None),
            (json!({"ranges": [{"range_id": ID, "address": null}]}), None),
            (json!([]), Some("must be an object")),
            (json!({}), Some("has a fault at /ranges: is required")),
            (json!({"ranges": []}), Some("has a fault at /ranges: must be 1 to 5 ranges")),
            (
                json!({"ranges": vec![range(); 6]}),
                Some("has a fault at /ranges: must be 1 to 5 ranges"),
            ),
            (
                json!({"ranges": [range(), {}]}),
                Some("has a fault at /ranges/1/range_id: is required"),
            ),
            (
                json!({"ranges": [{"range_id": "r-1"}]}),
                Some("has a fault at /ranges/0/range_id: must be a UUID"),
            ),
            (
                json!({"ranges": [range()], "include_hidden": 1}),
                Some("has a fault at /include_hidden: must be true or false"),
            ),
            (
                json!({"ranges": [{"range_id": ID, "columns": []}]}),
                Some("has a fault at /ranges/0/columns: is unknown: leave it out"),
            ),
            (
                at("A1,B2"),
                Some("has a fault at /ranges/1/address: names several areas; give one rectangle"),
            ),
            (
                at("[Book]S!A1"),
                Some(
                    "has a fault at /ranges/1/address: names another workbook; give a rectangle \
                     of this one",
                ),
            ),
        ] {
            assert_eq!(read(&value).err().as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn the_cells_meant_are_those_of_the_range() {
        let whole = "B2:D14".parse::<Address>().unwrap().area;
        for (address, expected) in [
            (None, Ok("B2:D14")),
            (Some("C3:C4"), Ok("C3:C4")),
            (Some("A1:C4"), Ok("B2:C4")),
            (Some("c:c"), Ok("C2:C14")),
            (Some("'p&l'!B2"), Ok("B2")),
            (Some("Other!B2"), Err("names another sheet than that of the range")),
            (Some("A1"), Err("has no cell of the range B2:D14")),
        ] {
            let address = address.map(|text| text.to_owned().try_into().unwrap());
            let range = ContextRange { range_id: ID.to_owned(), address };
            let found = range.area("P&L", whole).map(|area| area.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{range:?}");
        }
    }

    #[test]
    fn what_is_stored_is_read_again() {
        let value = json!({"ranges": [
            {"range_id": ID, "address": "'It''s'!A1:C4"},
            {"range_id": ID},
        ], "include_hidden": false});
        let context = read(&value).unwrap();
        assert_eq!(serde_json::to_value(&context).unwrap(), value);
        assert_eq!(serde_json::from_value::<ChatContext>(value).unwrap(), context);
    }
}
