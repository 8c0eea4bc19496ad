//! Names of sheets, and when an address has to quote them.

use std::fmt;

/// Characters that a name can't have.
const FORBIDDEN: [char; 7] = [':', '\\', '/', '?', '*', '[', ']'];

/// Longest name in UTF-16 code units.
const LENGTH: usize = 31;

/// Whether Excel takes a text as a sheet's name.
pub fn is_sheet_name(name: &str) -> bool {
    !name.is_empty()
        && name.encode_utf16().count() <= LENGTH
        && !name.contains(FORBIDDEN)
        && !name.chars().any(char::is_control)
        && !name.starts_with('\'')
        && !name.ends_with('\'')
}

/// Writes a name with the `!` behind it.
pub(super) fn write_sheet(f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
    if needs_quotes(name) {
        write!(f, "'{}'!", name.replace('\'', "''"))
    } else {
        write!(f, "{name}!")
    }
}

/// A name goes without quotes if it can be nothing else: no number, no cell, no R1C1 address.
fn needs_quotes(name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let starts = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_');
    let letters = name.trim_end_matches(|c: char| c.is_ascii_digit());
    // `AB12`, `R1C1`, `RC`, and each other name of few letters and digits.
    let is_address_like = letters.len() <= 3 && letters.len() < name.len()
        || name.chars().all(|c| c.is_ascii_digit() || matches!(c, 'R' | 'r' | 'C' | 'c'));
    let is_constant = ["TRUE", "FALSE"].iter().any(|word| name.eq_ignore_ascii_case(word));
    !starts || !name.chars().all(is_word) || is_address_like || is_constant
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_excel_takes() {
        let long = "x".repeat(31);
        for name in ["Sheet1", "P&L", "It's", " ", "Gehälter 2026", "a!b", "=1", &long] {
            assert!(is_sheet_name(name), "{name:?}");
        }
        let too_long = "😀".repeat(16);
        for name in
            ["", "a:b", "a/b", "a\\b", "a?", "a*", "[a", "a]", "'a", "a'", "a\nb", &too_long]
        {
            assert!(!is_sheet_name(name), "{name:?}");
        }
    }

    #[test]
    fn a_name_that_could_be_something_else_is_quoted() {
        for name in ["Sheet1", "Gehälter", "_x", "a.b", "Data_2026"] {
            assert!(!needs_quotes(name), "{name:?}");
        }
        for name in
            ["P&L", "It's", "1st", "A1", "xfd9", "RC", "r1c1", "true", " a", "a b", "a!b", "-a"]
        {
            assert!(needs_quotes(name), "{name:?}");
        }
    }
}
