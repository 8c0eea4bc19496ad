//! CSV (RFC 4180): cut between records into parts that repeat the header.

use std::mem;

use tally_files::domain::{PART_BYTES, Reason, Records, Span};

use crate::piece::{Piece, Pieces};

/// The parts of a CSV.
pub fn split(text: &str) -> Result<Pieces, Reason> {
    let mut records = Records::new(text);
    let header = records.next().ok_or(Reason::Empty)??;
    let mut pieces = Pieces::default();
    let mut part = Part { header, text: format!("{header}\n"), rows: None };
    for (row, record) in (1..).zip(records) {
        part.add(row, record?, &mut pieces)?;
    }
    part.end(&mut pieces)?;
    if pieces.is_empty() { Err(Reason::Empty) } else { Ok(pieces) }
}

/// A part that grows.
struct Part<'a> {
    header: &'a str,
    text: String,
    rows: Option<(u32, u32)>,
}

impl Part<'_> {
    fn add(&mut self, row: u32, record: &str, pieces: &mut Pieces) -> Result<(), Reason> {
        if self.header.len() + record.len() + 2 > PART_BYTES {
            return Err(Reason::TooLarge);
        }
        if self.text.len() + record.len() + 1 > PART_BYTES {
            self.end(pieces)?;
        }
        self.text.push_str(record);
        self.text.push('\n');
        self.rows = Some((self.rows.map_or(row, |(first, _)| first), row));
        Ok(())
    }

    fn end(&mut self, pieces: &mut Pieces) -> Result<(), Reason> {
        let Some((first, last)) = self.rows.take() else { return Ok(()) };
        let text = mem::replace(&mut self.text, format!("{}\n", self.header));
        pieces.push(Piece {
            path: None,
            span: Span::Rows(first, last),
            bytes: text.into_bytes(),
            texts: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(Span, String)> {
        let parts = split(text).unwrap().into_iter();
        parts.map(|part| (part.span, String::from_utf8(part.bytes).unwrap())).collect()
    }

    #[test]
    fn each_part_repeats_the_header() {
        let row = format!("\"{}\r\n\"\"{}\",1", "x".repeat(400), "y".repeat(600));
        let text = format!("id,\"the\nname\"\r\n{}", format!("{row}\r\n").repeat(130));
        let parts = parts(&text);
        assert!(parts.iter().all(|(_, part)| part.len() <= PART_BYTES));
        let spans: Vec<_> = parts.iter().map(|(span, _)| *span).collect();
        assert_eq!(spans, [Span::Rows(1, 59), Span::Rows(60, 118), Span::Rows(119, 130)]);
        for (span, part) in &parts {
            let Span::Rows(first, last) = *span else { panic!("{span:?}") };
            let rows = usize::try_from(last - first + 1).unwrap();
            let expected = format!("id,\"the\nname\"\n{}", format!("{row}\n").repeat(rows));
            assert_eq!(*part, expected);
        }
    }

    #[test]
    fn rows_are_counted_without_header_and_blank_lines() {
        let expected = (Span::Rows(1, 2), "a,b\n1,2\n3,4\n".to_owned());
        assert_eq!(parts("\na,b\n\n1,2\r\n\r\n3,4"), [expected]);
    }

    #[test]
    fn what_has_no_rows_or_too_long_ones_is_refused() {
        let long = "x".repeat(PART_BYTES);
        let cases = [
            ("a,b\n\"1,2\n3,4\n".to_owned(), Reason::Unreadable),
            ("a,b\n".to_owned(), Reason::Empty),
            ("\n\n".to_owned(), Reason::Empty),
            (format!("a\n{long}"), Reason::TooLarge),
            (format!("{long}\na"), Reason::TooLarge),
            (format!("a\n{}", format!("{}\n", &long[4..]).repeat(501)), Reason::TooLarge),
        ];
        for (text, expected) in cases {
            assert_eq!(split(&text), Err(expected), "{}", &text[..text.len().min(20)]);
        }
    }
}
