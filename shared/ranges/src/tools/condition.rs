//! Conditions on rows.

use std::cmp::Ordering;

use cells::names::fold;
use cells::number::Number;
use cells::value::Value;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::column;
use super::view::View;

/// Conditions of one call, at most.
pub const CONDITIONS: usize = 10;

/// A condition on rows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// A column, by letter or header.
    pub column: String,
    /// How its cell is compared.
    pub op: Op,
    /// The value: a number, a text, a truth value, or null for an empty cell.
    pub value: Json,
}

/// How a cell is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Op {
    /// Equal.
    #[serde(rename = "=")]
    Equal,
    /// Not equal.
    #[serde(rename = "!=")]
    Other,
    /// Less.
    #[serde(rename = "<")]
    Less,
    /// Less or equal.
    #[serde(rename = "<=")]
    AtMost,
    /// Greater.
    #[serde(rename = ">")]
    Greater,
    /// Greater or equal.
    #[serde(rename = ">=")]
    AtLeast,
    /// Has the text in it.
    #[serde(rename = "contains")]
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

/// The schema of a list of conditions.
pub fn schema() -> Json {
    json!({
        "type": "array",
        "maxItems": CONDITIONS,
        "description": "Conditions of which a row has to meet all.",
        "items": {
            "type": "object",
            "properties": {
                "column": column(),
                "op": {"type": "string", "enum": ["=", "!=", "<", "<=", ">", ">=", "contains"]},
                "value": {
                    "type": ["string", "number", "boolean", "null"],
                    "description": "Texts are compared without regard to case. Dates are like \
                                    2024-02-29. 12 % is 0.12. null is an empty cell.",
                },
            },
            "required": ["column", "op", "value"],
            "additionalProperties": false,
        },
    })
}

impl Condition {
    /// The condition on the rows of a range.
    pub fn compile(&self, view: &View<'_>) -> Result<Compiled, String> {
        let text = match &self.value {
            Json::String(text) => text.clone(),
            Json::Number(number) => number.to_string(),
            Json::Bool(is) => is.to_string(),
            Json::Null => String::new(),
            Json::Array(_) | Json::Object(_) => {
                return Err("A value in where is a text, a number, true, false or null.".to_owned());
            }
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
