//! Texts in parts of numbered lines, as a model gets them.

use std::fmt::Write as _;
use std::iter::Zip;
use std::ops::RangeFrom;
use std::str::Lines;

/// Bytes of a part that is text, at most.
pub const PART_BYTES: usize = 60_000;

/// Bytes around a line, at most: its number, a tab and the line feed.
const AROUND: usize = 12;

/// Bytes of a line, or of lines, that a part has room for.
const ROOM: usize = PART_BYTES - AROUND;

/// A part of a text: its lines, each behind its number and a tab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberedLines {
    /// The lines.
    pub text: String,
    /// Number of the first one, from 1.
    pub first: u32,
    /// Number of the last one.
    pub last: u32,
}

/// The parts of a text, one after the other. A line that is longer than a part is cut between
/// characters. Each of its pieces but the last one is a part of its own.
pub fn numbered(text: &str) -> impl Iterator<Item = NumberedLines> {
    Cutter { lines: (1..).zip(text.lines()), rest: None }
}

struct Cutter<'a> {
    lines: Zip<RangeFrom<u32>, Lines<'a>>,
    /// The line, or the rest of it, with which the next part begins.
    rest: Option<(u32, &'a str)>,
}

impl Iterator for Cutter<'_> {
    type Item = NumberedLines;

    fn next(&mut self) -> Option<NumberedLines> {
        let mut part: Option<NumberedLines> = None;
        while let Some((number, line)) = self.rest.take().or_else(|| self.lines.next()) {
            let is_full = part.as_ref().is_some_and(|part| part.text.len() + line.len() > ROOM);
            if is_full {
                self.rest = Some((number, line));
                break;
            }
            if line.len() > ROOM {
                let (piece, after) = line.split_at(line.floor_char_boundary(ROOM));
                self.rest = Some((number, after));
                return Some(NumberedLines::beginning(number, piece));
            }
            match &mut part {
                Some(part) => part.add(number, line),
                None => part = Some(NumberedLines::beginning(number, line)),
            }
        }
        part
    }
}

impl NumberedLines {
    fn beginning(number: u32, line: &str) -> Self {
        let mut part = Self { text: String::new(), first: number, last: number };
        part.add(number, line);
        part
    }

    fn add(&mut self, number: u32, line: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{number}\t{line}");
        self.last = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<NumberedLines> {
        numbered(text).collect()
    }

    fn spans(parts: &[NumberedLines]) -> Vec<(u32, u32)> {
        parts.iter().map(|part| (part.first, part.last)).collect()
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
            let expected = NumberedLines { text: expected.to_owned(), first: 1, last };
            assert_eq!(parts(text), [expected], "{text:?}");
        }
        assert_eq!(parts(""), []);
    }

    #[test]
    fn a_part_ends_between_lines() {
        let line = "x".repeat(999);
        let parts = parts(&format!("{line}\n").repeat(150));
        assert!(parts.iter().all(|part| part.text.len() <= PART_BYTES));
        assert_eq!(spans(&parts), [(1, 59), (60, 118), (119, 150)]);
        let all: String = parts.into_iter().map(|part| part.text).collect();
        let expected =
            (1..=150).map(|number| format!("{number}\t{line}\n")).collect::<Vec<_>>().concat();
        assert_eq!(all, expected);
    }

    #[test]
    fn a_long_line_is_cut_between_characters_into_pieces_of_its_number() {
        // Behind the first letter, a part does not end where a character of three bytes does.
        let long = format!("a{}", "€".repeat(50_000));
        let parts = parts(&format!("first\n{long}\nlast"));
        assert!(parts.iter().all(|part| part.text.len() <= PART_BYTES));
        assert_eq!(spans(&parts), [(1, 1), (2, 2), (2, 2), (2, 3)]);
        let pieces = parts.iter().flat_map(|part| part.text.lines());
        let pieces = pieces.filter_map(|line| line.strip_prefix("2\t"));
        assert_eq!(pieces.collect::<String>(), long);
    }

    #[test]
    fn a_line_that_just_fits_is_not_cut() {
        let (fits, exceeds) = ("x".repeat(ROOM), "x".repeat(ROOM + 1));
        for (text, expected) in [
            (format!("{fits}\n{fits}"), &[(1, 1), (2, 2)][..]),
            (format!("{fits}\nlast"), &[(1, 1), (2, 2)]),
            (format!("{exceeds}\n{exceeds}"), &[(1, 1), (1, 1), (2, 2), (2, 2)]),
            // The rest of a line goes on with the next lines.
            (format!("{exceeds}\nlast"), &[(1, 1), (1, 2)]),
        ] {
            let parts = parts(&text);
            assert!(parts.iter().all(|part| part.text.len() <= PART_BYTES));
            assert_eq!(spans(&parts), expected);
        }
    }
}
