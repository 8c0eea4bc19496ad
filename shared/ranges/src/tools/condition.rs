//! Conditions on rows.

use std::cmp::Ordering;

use cells::names::fold;
use cells::number::Number;
use cells::value::Value;
use platform::input::{Fields, FromField, Input, RawValue};
use serde_json::Value as Json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::view::View;

/// Conditions of one call, at most.
pub const CONDITIONS: usize = 10;

/// A condition on rows.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(as = RowCondition)]
pub struct Condition {
    /// A column by its letter, or by its header as `list_ranges` gives it.
    pub column: String,
    /// How its cell is compared.
    pub op: Op,
    /// The value: a number, a text, a truth value, or null for an empty cell.
    #[schema(schema_with = value, required)]
    pub value: Json,
}

/// A value that is neither a list nor an object.
struct Scalar(Json);

/// How a cell is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(as = RowComparison)]
pub enum Op {
    /// Equal.
    #[schema(rename = "=")]
    Equal,
    /// Not equal.
    #[schema(rename = "!=")]
    Other,
    /// Less.
    #[schema(rename = "<")]
    Less,
    /// Less or equal.
    #[schema(rename = "<=")]
    AtMost,
    /// Greater.
    #[schema(rename = ">")]
    Greater,
    /// Greater or equal.
    #[schema(rename = ">=")]
    AtLeast,
    /// Has the text in it.
    #[schema(rename = "contains")]
    Contains,
}

/// A condition on the rows of one range.
pub struct Compiled {
    pub column: u32,
    op: Op,
    text: String,
    folded: String,
    number: Option<Number>,
}

impl Input for Condition {
    fn read(fields: &mut Fields) -> Option<Self> {
        let column = fields.required("column");
        let op = fields.required("op");
        let is_given = fields.has("value");
        let value = fields.optional::<Scalar>("value");
        if !is_given {
            fields.refuse("value", "is required; null stands for an empty cell");
        }
        let value = value?.map_or(Json::Null, |scalar| scalar.0);
        Some(Self { column: column?, op: op?, value })
    }
}

impl FromField for Scalar {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw {
            RawValue::Json(Json::Array(_) | Json::Object(_)) => {
                Err("must be a text, a number, true, false or null".into())
            }
            RawValue::Json(value) => Ok(Self((*value).clone())),
            RawValue::Text(text) => Ok(Self((*text).into())),
        }
    }
}

impl FromField for Op {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        Ok(match raw.text()? {
            "=" => Self::Equal,
            "!=" => Self::Other,
            "<" => Self::Less,
            "<=" => Self::AtMost,
            ">" => Self::Greater,
            ">=" => Self::AtLeast,
            "contains" => Self::Contains,
            _ => return Err("must be =, !=, <, <=, >, >= or contains".into()),
        })
    }
}

/// The schema of a condition's value.
fn value() -> Schema {
    let types = [Type::String, Type::Number, Type::Boolean, Type::Null];
    let description = "A value like those of the column, or null for an empty cell. Texts are \
                       compared without regard to case. Dates are like 2024-02-29. 12 % is 0.12.";
    let value = ObjectBuilder::new().schema_type(SchemaType::from_iter(types));
    value.description(Some(description)).into()
}

impl Condition {
    /// The condition on the rows of a range.
    pub fn compile(&self, view: &View<'_>) -> Result<Compiled, String> {
        let text = match &self.value {
            Json::String(text) => text.clone(),
            Json::Null => String::new(),
            other => other.to_string(),
        };
        Ok(Compiled {
            column: view.column(&self.column)?,
            op: self.op,
            folded: fold(&text),
            number: Number::parse(text.trim()).map(|(number, _)| number),
            text,
        })
    }
}

impl Compiled {
    /// Whether a row meets the condition; `None` if its cell is withheld.
    pub fn is_met(&self, view: &View<'_>, row: u32) -> Option<bool> {
        let value = view.value(row, self.column)?;
        if self.op == Op::Contains {
            return Some(fold(&value.to_string()).contains(&self.folded));
        }
        let order = self.order(value);
        Some(match self.op {
            Op::Equal => order == Some(Ordering::Equal),
            Op::Other => order != Some(Ordering::Equal),
            Op::Less => order == Some(Ordering::Less),
            Op::AtMost => order.is_some_and(Ordering::is_le),
            Op::Greater => order == Some(Ordering::Greater),
            Op::AtLeast => order.is_some_and(Ordering::is_ge),
            Op::Contains => false,
        })
    }

    /// The order of a cell and the value. Texts have none, unless they are equal.
    fn order(&self, value: &Value) -> Option<Ordering> {
        if let (Some(cell), Some(number)) = (value.number(), self.number) {
            return Some(cell.cmp(&number));
        }
        let text = value.to_string();
        // Dates in ISO 8601 have the order of their texts.
        if matches!(value, Value::Moment(_)) && self.text.starts_with(|c: char| c.is_ascii_digit())
        {
            return Some(text.as_str().cmp(self.text.trim()));
        }
        (fold(&text) == self.folded).then_some(Ordering::Equal)
    }
}
