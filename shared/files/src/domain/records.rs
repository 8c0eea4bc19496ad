//! The records of a CSV. A file is cut between them, and a finding has the number of one.

use super::prepared::Reason;

/// The records of a CSV (RFC 4180) as they stand, without the line breaks that end them and without
/// blank lines. A field that begins with a quotation mark may have line breaks. Commas, semicolons,
/// tabs and bars end a field, because programs in other languages than English write those.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    rest: &'a str,
}

impl<'a> Records<'a> {
    /// The records of this text, the header among them.
    pub fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<&'a str, Reason>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = self.rest.trim_start_matches(['\r', '\n']);
        if self.rest.is_empty() {
            return None;
        }
        let Some(end) = end(self.rest.as_bytes()) else {
            self.rest = "";
            return Some(Err(Reason::Unreadable));
        };
        let (record, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(Ok(record))
    }
}

/// Where the first record ends: at a line break, or at the end of the text. Nowhere, if a quotation
/// mark is not closed.
fn end(bytes: &[u8]) -> Option<usize> {
    let mut is_quoted = false;
    let mut may_open = true;
    for (place, byte) in bytes.iter().enumerate() {
        let was_quoted = is_quoted;
        if *byte == b'"' && (is_quoted || may_open) {
            is_quoted = !is_quoted;
        } else if !is_quoted && matches!(byte, b'\r' | b'\n') {
            return Some(place);
        }
        // A doubled quotation mark closes the field and opens it again.
        may_open = !is_quoted && (was_quoted || matches!(byte, b',' | b';' | b'\t' | b'|'));
    }
    (!is_quoted).then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> Vec<Result<&str, Reason>> {
        Records::new(text).collect()
    }

    #[test]
    fn a_record_ends_at_a_line_break_outside_quotation_marks() {
        let cases: [(&str, &[&str]); 14] = [
            ("a,b\n1,2\n", &["a,b", "1,2"]),
            ("a,b\r\n1,2\r\n", &["a,b", "1,2"]),
            ("a,b\r1,2", &["a,b", "1,2"]),
            ("a\n\n\r\nb", &["a", "b"]),
            ("\"a\nb\",c\nd", &["\"a\nb\",c", "d"]),
            ("x,\"a\r\n\r\nb\"\r\nd", &["x,\"a\r\n\r\nb\"", "d"]),
            ("\"a \"\"b\"\"\nc\",d\ne", &["\"a \"\"b\"\"\nc\",d", "e"]),
            ("\"\"\"\n\"\na", &["\"\"\"\n\"", "a"]),
            ("x;\"a\nb\";y\nd", &["x;\"a\nb\";y", "d"]),
            ("x\t\"a\nb\"\nd", &["x\t\"a\nb\"", "d"]),
            ("\"\",\"\"\nd", &["\"\",\"\"", "d"]),
            // A mark within a field opens nothing.
            ("5\" pipe,a\nb", &["5\" pipe,a", "b"]),
            ("5\"\" pipe,a\nb", &["5\"\" pipe,a", "b"]),
            ("\"a\" b \"c\nd", &["\"a\" b \"c", "d"]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|&record| Ok::<_, Reason>(record)).collect();
            assert_eq!(records(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_makes_it_unreadable() {
        assert_eq!(records("a,b\n\"1,2\n3,4\n"), [Ok("a,b"), Err(Reason::Unreadable)]);
    }
}
