//! Addresses from text.

use std::str::FromStr;

use super::sheet::is_sheet_name;
use super::{Address, Area, COLUMNS, Cell, ROWS, Style};

/// Longest text of an address, in bytes: a quoted name of 31 four-byte characters and two corners.
const LENGTH: usize = 400;

/// Why a text is no address of one rectangle.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It is empty.
    #[error("is empty; give a rectangle such as A1:D20")]
    Empty,
    /// It is longer than any address.
    #[error("is longer than 400 bytes")]
    TooLong,
    /// It has several areas.
    #[error("names several areas; give one rectangle")]
    Areas,
    /// It spans several sheets.
    #[error("spans several sheets; give one sheet at a time")]
    ThreeD,
    /// It names another workbook.
    #[error("names another workbook; give a rectangle of this one")]
    External,
    /// It is relative to a cell.
    #[error("is relative; give rows and columns as numbers, such as R1C1:R20C4")]
    Relative,
    /// It names a table or a spilled range.
    #[error("names a table or a spilled range; give its rectangle, such as A1:D20")]
    Table,
    /// The sheet's name is none.
    #[error("has no valid sheet name before the !; quote it as in 'P&L'!A1")]
    Sheet,
    /// A row lies outside a sheet.
    #[error("has row {0}; a sheet has rows 1 to 1048576")]
    Row(String),
    /// A column lies outside a sheet.
    #[error("has column {0}; a sheet has columns A to XFD (1 to 16384)")]
    Column(String),
    /// It has another form.
    #[error("is no address; give a rectangle such as A1:D20, A:C or 1:5")]
    Syntax,
}

/// One end of a range: a row, a column or both, from zero.
#[derive(Clone, Copy)]
struct Corner {
    row: Option<u32>,
    column: Option<u32>,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse(text, Style::A1)
    }
}

impl Address {
    /// Reads an address in a style.
    pub fn parse(text: &str, style: Style) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > LENGTH {
            return Err(AddressError::TooLong);
        }
        let (sheet, rest) = split_sheet(text)?;
        if rest.contains([',', ';', ' ']) {
            return Err(AddressError::Areas);
        }
        let area = match style {
            Style::A1 => area(rest, a1_corner)?,
            Style::R1C1 => area(rest, r1c1_corner)?,
        };
        Ok(Self { sheet, area })
    }
}

/// The unquoted name of the sheet, and the text behind the `!`.
fn split_sheet(text: &str) -> Result<(Option<String>, &str), AddressError> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let mut characters = quoted.char_indices().peekable();
        let mut name = String::new();
        while let Some((at, c)) = characters.next() {
            if c == '\'' && characters.next_if(|&(_, next)| next == '\'').is_none() {
                let rest = &quoted[at + 1..];
                return match rest.strip_prefix('!') {
                    Some(rest) => sheet(name, rest),
                    None if rest.starts_with(':') => Err(AddressError::ThreeD),
                    None => Err(AddressError::Sheet),
                };
            }
            name.push(c);
        }
        return Err(AddressError::Sheet);
    }
    match text.split_once('!') {
        None if text.contains(['#', '@']) => Err(AddressError::Table),
        None => Ok((None, text)),
        Some((name, _)) if name.contains([',', ';']) => Err(AddressError::Areas),
        Some((name, rest)) => {
            let is_plain =
                |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '[' | ']');
            if name.contains('[') || name.chars().all(is_plain) {
                sheet(name.to_owned(), rest)
            } else {
                Err(AddressError::Sheet)
            }
        }
    }
}

fn sheet(name: String, rest: &str) -> Result<(Option<String>, &str), AddressError> {
    if name.contains('[') {
        Err(AddressError::External)
    } else if name.contains(':') {
        Err(AddressError::ThreeD)
    } else if !is_sheet_name(&name) {
        Err(AddressError::Sheet)
    } else if let Some((before, _)) = rest.split_once('!') {
        // `Sheet1!A1,Sheet1!B2` or `Sheet1!A1:Sheet2!B2`
        let is_list = before.contains([',', ';', ' ']);
        Err(if is_list { AddressError::Areas } else { AddressError::ThreeD })
    } else {
        Ok((Some(name), rest))
    }
}

fn area(
    text: &str,
    corner: fn(&str) -> Result<Corner, AddressError>,
) -> Result<Area, AddressError> {
    let (one, other) = text.split_once(':').unwrap_or((text, text));
    let is_one = !text.contains(':');
    let (one, other) = (corner(one)?, corner(other)?);
    let cell = |row, column| Cell { row, column };
    let corners = match (one, other) {
        (
            Corner { row: Some(top), column: Some(left) },
            Corner { row: Some(bottom), column: Some(right) },
        ) => (cell(top, left), cell(bottom, right)),
        (Corner { row: None, column: Some(left) }, Corner { row: None, column: Some(right) }) => {
            (cell(0, left), cell(ROWS - 1, right))
        }
        (Corner { row: Some(top), column: None }, Corner { row: Some(bottom), column: None }) => {
            (cell(top, 0), cell(bottom, COLUMNS - 1))
        }
        _ => return Err(AddressError::Syntax),
    };
    // `A` and `5` alone are no addresses in A1 style. `C1` and `R5` are columns and rows in R1C1.
    let starts_r1c1 =
        text.starts_with(['R', 'r', 'C', 'c']) && corner("R1").is_ok_and(Corner::is_row);
    if is_one && (one.row.is_none() || one.column.is_none()) && !starts_r1c1 {
        return Err(AddressError::Syntax);
    }
    Area::new(corners.0, corners.1).ok_or(AddressError::Syntax)
}

impl Corner {
    fn is_row(self) -> bool {
        self.column.is_none()
    }
}

fn a1_corner(text: &str) -> Result<Corner, AddressError> {
    if text.contains(['[', '#', '@']) {
        return Err(AddressError::Table);
    }
    let (column, rest) = leading(text, |c| c.is_ascii_alphabetic());
    let (row, rest) = leading(rest, |c| c.is_ascii_digit());
    if !rest.is_empty() || (column.is_empty() && row.is_empty()) {
        return Err(AddressError::Syntax);
    }
    let column = (!column.is_empty()).then(|| column_number(column)).transpose()?;
    let row = (!row.is_empty()).then(|| row_number(row)).transpose()?;
    Ok(Corner { row, column })
}

/// The characters of a kind at the beginning, without a `$` before them, and what follows.
fn leading(text: &str, is: fn(char) -> bool) -> (&str, &str) {
    let body = text.strip_prefix('$').unwrap_or(text);
    let end = body.find(|c: char| !is(c)).unwrap_or(body.len());
    // Before no such character, the `$` belongs to what follows.
    if end == 0 { ("", text) } else { body.split_at(end) }
}

fn r1c1_corner(text: &str) -> Result<Corner, AddressError> {
    if text.contains(['[', ']']) {
        return Err(AddressError::Relative);
    }
    let number = |text: &str, letter: char| -> Option<(String, String)> {
        let mut characters = text.chars();
        let found = characters.next().is_some_and(|c| c.eq_ignore_ascii_case(&letter));
        let rest = characters.as_str();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        found.then(|| (rest[..end].to_owned(), rest[end..].to_owned()))
    };
    let (row, rest) = match number(text, 'R') {
        Some((row, rest)) => (Some(row), rest),
        None => (None, text.to_owned()),
    };
    let (column, rest) = match number(&rest, 'C') {
        Some((column, rest)) => (Some(column), rest),
        None => (None, rest),
    };
    if !rest.is_empty() || (row.is_none() && column.is_none()) {
        return Err(AddressError::Syntax);
    }
    // `R` and `C` without a number are the row and the column of the cell itself.
    if [&row, &column].into_iter().flatten().any(String::is_empty) {
        return Err(AddressError::Relative);
    }
    let row = row.map(|row| row_number(&row)).transpose()?;
    let column = column.map(|text| {
        let number = text.parse::<u32>().ok().filter(|number| (1..=COLUMNS).contains(number));
        number.map(|number| number - 1).ok_or(AddressError::Column(text))
    });
    Ok(Corner { row, column: column.transpose()? })
}

fn row_number(text: &str) -> Result<u32, AddressError> {
    let number = text.parse::<u32>().ok().filter(|number| (1..=ROWS).contains(number));
    number.map(|number| number - 1).ok_or_else(|| AddressError::Row(text.to_owned()))
}

/// A column from zero of its letters.
pub(crate) fn column_number(letters: &str) -> Result<u32, AddressError> {
    let outside = || AddressError::Column(letters.to_owned());
    if letters.len() > 3 {
        return Err(outside());
    }
    let number = letters
        .bytes()
        .fold(0, |number, letter| number * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
    if number <= COLUMNS { Ok(number - 1) } else { Err(outside()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_printed_in_one_form() {
        for (text, printed, r1c1) in [
            ("A1", "A1", "R1C1"),
            ("$B$2", "B2", "R2C2"),
            ("b2:d14", "B2:D14", "R2C2:R14C4"),
            ("D14:B2", "B2:D14", "R2C2:R14C4"),
            ("D2:B14", "B2:D14", "R2C2:R14C4"),
            ("A1:A1", "A1", "R1C1"),
            ("XFD1048576", "XFD1048576", "R1048576C16384"),
            ("A:C", "A:C", "C1:C3"),
            ("$C:$A", "A:C", "C1:C3"),
            ("C:C", "C:C", "C3"),
            ("1:5", "1:5", "R1:R5"),
            ("$5:5", "5:5", "R5"),
            ("A1:C1048576", "A:C", "C1:C3"),
            ("A2:XFD3", "2:3", "R2:R3"),
            ("1:1048576", "A:XFD", "C1:C16384"),
            ("Sheet1!A1", "Sheet1!A1", "Sheet1!R1C1"),
            ("'Sheet1'!A1", "Sheet1!A1", "Sheet1!R1C1"),
            ("'P&L'!A1:B2", "'P&L'!A1:B2", "'P&L'!R1C1:R2C2"),
            ("'It''s'!A1", "'It''s'!A1", "'It''s'!R1C1"),
            ("'a!b'!A1", "'a!b'!A1", "'a!b'!R1C1"),
            ("'a,b'!A:A", "'a,b'!A:A", "'a,b'!C1"),
            ("Gehälter!C3", "Gehälter!C3", "Gehälter!R3C3"),
            ("2026!C3", "'2026'!C3", "'2026'!R3C3"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), printed, "{text}");
            assert_eq!(address.styled(Style::R1C1).to_string(), r1c1, "{text}");
            assert_eq!(printed.parse(), Ok(address.clone()), "{text}");
            assert_eq!(Address::parse(r1c1, Style::R1C1), Ok(address), "{text}");
        }
    }

    #[test]
    fn what_is_no_rectangle_says_why() {
        let row = |text: &str| AddressError::Row(text.to_owned());
        let column = |text: &str| AddressError::Column(text.to_owned());
        for (text, expected) in [
            ("", AddressError::Empty),
            ("A1,B2", AddressError::Areas),
            ("A1:B2;C3", AddressError::Areas),
            ("A1 B2", AddressError::Areas),
            ("Sheet1!A1,Sheet1!B2", AddressError::Areas),
            ("Jan:Mar!A1", AddressError::ThreeD),
            ("'Jan:Mar'!A1", AddressError::ThreeD),
            ("'Jan':'Mar'!A1", AddressError::ThreeD),
            ("Jan!A1:Mar!A2", AddressError::ThreeD),
            ("[Book1.xlsx]Sheet1!A1", AddressError::External),
            ("'C:\\x\\[Book 1.xlsx]Sheet1'!A1", AddressError::External),
            ("[1]Sheet1!A1", AddressError::External),
            ("Table1[Amount]", AddressError::Table),
            ("Table1[#All]", AddressError::Table),
            ("A1#", AddressError::Table),
            ("Sheet1!A1#", AddressError::Table),
            ("R[1]C[1]", AddressError::Table),
            ("P&L!A1", AddressError::Sheet),
            ("!A1", AddressError::Sheet),
            ("'unclosed!A1", AddressError::Sheet),
            ("''!A1", AddressError::Sheet),
            ("A0", row("0")),
            ("A1048577", row("1048577")),
            ("A99999999999", row("99999999999")),
            ("XFE1", column("XFE")),
            ("AAAA1", column("AAAA")),
            ("1:1048577", row("1048577")),
            ("A", AddressError::Syntax),
            ("5", AddressError::Syntax),
            ("A:5", AddressError::Syntax),
            ("A1:B", AddressError::Syntax),
            ("A1:", AddressError::Syntax),
            (":A1", AddressError::Syntax),
            ("A1:B2:C3", AddressError::Syntax),
            ("1A", AddressError::Syntax),
            ("$", AddressError::Syntax),
            ("$$A1", AddressError::Syntax),
            ("A$", AddressError::Syntax),
            ("$A$$1", AddressError::Syntax),
            ("A-1", AddressError::Syntax),
            ("Ä1", AddressError::Syntax),
            ("A１", AddressError::Syntax),
            ("Sheet1!", AddressError::Syntax),
            ("Profits", column("Profits")),
        ] {
            assert_eq!(text.parse::<Address>(), Err(expected), "{text:?}");
        }
        assert_eq!("A".repeat(401).parse::<Address>(), Err(AddressError::TooLong));
        for (text, expected) in [
            ("R", AddressError::Relative),
            ("RC", AddressError::Relative),
            ("R1C", AddressError::Relative),
            ("R[1]C1", AddressError::Relative),
            ("R0C1", row("0")),
            ("R1C16385", column("16385")),
            ("A1", AddressError::Syntax),
            ("C1R1", AddressError::Syntax),
            ("R1:C1", AddressError::Syntax),
            ("", AddressError::Empty),
        ] {
            assert_eq!(Address::parse(text, Style::R1C1), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn no_text_makes_it_panic() {
        let pieces =
            ["'", "''", "!", ":", "$", "A", "XFD", "1", "é", "[", "]", ",", " ", "😀", "#"];
        for a in pieces {
            for b in pieces {
                for c in pieces {
                    for d in pieces {
                        let text = format!("{a}{b}{c}{d}");
                        for style in [Style::A1, Style::R1C1] {
                            if let Ok(address) = Address::parse(&text, style) {
                                let printed = address.styled(style).to_string();
                                assert_eq!(Address::parse(&printed, style), Ok(address));
                            }
                        }
                    }
                }
            }
        }
    }
}
