//! Comma-separated values of an upload (RFC 4180, and the variants that spreadsheets write).
//!
//! The crate `csv` skips blank lines. A blank line of one column is an empty cell, and without it
//! each cell below would stand in the row above. So this parser is our own.

use std::str::Chars;

use crate::address::{Area, COLUMNS, Cell};
use crate::matrix::Scalar;
use crate::part::{MAX_CELLS, MAX_TEXT, Part, RawCell, ValueType};

/// Separators of fields, the likelier ones first.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// The cells of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: u32,
    cells: Vec<Scalar>,
}

/// Why a text is no table. Rows count from one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CsvError {
    /// It is not in UTF-8.
    #[error("row {0} is not in UTF-8; save the file as \"CSV UTF-8\"")]
    Encoding(usize),
    /// It is in UTF-16.
    #[error("the file is in UTF-16; save it as \"CSV UTF-8\"")]
    Utf16,
    /// It has no cells.
    #[error("the file is empty")]
    Empty,
    /// The separator can't be one.
    #[error("the separator must be one of , ; | or a tab")]
    Delimiter,
    /// A quote does not end.
    #[error("row {0} begins a quoted field that has no end")]
    Unclosed(usize),
    /// Something stands behind a quoted field.
    #[error("row {0} has text behind the closing quote of a field; write a quote in it twice")]
    Quote(usize),
    /// A row is shorter or longer.
    #[error("row {row} has {found} fields, and the first one has {expected}")]
    Fields {
        /// The row.
        row: usize,
        /// Its fields.
        found: usize,
        /// Fields of the first row.
        expected: usize,
    },
    /// A field is too long.
    #[error("row {0} has a field of more than 32767 characters")]
    Length(usize),
    /// There are too many cells.
    #[error("the file has more than 500000 cells or 16384 columns")]
    Cells,
    /// The table reaches beyond a sheet.
    #[error("the table reaches beyond the last row or column of a sheet")]
    Outside,
}

impl Table {
    /// Reads a file. Without a separator, a line `sep=;` at its beginning has it, or the first row.
    pub fn parse(bytes: &[u8], delimiter: Option<char>) -> Result<Self, CsvError> {
        let text = decode(bytes)?;
        let (stated, text) = stated_delimiter(text);
        let delimiter = delimiter.or(stated).unwrap_or_else(|| likely_delimiter(text));
        if !DELIMITERS.contains(&delimiter) {
            return Err(CsvError::Delimiter);
        }
        if text.is_empty() {
            return Err(CsvError::Empty);
        }
        let mut reader = Reader { rest: text.chars(), delimiter, row: 1 };
        let mut cells = Vec::new();
        let mut columns = 0;
        let mut blank = None;
        while !reader.rest.as_str().is_empty() {
            let before = cells.len();
            reader.record(&mut cells)?;
            let found = cells.len() - before;
            if columns == 0 {
                columns = found;
            }
            // Blank lines may end the file. They are no rows of a table with several columns.
            if found == 1 && columns > 1 && cells.last() == Some(&Scalar::Null) {
                cells.pop();
                blank.get_or_insert(reader.row);
            } else if let Some(row) = blank {
                return Err(CsvError::Fields { row, found: 1, expected: columns });
            } else if found != columns {
                return Err(CsvError::Fields { row: reader.row, found, expected: columns });
            }
            reader.row += 1;
        }
        let columns = u32::try_from(columns).map_err(|_| CsvError::Cells)?;
        Ok(Self { columns, cells })
    }

    /// The table as a part whose first cell is given. A file has no formulas and formats.
    pub fn into_part(self, first: Cell) -> Result<Part, CsvError> {
        let columns = usize::try_from(self.columns).unwrap_or(1).max(1);
        let rows = u32::try_from(self.cells.len() / columns).map_err(|_| CsvError::Cells)?;
        let row = first.row.checked_add(rows - 1).ok_or(CsvError::Outside)?;
        let column = first.column.checked_add(self.columns - 1).ok_or(CsvError::Outside)?;
        let area = Area::new(first, Cell { row, column }).ok_or(CsvError::Outside)?;
        let cells = self.cells.into_iter().map(|value| RawCell {
            value,
            formula: None,
            format: 0,
            value_type: ValueType::Plain,
        });
        let formats = vec!["General".into()];
        Ok(Part { area, formats, cells: cells.collect(), has_formulas: false })
    }
}

/// The text of a file without its byte order mark.
fn decode(bytes: &[u8]) -> Result<&str, CsvError> {
    let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    // Each second byte of a Latin text in UTF-16 is zero.
    if is_utf16 || bytes.contains(&0) {
        return Err(CsvError::Utf16);
    }
    let bytes = bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        CsvError::Encoding(before.split(|&byte| byte == b'\n').count())
    })
}

/// The separator of a first line `sep=;`, which Excel reads, and the text behind it.
fn stated_delimiter(text: &str) -> (Option<char>, &str) {
    let stated = text.strip_prefix("sep=").and_then(|rest| {
        let mut characters = rest.chars();
        let delimiter = characters.next()?;
        let rest = characters.as_str();
        let rest = rest.strip_prefix('\r').unwrap_or(rest);
        Some((delimiter, rest.strip_prefix('\n')?))
    });
    stated.map_or((None, text), |(delimiter, rest)| (Some(delimiter), rest))
}

/// The separator that the first row has most often outside of quotes.
fn likely_delimiter(text: &str) -> char {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut is_quoted = false;
    for c in text.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            '\r' | '\n' if !is_quoted => break,
            _ if !is_quoted => {
                if let Some(at) = DELIMITERS.iter().position(|&delimiter| delimiter == c) {
                    counts[at] += 1;
                }
            }
            _ => {}
        }
    }
    let most = counts.iter().copied().max().unwrap_or_default();
    let at = counts.iter().position(|&count| count == most).unwrap_or_default();
    DELIMITERS[at]
}

struct Reader<'a> {
    rest: Chars<'a>,
    delimiter: char,
    row: usize,
}

impl Reader<'_> {
    /// Reads the fields of one row, and its end.
    fn record(&mut self, cells: &mut Vec<Scalar>) -> Result<(), CsvError> {
        let start = cells.len();
        loop {
            let field = self.field()?;
            if field.len() > MAX_TEXT && field.encode_utf16().count() > MAX_TEXT {
                return Err(CsvError::Length(self.row));
            }
            let is_full =
                |count: usize, most: u64| u64::try_from(count).is_ok_and(|count| count > most);
            cells.push(if field.is_empty() { Scalar::Null } else { Scalar::Text(field.into()) });
            if is_full(cells.len(), MAX_CELLS) || is_full(cells.len() - start, COLUMNS.into()) {
                return Err(CsvError::Cells);
            }
            match self.rest.next() {
                Some(c) if c == self.delimiter => {}
                Some('\r') => {
                    if self.rest.as_str().starts_with('\n') {
                        self.rest.next();
                    }
                    return Ok(());
                }
                // A line feed, or the end.
                _ => return Ok(()),
            }
        }
    }

    /// Reads a field up to its separator or the end of its row.
    fn field(&mut self) -> Result<String, CsvError> {
        let text = self.rest.as_str();
        let ends = [self.delimiter, '\r', '\n'];
        let Some(quoted) = text.strip_prefix('"') else {
            let end = text.find(ends).unwrap_or(text.len());
            self.rest = text[end..].chars();
            return Ok(text[..end].to_owned());
        };
        let mut field = String::new();
        let mut rest = quoted;
        loop {
            let (piece, behind) = rest.split_once('"').ok_or(CsvError::Unclosed(self.row))?;
            field.push_str(piece);
            match behind.strip_prefix('"') {
                // Two quotes are one.
                Some(behind) => {
                    field.push('"');
                    rest = behind;
                }
                None if behind.is_empty() || behind.starts_with(ends) => {
                    self.rest = behind.chars();
                    return Ok(field);
                }
                None => return Err(CsvError::Quote(self.row)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Result<Vec<String>, String> {
        let table = Table::parse(text.as_bytes(), None).map_err(|error| error.to_string())?;
        let cell = |cell: &Scalar| match cell {
            Scalar::Text(text) => text.to_string(),
            _ => "-".to_owned(),
        };
        let columns = usize::try_from(table.columns).unwrap();
        let rows = table.cells.chunks(columns);
        Ok(rows.map(|row| row.iter().map(cell).collect::<Vec<_>>().join("^")).collect())
    }

    #[test]
    fn fields_are_split_as_spreadsheets_write_them() {
        for (text, expected) in [
            ("a,b\r\nc,d\r\n", &["a^b", "c^d"][..]),
            ("a,b\nc,d", &["a^b", "c^d"]),
            ("a,b\rc,d\r", &["a^b", "c^d"]),
            ("a;b\n1,5;2", &["a^b", "1,5^2"]),
            ("a\tb\n", &["a^b"]),
            ("sep=;\r\na,x;b\r\n", &["a,x^b"]),
            ("\u{feff}a,b", &["a^b"]),
            ("\"a,\"\"b\"\"\",\"c\r\nd\"\n", &["a,\"b\"^c\r\nd"]),
            ("\"a;b\",c,d\n", &["a;b^c^d"]),
            ("a\"b,c\n", &["a\"b^c"]),
            ("a,,\n", &["a^-^-"]),
            (",\n,\n", &["-^-", "-^-"]),
            ("a\n\nb\n", &["a", "-", "b"]),
            ("a\n\n", &["a", "-"]),
            ("\n", &["-"]),
            ("\"\"\n", &["-"]),
            ("a,b\n\n\n", &["a^b"]),
            (" a , b \n", &[" a ^ b "]),
        ] {
            assert_eq!(rows(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn what_is_no_table_says_where() {
        let long = format!("a\n{}", "x".repeat(32_768));
        let wide = ",".repeat(16_384);
        let tall = "\n".repeat(500_001);
        for (text, expected) in [
            ("", "the file is empty"),
            ("\u{feff}", "the file is empty"),
            ("a,b\nc", "row 2 has 1 fields, and the first one has 2"),
            ("a,b\n\nc,d", "row 2 has 1 fields, and the first one has 2"),
            ("a\nb,c", "row 2 has 2 fields, and the first one has 1"),
            ("a\n\"b", "row 2 begins a quoted field that has no end"),
            ("a\n\"b\"c", "row 2 has text behind the closing quote"),
            (&long, "row 2 has a field of more than 32767 characters"),
            (&wide, "more than 500000 cells or 16384 columns"),
            (&tall, "more than 500000 cells or 16384 columns"),
        ] {
            let error = rows(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for (bytes, expected) in [
            (&b"\xff\xfea\0"[..], CsvError::Utf16),
            (b"a\0,\0", CsvError::Utf16),
            (b"a\nb\nGeh\xe4lter", CsvError::Encoding(3)),
        ] {
            assert_eq!(Table::parse(bytes, None), Err(expected));
        }
        assert_eq!(Table::parse(b"a", Some('x')), Err(CsvError::Delimiter));
    }

    #[test]
    fn a_table_is_a_part_without_formulas() {
        let table = Table::parse(b"a,b\n1,2\n", None).unwrap();
        let part = table.clone().into_part(Cell { row: 1, column: 1 }).unwrap();
        assert_eq!(part.area.to_string(), "B2:C3");
        assert!(!part.has_formulas);
        let last = Cell { row: 1_048_575, column: 0 };
        assert_eq!(table.into_part(last), Err(CsvError::Outside));
    }
}
