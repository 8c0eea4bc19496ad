//! Tools by which a model reads ranges. They are functions of cleared cells without I/O, so a tool
//! gives no more than its user may have. Texts from cells stand in a fence, as in prompts. Errors
//! are for the model: they say what would be right, and have nothing of a cell.

mod aggregate;
mod condition;
mod find;
mod list_ranges;
mod read_cells;
mod view;

use cells::grid::{Cleared, Grid};
use cells::names::clean;
use cells::prompt::{CLOSE, OPEN};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

pub use aggregate::{Aggregate, Function, aggregate};
pub use condition::{Condition, Op};
pub use find::{Find, find};
pub use list_ranges::{ListRanges, list_ranges};
pub use read_cells::{ReadCells, read_cells};

/// Bytes of an answer, at most. It is a little more if the last cell is long.
const ANSWER_BYTES: usize = 60_000;

/// Bytes of one text in an answer, at most.
const TEXT_BYTES: usize = 200;

/// A range that a tool may read.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Its id.
    pub id: &'a str,
    /// The name of its sheet.
    pub sheet: &'a str,
    /// The cells that a model may have on behalf of the user.
    pub cells: &'a Cleared<Grid>,
    /// Whether hidden rows and columns may be read.
    pub include_hidden: bool,
}

/// The answer of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For the model.
    pub text: String,
    /// The columns that it came from, with the id of their range.
    pub columns: Vec<(String, Vec<u32>)>,
}

/// A tool as it is described to a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its purpose.
    pub description: &'static str,
    /// JSON Schema of its input.
    pub input_schema: Json,
}

/// The tools.
pub fn tools() -> [Tool; 4] {
    [list_ranges::tool(), read_cells::tool(), find::tool(), aggregate::tool()]
}

/// The input of a tool as a model wrote it.
pub fn input<T: DeserializeOwned>(input: Json) -> Result<T, String> {
    serde_json::from_value(input)
        .map_err(|error| format!("The input is not as the schema of the tool says: {error}."))
}

impl Answer {
    fn of(range: Range<'_>, text: String, columns: Vec<u32>) -> Self {
        Self { text, columns: vec![(range.id.to_owned(), columns)] }
    }
}

/// Lines of JSON in a fence. A `<` in a text is escaped, and so is what a model may take for it. So
/// no text closes the fence.
fn fenced(lines: &[Json]) -> String {
    let mut text = String::from(OPEN);
    for line in lines {
        let line = line.to_string().replace('<', "\\u003c");
        text.push_str(&line.replace('\u{fe64}', "\\ufe64").replace('\u{ff1c}', "\\uff1c"));
        text.push('\n');
    }
    text.push_str(CLOSE);
    text
}

/// A text of a cell, without what a reader does not see, and cut if it is long.
fn shown(text: &str) -> Json {
    let text = clean(text).replace(['\u{2028}', '\u{2029}'], " ");
    let kept = &text[..text.floor_char_boundary(TEXT_BYTES)];
    if kept.len() == text.len() { json!(kept) } else { json!(format!("{kept}…")) }
}

/// The schema of an object with these properties.
fn object(properties: &Json, required: &[&str]) -> Json {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// The property that names a range.
fn range_id() -> Json {
    json!({"type": "string", "description": "Id of a range, as list_ranges gives it."})
}

/// A property that names a column.
fn column() -> Json {
    json!({
        "type": "string",
        "description": "A column by its letter, or by its header as list_ranges gives it.",
    })
}

#[cfg(test)]
mod tests;
