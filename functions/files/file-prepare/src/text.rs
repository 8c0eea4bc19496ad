//! Text: checked, and cut into parts of numbered lines.

use std::fmt::Write as _;
use std::mem;

use tally_files::domain::{Reason, Span};

use crate::piece::{PART_BYTES, Piece, Pieces};

/// The mark with which some programs begin a text. It is no part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// Bytes around a line, at most: its number, a tab and the line feed.
const AROUND: usize = 12;

/// The text of a file. It is UTF-8, and has no control characters but those of texts and logs.
pub fn decode(bytes: &[u8]) -> Result<&str, Reason> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let text = str::from_utf8(bytes).map_err(|_| Reason::NotText)?;
    if text.bytes().any(is_binary) {
        return Err(Reason::NotText);
    }
    if text.trim().is_empty() { Err(Reason::Empty) } else { Ok(text) }
}

/// Whether the first bytes of a file show that it is no text. A character may be cut at their end.
pub fn begins_binary(bytes: &[u8]) -> bool {
    let is_wrong = str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some());
    is_wrong || bytes.iter().copied().any(is_binary)
}

/// Whether a byte is a control character that no text has. Texts have line breaks, tabs and form
/// feeds. Logs of terminals have bells, backspaces and escapes.
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=0x06 | 0x0E..=0x1A | 0x1C..=0x1F | 0x7F)
}

/// Adds the parts of a text: its lines, each behind its number and a tab. A line that is longer
/// than a part is cut between characters. Each of its pieces but the last one is a part of its own.
pub fn split(text: &str, path: Option<&str>, pieces: &mut Pieces) -> Result<(), Reason> {
    const ROOM: usize = PART_BYTES - AROUND;
    let mut part = Part { path, text: String::new(), lines: None };
    for (number, line) in (1..).zip(text.lines()) {
        let mut rest = line;
        while rest.len() > ROOM {
            let (first, after) = rest.split_at(rest.floor_char_boundary(ROOM));
            part.end(pieces)?;
            part.add(number, first);
            part.end(pieces)?;
            rest = after;
        }
        if part.text.len() + rest.len() > ROOM {
            part.end(pieces)?;
        }
        part.add(number, rest);
    }
    part.end(pieces)
}

/// A part that grows.
struct Part<'a> {
    path: Option<&'a str>,
    text: String,
    lines: Option<(u32, u32)>,
}

impl Part<'_> {
    fn add(&mut self, number: u32, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{number}\t{line}");
        self.lines = Some((self.lines.map_or(number, |(first, _)| first), number));
    }

    fn end(&mut self, pieces: &mut Pieces) -> Result<(), Reason> {
        let Some((first, last)) = self.lines.take() else { return Ok(()) };
        pieces.push(Piece {
            path: self.path.map(str::to_owned),
            span: Span::Lines(first, last),
            bytes: mem::take(&mut self.text).into_bytes(),
            texts: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<(Span, String)> {
        let mut pieces = Pieces::default();
        split(text, None, &mut pieces).unwrap();
        let parts = pieces.into_iter();
        parts.map(|part| (part.span, String::from_utf8(part.bytes).unwrap())).collect()
    }

    #[test]
    fn a_text_is_utf_8_without_binary_characters() {
        let cases: [(&[u8], Result<&str, Reason>); 12] = [
            (b"a\tb\r\nc\x0C", Ok("a\tb\r\nc\x0C")),
            (b"\x1B[31mred\x1B[0m\x07", Ok("\x1B[31mred\x1B[0m\x07")),
            (b"\xEF\xBB\xBFa", Ok("a")),
            ("Größe 🙂".as_bytes(), Ok("Größe 🙂")),
            (b"a\0b", Err(Reason::NotText)),
            (b"a\x01b", Err(Reason::NotText)),
            (b"a\x7Fb", Err(Reason::NotText)),
            (b"Gr\xF6\xDFe", Err(Reason::NotText)),
            (b"\xFF\xFEa\0", Err(Reason::NotText)),
            (b" \r\n\t\n", Err(Reason::Empty)),
            (b"\xEF\xBB\xBF", Err(Reason::Empty)),
            (b"", Err(Reason::Empty)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(decode(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn the_first_bytes_tell_a_text_though_a_character_is_cut() {
        let cases: [(&[u8], bool); 6] = [
            (b"abc", false),
            (b"abc\xF0\x9F\x99", false),
            (b"abc\xF0\x9Fd", true),
            (b"ab\0c", true),
            (b"ab\xFFc", true),
            (b"", false),
        ];
        for (bytes, expected) in cases {
            assert_eq!(begins_binary(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn lines_have_numbers() {
        let cases = [
            ("one", "1\tone\n", 1),
            ("one\n", "1\tone\n", 1),
            ("one\r\n\r\nthree\r\n", "1\tone\n2\t\n3\tthree\n", 3),
            ("\n\nthree", "1\t\n2\t\n3\tthree\n", 3),
            ("a\tb\nc\rd", "1\ta\tb\n2\tc\rd\n", 2),
        ];
        for (text, expected, last) in cases {
            assert_eq!(parts(text), [(Span::Lines(1, last), expected.to_owned())], "{text:?}");
        }
    }

    #[test]
    fn a_part_ends_between_lines() {
        let line = "x".repeat(999);
        let text = format!("{line}\n").repeat(150);
        let parts = parts(&text);
        assert!(parts.iter().all(|(_, part)| part.len() <= PART_BYTES));
        let spans: Vec<_> = parts.iter().map(|(span, _)| *span).collect();
        assert_eq!(spans, [Span::Lines(1, 59), Span::Lines(60, 118), Span::Lines(119, 150)]);
        let all: String = parts.into_iter().map(|(_, part)| part).collect();
        let expected =
            (1..=150).map(|number| format!("{number}\t{line}\n")).collect::<Vec<_>>().concat();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_long_line_is_cut_between_characters_into_pieces_of_its_number() {
        // Behind the first letter, a part does not end where a character of three bytes does.
        let long = format!("a{}", "€".repeat(50_000));
        let parts = parts(&format!("first\n{long}\nlast"));
        assert!(parts.iter().all(|(_, part)| part.len() <= PART_BYTES));
        let spans: Vec<_> = parts.iter().map(|(span, _)| *span).collect();
        let expected = [Span::Lines(1, 1), Span::Lines(2, 2), Span::Lines(2, 2), Span::Lines(2, 3)];
        assert_eq!(spans, expected);
        let pieces = parts.iter().flat_map(|(_, part)| part.lines());
        let pieces = pieces.filter_map(|line| line.strip_prefix("2\t"));
        assert_eq!(pieces.collect::<String>(), long);
    }

    #[test]
    fn the_path_of_an_entry_is_that_of_its_parts() {
        let mut pieces = Pieces::default();
        split("a", Some("src/a.rs"), &mut pieces).unwrap();
        split("b", Some("src/b.rs"), &mut pieces).unwrap();
        let paths: Vec<_> = pieces.into_iter().filter_map(|piece| piece.path).collect();
        assert_eq!(paths, ["src/a.rs", "src/b.rs"]);
    }

    #[test]
    fn more_parts_than_a_file_may_have_are_too_large() {
        let line = format!("{}\n", "x".repeat(PART_BYTES - AROUND));
        let mut pieces = Pieces::default();
        assert_eq!(split(&line.repeat(500), None, &mut pieces), Ok(()));
        assert_eq!(pieces.into_iter().count(), 500);
        let mut pieces = Pieces::default();
        assert_eq!(split(&line.repeat(501), None, &mut pieces), Err(Reason::TooLarge));
    }
}
