//! The form in which two formulas of one column are equal: rows relative to the formula's cell.

use std::fmt::Write as _;

use crate::address::{ROWS, column_number};

/// Writes the form of a formula that stands in a row. From it and the row, the formula can be told
/// again: so two formulas with one form differ in their rows alone. False for a formula with
/// control characters, which could imitate the form.
pub(super) fn write_key(key: &mut String, formula: &str, row: u32) -> bool {
    if formula.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return false;
    }
    let mut rest = formula;
    while let Some(&first) = rest.as_bytes().first() {
        let length = match first {
            b'"' | b'\'' => quoted(rest, first),
            b'[' => bracketed(rest),
            _ if is_word(first) => {
                let end = rest.bytes().position(|byte| !is_word(byte)).unwrap_or(rest.len());
                // A function, a sheet or a table has no row.
                let is_name = matches!(rest.as_bytes().get(end), Some(b'(' | b'!' | b'['));
                if let Some((column, cell_row)) = cell(&rest[..end]).filter(|_| !is_name) {
                    key.push_str(column);
                    // Writing to a string does not fail.
                    let _ = write!(key, "\u{1}{}\u{2}", i64::from(cell_row) - i64::from(row));
                    rest = &rest[end..];
                    continue;
                }
                end
            }
            _ => 1,
        };
        let (copied, left) = rest.split_at(length);
        key.push_str(copied);
        rest = left;
    }
    true
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'\\' | b'?' | b'$') || byte > 0x7f
}

/// Length of a text or a quoted name. Two quotes in it are one: here they are two texts.
fn quoted(text: &str, quote: u8) -> usize {
    let end = text.bytes().skip(1).position(|byte| byte == quote);
    end.map_or(text.len(), |end| end + 2)
}

/// Length of brackets, with those inside. An apostrophe takes the next character's meaning.
fn bracketed(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\'' => is_escaped = true,
            b'[' => depth += 1,
            b']' if depth == 1 => return at + 1,
            b']' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

/// The column with its `$`, and the row from zero, of a cell whose row is relative. `YTD2026` is
/// none: a sheet has no column `YTD`, so it is a name, and `YTD2027` is another one.
fn cell(word: &str) -> Option<(&str, u32)> {
    let letters = word.strip_prefix('$').unwrap_or(word);
    let digits = letters.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let count = letters.len() - digits.len();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=3).contains(&count) || !is_number || digits.starts_with('0') {
        return None;
    }
    column_number(&letters[..count]).ok()?;
    let row: u32 = digits.parse().ok().filter(|row| (1..=ROWS).contains(row))?;
    Some((&word[..word.len() - digits.len()], row - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(formula: &str, row: u32) -> String {
        let mut key = String::new();
        assert!(write_key(&mut key, formula, row), "{formula}");
        key
    }

    #[test]
    fn formulas_that_are_filled_down_are_equal() {
        for (one, other) in [
            ("=A1+B1", "=A2+B2"),
            ("=A1+B$1", "=A2+B$1"),
            ("=$A1*2", "=$A2*2"),
            ("=SUM(A1:C1)", "=SUM(A2:C2)"),
            ("='It''s A1'!B1", "='It''s A1'!B2"),
            ("=Sheet1!B1", "=Sheet1!B2"),
            ("=T1[Q1]+Z1", "=T1[Q1]+Z2"),
            ("=LOG10(A1)", "=LOG10(A2)"),
            ("=A1048575", "=A1048576"),
            ("=XFD1", "=XFD2"),
        ] {
            assert_eq!(key(one, 0), key(other, 1), "{one}");
        }
    }

    #[test]
    fn other_formulas_are_not() {
        for (one, other) in [
            ("=A1", "=A1"),
            ("=A1", "=B2"),
            ("=A1", "=$A2"),
            ("=$A$1", "=$A$2"),
            ("=\"A1\"", "=\"A2\""),
            ("=\"a\"\"A1\"", "=\"a\"\"A2\""),
            ("=Q1!A1", "=Q2!A2"),
            ("='Q1'!A1", "='Q2'!A2"),
            ("=T[Q1]", "=T[Q2]"),
            ("=T['[Q1]", "=T['[Q2]"),
            ("=T1[x]", "=T2[x]"),
            ("=Rate_1", "=Rate_2"),
            ("=RATE1", "=RATE2"),
            ("=YTD2026", "=YTD2027"),
            ("=XFE1", "=XFE2"),
            ("=é1", "=é2"),
            ("=A01", "=A02"),
            ("=1", "=2"),
            ("=1:1", "=2:2"),
            ("=A1048577", "=A1048578"),
            ("=F1(2)", "=F2(2)"),
            ("=\"unclosed A1", "=\"unclosed A2"),
        ] {
            assert_ne!(key(one, 0), key(other, 1), "{one}");
        }
        assert!(!write_key(&mut String::new(), "=A\u{1}0\u{2}", 0));
    }
}
