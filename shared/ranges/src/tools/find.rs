//! `find`: the cells that have a text.

use cells::address::column_letters;
use cells::names::fold;
use cells::number::Number;
use cells::value::Value;
use serde::Deserialize;
use serde_json::json;

use super::view::View;
use super::{Answer, Range, Tool, column, fenced, object, range_id, shown};

/// Cells that an answer lists, at most.
const LISTED: usize = 100;

/// Characters of the text to find, at most.
const LONGEST: usize = 200;

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// The range.
    pub range_id: String,
    /// The text, or a number.
    pub text: String,
    /// Whether the text has to be all of a cell.
    #[serde(default)]
    pub whole_cell: bool,
    /// The columns to look at, by letters or headers. Without it, all are meant.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
}

pub fn tool() -> Tool {
    Tool {
        name: "find",
        description: "Finds the cells of a range that have a text in them, in any case, or that \
                      are a number. It lists the first 100 with their addresses and counts all. \
                      \"complete\" is false if the user may not give you some of the cells that it \
                      would look at: then say that there may be more.",
        input_schema: object(
            &json!({
                "range_id": range_id(),
                "text": {
                    "type": "string", "minLength": 1, "maxLength": LONGEST,
                    "description": "The text, or a number like 1234.5, or a date like 2024-02-29.",
                },
                "whole_cell": {
                    "type": "boolean", "default": false,
                    "description": "Whether the text has to be all of a cell.",
                },
                "columns": {
                    "type": "array", "items": column(),
                    "description": "The columns to look at. Without it, all are meant.",
                },
            }),
            &["range_id", "text"],
        ),
    }
}

/// Finds cells.
pub fn find(range: Range<'_>, input: &Find) -> Result<Answer, String> {
    let wanted = fold(&input.text);
    if wanted.is_empty() || input.text.chars().count() > LONGEST {
        return Err(format!(
            "The text must have 1 to {LONGEST} characters, not all of them blank."
        ));
    }
    let view = View::new(range);
    let columns = match &input.columns {
        Some(names) => names.iter().map(|name| view.column(name)).collect::<Result<Vec<_>, _>>()?,
        None => view.columns.clone(),
    };
    let number = Number::parse(input.text.trim()).map(|(number, _)| number);
    let is_found = |value: &Value| match (value.number(), number) {
        (Some(cell), Some(number)) => cell == number,
        _ if value.is_empty() => false,
        _ => {
            let text = fold(&value.to_string());
            if input.whole_cell { text == wanted } else { text.contains(&wanted) }
        }
    };
    let mut hits = Vec::new();
    // Where no column is named, withheld columns would be looked at too.
    let mut is_complete = input.columns.is_some() || range.cells.withheld().columns == 0;
    let mut count = 0_u64;
    for &row in &view.rows {
        for &column in &columns {
            let Some(value) = view.value(row, column) else {
                is_complete = false;
                continue;
            };
            if is_found(value) {
                count += 1;
                if hits.len() < LISTED {
                    let cell = format!("{}{}", column_letters(column), row + 1);
                    hits.push(json!([cell, shown(&value.to_string())]));
                }
            }
        }
    }
    let head = json!({"range": view.address(), "found": count, "complete": is_complete});
    let lines: Vec<_> = [head].into_iter().chain(hits).collect();
    Ok(Answer::of(range, fenced(&lines), columns))
}
