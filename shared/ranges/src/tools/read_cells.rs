//! `read_cells`: the cells of a rectangle.

use cells::prompt::Options;
use serde::Deserialize;
use serde_json::json;

use super::{ANSWER_BYTES, Answer, Range, Tool, object, range_id};

/// Cells that are read at once, at most.
const CELLS: u64 = 2_000;

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadCells {
    /// The range.
    pub range_id: String,
    /// The rectangle.
    pub address: String,
}

pub fn tool() -> Tool {
    Tool {
        name: "read_cells",
        description: "Reads the cells of a rectangle of a range, at most 2,000. The first line has \
                      the letter, header and type of each column. Each other line is a row: its \
                      number in the sheet, then its values. \"#WITHHELD\" stands for a cell that \
                      the user may not give you: never guess it.",
        input_schema: object(
            &json!({
                "range_id": range_id(),
                "address": {
                    "type": "string",
                    "description": "A rectangle of the range's sheet in A1 notation, like B2:D14.",
                },
            }),
            &["range_id", "address"],
        ),
    }
}

/// Reads cells.
pub fn read_cells(range: Range<'_>, input: &ReadCells) -> Result<Answer, String> {
    let area = range.part(&input.address)?;
    if area.cells() > CELLS {
        return Err(format!(
            "The address has {} cells of the range. Read at most {CELLS} at once, or use aggregate \
             or find.",
            area.cells()
        ));
    }
    let options = Options { include_hidden: range.include_hidden, max_bytes: ANSWER_BYTES };
    let excerpt = range.cells.prompt(range.sheet, area, options);
    let mut text = excerpt.text;
    if !excerpt.is_whole {
        let note = format!(
            "Only the first {} rows are given, because the texts are long. Read the others by \
             another address.\n",
            excerpt.rows
        );
        text.push_str(&note);
    }
    Ok(Answer::of(range, text, excerpt.columns))
}
