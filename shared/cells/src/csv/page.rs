//! Cells of a range as comma-separated values, in pages.

use super::Line;
use crate::address::Cell;
use crate::grid::{Cleared, Grid};
use crate::value::Value;

/// Most rows of a page.
pub const MAX_ROWS: usize = 5_000;

/// Most bytes of a page by [`weigh`], unless one row has more.
pub const MAX_BYTES: usize = 4 << 20;

/// Rows of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub text: String,
    /// The first row of the next page, from zero in the sheet.
    pub next: Option<u32>,
}

/// Bytes of a text as a JSON string without its quotes. Lambda sends and counts an answer so.
pub fn weigh(text: &str) -> usize {
    let weight = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
        0..=0x1f => 6,
        _ => 1,
    };
    text.bytes().map(weight).sum()
}

impl Cleared<Grid> {
    /// Rows from one on, as many as a page may have. Withheld columns are left out, and another
    /// withheld cell is empty.
    pub fn csv(&self, from: u32) -> Page {
        let columns: Vec<_> = self.shown_columns().collect();
        let mut text = String::new();
        let mut weight = 0;
        let rows = from.max(self.area().first().row)..=self.area().last().row;
        for (count, row) in rows.enumerate() {
            let cells = columns.iter().map(|&column| self.value(Cell { row, column }));
            let line = cells.fold(Line::default(), add).end();
            weight += weigh(&line);
            let is_full = count >= MAX_ROWS || weight > MAX_BYTES;
            if is_full && count > 0 {
                return Page { text, next: Some(row) };
            }
            text.push_str(&line);
        }
        Page { text, next: None }
    }
}

fn add(line: Line, value: Option<&Value>) -> Line {
    match value {
        None | Some(Value::Empty) => line.text(""),
        Some(Value::Boolean(true)) => line.text("TRUE"),
        Some(Value::Boolean(false)) => line.text("FALSE"),
        Some(Value::Text(text) | Value::Error(text)) => line.text(text),
        // These begin with a digit or a minus that is theirs.
        Some(value) => line.number(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::grid::{Denied, grid};
    use crate::layout::Layout;

    #[test]
    fn numbers_stay_numbers_and_text_is_no_formula() {
        let body = json!({
            "address": "B2:F3",
            "values": [
                [-5, "(1,234.50)", "=1+1", "-", true],
                [60, "#N/A", "a,\"b\"", "\t", ""],
            ],
            "number_formats": [["", "", "", "", ""], ["d/m/yy", "", "", "", ""]],
        });
        let page = grid(body, 0, Layout::default()).clear(&Denied(&[])).csv(0);
        let lines = "-5,-1234.5,'=1+1,'-,TRUE\r\n1900-02-29,#N/A,\"a,\"\"b\"\"\",'\t,\r\n";
        assert_eq!(page, Page { text: lines.to_owned(), next: None });
    }

    #[test]
    fn what_is_withheld_is_left_out() {
        let body = json!({
            "address": "A1:C2",
            "values": [["Pay", "Twice", "Name"], [5, 10, "Ann"]],
            "formulas": [["Pay", "Twice", "Name"], [5, "=A2*2", "Ann"]],
        });
        let page = grid(body, 1, Layout::default()).clear(&Denied(&[0])).csv(0);
        assert_eq!(page.text, "Twice,Name\r\n,Ann\r\n");
    }

    #[test]
    fn pages_are_bounded_and_follow_each_other() {
        let body = json!({"address": "A3:A12002", "values": 1});
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[]));
        let mut from = Some(0);
        let mut lines = Vec::new();
        while let Some(row) = from {
            let page = cleared.csv(row);
            lines.push(page.text.lines().count());
            from = page.next;
        }
        assert_eq!(lines, [5_000, 5_000, 2_000]);
        let body = json!({"address": "A1:A200", "values": "x".repeat(30_000)});
        let cleared = grid(body, 0, Layout::default()).clear(&Denied(&[]));
        let page = cleared.csv(0);
        assert!(page.text.len() <= MAX_BYTES);
        assert_eq!(page.next, Some(139));
    }

    #[test]
    fn a_text_weighs_what_it_is_as_json() {
        for text in ["", "abc", "\"\\", "a\r\n\tb", "\u{0}\u{1}\u{8}\u{c}\u{1f}", "é😀\u{7f}"] {
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(weigh(text) + 2, json.len(), "{text:?}");
        }
        let body = json!({"address": "A1:A200", "values": "\"".repeat(15_000)});
        let page = grid(body, 0, Layout::default()).clear(&Denied(&[])).csv(0);
        assert!(weigh(&page.text) <= MAX_BYTES);
        assert_eq!(page.next, Some(69));
    }
}
