//! Lines of comma-separated values (RFC 4180) that a person can open in a spreadsheet.

use std::fmt::Display;

use crate::issue::is_formula_like;

/// A line under construction.
#[derive(Debug, Default)]
pub struct Line(String);

impl Line {
    /// Adds a cell with text. An apostrophe goes before text that a spreadsheet would run as a
    /// formula.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.cell(&if is_formula_like(text) { format!("'{text}") } else { text.to_owned() })
    }

    /// Adds a cell with a number, which stays as it is.
    #[must_use]
    pub fn number(self, number: impl Display) -> Self {
        self.cell(&number.to_string())
    }

    /// The whole line with its end.
    pub fn end(mut self) -> String {
        // The comma behind the last cell.
        self.0.pop();
        self.0.push_str("\r\n");
        self.0
    }

    fn cell(mut self, content: &str) -> Self {
        if content.contains(['"', ',', '\r', '\n']) {
            self.0.extend(["\"", &content.replace('"', "\"\""), "\""]);
        } else {
            self.0.push_str(content);
        }
        self.0.push(',');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_cell_is_quoted_where_it_must_be_and_never_a_formula() {
        for (text, expected) in [
            ("", ""),
            ("plain text", "plain text"),
            ("é 😀", "é 😀"),
            ("a,b", "\"a,b\""),
            ("a \"b\"", "\"a \"\"b\"\"\""),
            ("a\r\nb", "\"a\r\nb\""),
            ("a-b=c+d@e", "a-b=c+d@e"),
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("  =1+1", "'  =1+1"),
            ("\ttext", "'\ttext"),
            ("\rtext", "\"'\rtext\""),
            ("\n=1", "\"'\n=1\""),
            ("＝1+1", "'＝1+1"),
            ("=HYPERLINK(\"x\",1)", "\"'=HYPERLINK(\"\"x\"\",1)\""),
        ] {
            assert_eq!(Line::default().text(text).end(), format!("{expected}\r\n"), "{text:?}");
        }
    }

    #[test]
    fn cells_stand_in_their_order_and_numbers_stay_as_they_are() {
        let line = Line::default().text("").number(-12).text("a").number("-3.50").text("");
        assert_eq!(line.end(), ",-12,a,-3.50,\r\n");
    }
}
