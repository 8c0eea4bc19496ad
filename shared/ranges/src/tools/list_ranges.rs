//! `list_ranges`: the ranges that the model may read.

use serde::Deserialize;
use serde_json::json;

use super::view::View;
use super::{ANSWER_BYTES, Answer, Range, Tool, fenced, object};

/// The input.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListRanges {}

pub fn tool() -> Tool {
    Tool {
        name: "list_ranges",
        description: "Lists the ranges of cells that you may read: the id, the address, the number \
                      of rows below the headers, and the letter, header and type of each column. \
                      Call it first. Columns that the user may not give you are not listed.",
        input_schema: object(&json!({}), &[]),
    }
}

/// Lists ranges.
pub fn list_ranges(ranges: &[Range<'_>]) -> Answer {
    let (mut lines, mut columns) = (Vec::new(), Vec::new());
    let mut bytes = 0;
    for range in ranges {
        let view = View::new(*range);
        let about: Vec<_> = view.columns.iter().map(|column| view.about(*column)).collect();
        let line = json!({
            "range_id": range.id,
            "range": view.address(),
            "rows": view.rows.len(),
            "columns": about,
        });
        bytes += line.to_string().len();
        if bytes > ANSWER_BYTES && !lines.is_empty() {
            break;
        }
        columns.push((range.id.to_owned(), view.columns));
        lines.push(line);
    }
    let mut text = fenced(&lines);
    if lines.len() < ranges.len() {
        text.push_str("Not all ranges are listed: their columns are too many.\n");
    }
    Answer { text, columns }
}
