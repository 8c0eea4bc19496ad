//! What a batch does with each row, and what that means for a call: its prompt, the values of the
//! prompt's variables, and the tokens of an answer.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tally_access::domain::Letter;
use tally_prompts::domain::{PromptName, Values};
use utoipa::ToSchema;

/// Tokens of an answer, beside those of its rows.
const BASE_TOKENS: u64 = 200;

/// What a batch does with each row. `clean`: converts the values of a column to a type. `classify`:
/// gives the row one of the labels, or several. `extract`: takes fields from the texts of the row.
/// `explain`: explains the row in words. `summarize`: sums the row up in a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "lowercase")]
#[schema(as = BatchOperation)]
pub enum Operation {
    /// Converts the values of a column to a type.
    Clean {
        /// The letter of the column. It is one of the input columns; the others help to understand
        /// its values.
        #[schema(value_type = String, example = "C")]
        column: Letter,
        /// The type.
        to: CleanTo,
    },
    /// Gives the row a label.
    Classify {
        /// The labels: 2 to 50 different texts of 1 to 200 characters.
        #[schema(min_items = 2, max_items = 50, example = json!(["paid", "open"]))]
        labels: Vec<String>,
        /// Whether a row may have any number of labels. Otherwise it has one.
        #[serde(default)]
        #[schema(required = false, default = false)]
        multi: bool,
    },
    /// Takes fields from the texts of the row.
    Extract {
        /// The fields: 1 to 20, with different names, at most 20,000 bytes of JSON.
        #[schema(min_items = 1, max_items = 20)]
        fields: Vec<Field>,
    },
    /// Explains the row in words.
    Explain,
    /// Sums the row up in a few words.
    Summarize,
}

/// The type to which values are converted. `text`: tidy text. `number`: a number. `date`: a day, or
/// a day with a time, in ISO 8601. `currency`: an amount with its currency, `{"amount": "12.50",
/// "currency": "EUR"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BatchCleanTo)]
pub enum CleanTo {
    /// Tidy text.
    Text,
    /// A number.
    Number,
    /// A day, or a day with a time.
    Date,
    /// An amount with its currency.
    Currency,
}

/// A field to take from the texts of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BatchField)]
pub struct Field {
    /// The name, by which the output has the value.
    #[schema(pattern = "^[A-Za-z0-9_.-]{1,64}$", example = "supplier")]
    pub name: String,
    /// The type of its values.
    pub r#type: FieldType,
    /// The values of a text, if it is one of some: 1 to 50 different texts of 1 to 200 characters.
    #[serde(rename = "enum", default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_items = 1, max_items = 50)]
    pub values: Option<Vec<String>>,
}

/// The type of a field's values. A field that the row does not have is null. `number`: the output
/// lists it as ungrounded if the row does not have the number. `date`: a day, or a day with a time,
/// in ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = BatchFieldType)]
pub enum FieldType {
    /// A text.
    Text,
    /// A number.
    Number,
    /// A day, or a day with a time.
    Date,
    /// `true` or `false`.
    Boolean,
}

impl Operation {
    /// The word that is stored and sent.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Clean { .. } => "clean",
            Self::Classify { .. } => "classify",
            Self::Extract { .. } => "extract",
            Self::Explain => "explain",
            Self::Summarize => "summarize",
        }
    }

    /// The prompt. It is the one that is built in, unless an editor has saved a version of it.
    pub fn prompt(&self) -> PromptName {
        format!("excel.{}", self.as_str()).parse().unwrap_or_default()
    }

    /// Tokens of an answer about so many rows, at most.
    pub fn max_tokens(&self, rows: u32) -> u64 {
        let of_row = match self {
            Self::Clean { .. } => 40,
            Self::Classify { .. } => 20,
            Self::Extract { fields } => 40 * fields.len() as u64,
            Self::Explain | Self::Summarize => 150,
        };
        BASE_TOKENS + of_row * u64::from(rows)
    }

    /// The values of the prompt's variables. Without instructions of the user, that variable has
    /// none.
    pub fn variables(&self, instructions: Option<&str>) -> Values {
        let mut values = Map::new();
        let mut set = |name: &str, value: Value| values.insert(name.to_owned(), value);
        match self {
            Self::Clean { column, to } => {
                set("column", column.to_string().into());
                set("to", json!(to));
            }
            Self::Classify { labels, multi } => {
                set("labels", json!(labels));
                set("multi", json!(multi));
            }
            Self::Extract { fields } => {
                set("fields", json!(fields));
            }
            Self::Explain | Self::Summarize => {}
        }
        if let Some(instructions) = instructions {
            set("instructions", instructions.into());
        }
        values.into()
    }

    /// Characters of a text in an output, at most.
    pub const fn longest_text(&self) -> usize {
        match self {
            Self::Clean { .. } | Self::Classify { .. } | Self::Extract { .. } => 1_000,
            Self::Explain | Self::Summarize => 2_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::input::{FromField as _, Inner, RawValue};
    use tally_prompts::built_in;

    use super::*;

    fn read(value: &Value) -> Operation {
        let Inner(operation) = Inner::read(&RawValue::Json(value)).unwrap();
        operation
    }

    fn all() -> [Value; 6] {
        [
            json!({"type": "clean", "column": "C", "to": "currency"}),
            json!({"type": "classify", "labels": ["a", "b"], "multi": false}),
            json!({"type": "classify", "labels": ["a", "b"], "multi": true}),
            json!({"type": "extract", "fields": [
                {"name": "net.amount", "type": "number"},
                {"name": "State_1-x", "type": "text", "enum": ["open", "paid"]},
            ]}),
            json!({"type": "explain"}),
            json!({"type": "summarize"}),
        ]
    }

    #[test]
    fn an_operation_is_stored_as_it_is_sent() {
        for value in all() {
            let operation = read(&value);
            assert_eq!(json!(operation), value);
            assert_eq!(serde_json::from_value::<Operation>(value).unwrap(), operation);
        }
        let plain = read(&json!({"type": "classify", "labels": ["a", "b"]}));
        assert_eq!(plain, read(&all()[1]));
    }

    #[test]
    fn an_answer_has_tokens_for_each_row() {
        for (value, rows, tokens) in [
            (0, 20, 200 + 20 * 40),
            (1, 20, 200 + 20 * 20),
            (3, 10, 200 + 10 * 80),
            (4, 50, 200 + 50 * 150),
            (5, 1, 350),
            (5, 0, 200),
        ] {
            assert_eq!(read(&all()[value]).max_tokens(rows), tokens, "{value} {rows}");
        }
    }

    #[test]
    fn the_prompt_that_is_built_in_takes_the_values() {
        let today = jiff::civil::date(2026, 1, 31);
        for value in all() {
            let operation = read(&value);
            let version = built_in(&operation.prompt()).unwrap();
            for instructions in [None, Some("Only German.")] {
                let values = operation.variables(instructions);
                let rendered = version.render(&values, "<cells>\n</cells>\n", today).unwrap();
                assert!(rendered.user.contains("<cells>"), "{value}");
                assert_eq!(rendered.user.contains("Only German."), instructions.is_some());
                assert!(!rendered.system.contains("{{"), "{value}");
            }
        }
    }
}
