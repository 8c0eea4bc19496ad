//! Text: checked, and cut into parts of numbered lines.

use tally_files::domain::{Reason, Span, numbered};

use crate::piece::{Piece, Pieces};

/// The mark with which some programs begin a text. It is no part of the text.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

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

/// Adds the parts of a text: its lines, each behind its number and a tab.
pub fn split(text: &str, path: Option<&str>, pieces: &mut Pieces) -> Result<(), Reason> {
    numbered(text).try_for_each(|part| {
        pieces.push(Piece {
            path: path.map(str::to_owned),
            span: Span::Lines(part.first, part.last),
            bytes: part.text.into_bytes(),
            texts: None,
        })
    })
}

#[cfg(test)]
mod tests {
    use tally_files::domain::PART_BYTES;

    use super::*;

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
    fn a_part_has_numbered_lines() {
        let line = format!("{}\n", "x".repeat(999));
        let mut pieces = Pieces::default();
        split(&line.repeat(100), None, &mut pieces).unwrap();
        let parts: Vec<_> = pieces.into_iter().collect();
        let spans: Vec<_> = parts.iter().map(|part| part.span).collect();
        assert_eq!(spans, [Span::Lines(1, 59), Span::Lines(60, 100)]);
        assert!(parts[1].bytes.starts_with(b"60\tx"));
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
        let line = format!("{}\n", "x".repeat(PART_BYTES - 20));
        let mut pieces = Pieces::default();
        assert_eq!(split(&line.repeat(500), None, &mut pieces), Ok(()));
        assert_eq!(pieces.into_iter().count(), 500);
        let mut pieces = Pieces::default();
        assert_eq!(split(&line.repeat(501), None, &mut pieces), Err(Reason::TooLarge));
    }
}
