//! Issues of cells: likely faults, and facts that a reader should know.

use std::borrow::Cow;

use crate::names::{clean, is_control, is_invisible};
use crate::value::Value;

/// How much an issue matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// A total over the cells may be wrong.
    Warning,
    /// The cell has no usable value, or is dangerous.
    Error,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $code:ident $name:literal $severity:ident $detail:literal,)*) => {
        /// A kind of issue.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[$doc])* $code,)* }

        impl Code {
            /// Each code, in the order of the contract.
            pub const ALL: &[Self] = &[$(Self::$code,)*];

            /// The name in the API.
            pub fn name(self) -> &'static str {
                match self { $(Self::$code => $name,)* }
            }

            /// How much it matters.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity,)* }
            }

            /// A sentence for a person. It quotes no cell.
            pub fn detail(self) -> &'static str {
                match self { $(Self::$code => $detail,)* }
            }
        }
    };
}

codes! {
    /// The cell has an error.
    ErrorValue "error_value" Error "The cell has an error instead of a value.",
    /// A number is stored as text.
    TextNumber "text_number" Warning
        "The cell has a number as text. Excel leaves it out of totals.",
    /// A text is a number by other separators.
    AmbiguousNumber "ambiguous_number" Warning
        "The text is a number only by other separators than those of the upload.",
    /// The type is not that of the column.
    MixedType "mixed_type" Warning "The cell's type is not that of its column.",
    /// The serial number is 60.
    Date1900Leap "date_1900_leap" Warning
        "Excel counts 29 February 1900, which did not exist. The date may be wrong by a day.",
    /// The format shows a date, and the number is none.
    DateOutOfRange "date_out_of_range" Error
        "The cell has a date's format, and its number is no date.",
    /// The number has more than 15 digits.
    LostPrecision "lost_precision" Warning
        "The number has more than 15 digits. Excel keeps 15, and the others are zeros.",
    /// Spaces stand at an end.
    TrailingSpace "trailing_space" Info "The text begins or ends with a space.",
    /// The text has control characters.
    ControlCharacters "control_characters" Warning "The text has control characters.",
    /// The text, or all of it, is invisible.
    InvisibleText "invisible_text" Warning
        "The cell has characters that show nothing, or a format that hides it.",
    /// A spreadsheet would run the text.
    FormulaInjection "formula_injection" Warning
        "A spreadsheet would run the text as a formula if it were typed in.",
    /// The formula reads another workbook.
    ExternalReference "external_reference" Warning "The formula reads another workbook.",
    /// The formula can send data out or run a program.
    UnsafeFunction "unsafe_function" Error
        "The formula has a function that can send data out or run a program.",
    /// The sources of the formula are unresolved.
    UnresolvedReference "unresolved_reference" Info
        "It can't be told from the formula which cells it reads.",
    /// Two columns have the same header.
    DuplicateHeader "duplicate_header" Warning "Another column has the same header.",
    /// A column has no header.
    EmptyHeader "empty_header" Warning "The column has values and no header.",
    /// The row or the column is hidden.
    Hidden "hidden" Info "The row or the column is hidden.",
    /// Cells are merged.
    Merged "merged" Info "The cell is merged with others, and only the first one has a value.",
    /// A formula spills into the cells.
    Spilled "spilled" Info "The cells have the results of one formula.",
    /// The cell has an entity.
    RichValue "rich_value" Info "The cell has a data type. Its text stands for it.",
}

/// A set of codes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Codes(u32);

impl Codes {
    /// Adds a code.
    pub fn add(&mut self, code: Code) {
        self.0 |= 1 << code as u32;
    }

    /// Adds a code if a condition holds.
    pub fn add_if(&mut self, code: Code, holds: bool) {
        if holds {
            self.add(code);
        }
    }

    /// The codes of both sets.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether a code is among them.
    pub fn has(self, code: Code) -> bool {
        self.0 & (1 << code as u32) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each code of the set.
    pub fn iter(self) -> impl Iterator<Item = Code> {
        Code::ALL.iter().copied().filter(move |&code| self.has(code))
    }
}

/// Beginnings of text that a spreadsheet runs as a formula, also in full width.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// Whether a spreadsheet would run a text as a formula if it read it from a file.
pub fn is_formula_like(text: &str) -> bool {
    // Spreadsheets drop a byte order mark at the beginning of a file, and some of them controls.
    let is_skipped = |c: char| c.is_whitespace() || c.is_control() || is_invisible(c);
    text.trim_start_matches(is_skipped).starts_with(FORMULA) || text.starts_with(['\t', '\r', '\n'])
}

/// The issues of a text that is no number.
pub fn of_text(text: &str) -> Codes {
    let mut codes = Codes::default();
    codes.add_if(Code::TrailingSpace, text.trim().len() < text.len());
    if !text.is_ascii() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        codes.add_if(Code::ControlCharacters, text.chars().any(is_control));
        codes.add_if(Code::InvisibleText, text.chars().any(is_invisible));
    }
    codes.add_if(Code::FormulaInjection, is_formula_like(text));
    codes
}

/// The text to write into a cell instead of its value. None where only a person can know.
pub fn suggestion(code: Code, value: &Value) -> Option<String> {
    let text = value.as_text();
    match code {
        Code::TextNumber => value.number().map(|number| number.to_string()),
        Code::TrailingSpace => text.map(|text| text.trim().to_owned()),
        Code::ControlCharacters | Code::InvisibleText => {
            let cleaned = clean(text?);
            matches!(cleaned, Cow::Owned(_)).then(|| cleaned.into_owned())
        }
        Code::FormulaInjection => text.map(|text| format!("'{text}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_shows_what_is_odd_about_it() {
        for (text, expected) in [
            ("plain", &[][..]),
            ("é 😀", &[]),
            ("two\nlines", &[]),
            (" a", &[Code::TrailingSpace]),
            ("a\u{a0}", &[Code::TrailingSpace]),
            ("a\0", &[Code::ControlCharacters]),
            ("a\u{85}b", &[Code::ControlCharacters]),
            ("a\u{200b}b", &[Code::InvisibleText]),
            ("a\u{e0041}", &[Code::InvisibleText]),
            ("=1+1", &[Code::FormulaInjection]),
            ("＝1", &[Code::FormulaInjection]),
            ("-", &[Code::FormulaInjection]),
            ("\t=1", &[Code::TrailingSpace, Code::FormulaInjection]),
            ("\u{feff}=1", &[Code::InvisibleText, Code::FormulaInjection]),
            ("\0@a", &[Code::ControlCharacters, Code::FormulaInjection]),
            ("a-b", &[]),
        ] {
            assert_eq!(of_text(text).iter().collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_suggestion_is_made_where_it_is_certain() {
        let text = |text: &str| Value::Text(text.into());
        for (code, value, expected) in [
            (Code::TrailingSpace, text(" a "), Some("a")),
            (Code::ControlCharacters, text("a\0b"), Some("ab")),
            (Code::InvisibleText, text("a\u{200b}b"), Some("ab")),
            // The format hides this one.
            (Code::InvisibleText, text("ab"), None),
            (Code::FormulaInjection, text("=1"), Some("'=1")),
            (Code::ErrorValue, Value::Error("#N/A".into()), None),
            (Code::AmbiguousNumber, text("1,23"), None),
        ] {
            assert_eq!(suggestion(code, &value).as_deref(), expected, "{code:?}");
        }
    }

    #[test]
    fn each_code_has_a_bit_and_a_name_of_its_own() {
        let mut all = Codes::default();
        for &code in Code::ALL {
            assert!(!all.has(code));
            all.add(code);
        }
        assert_eq!(all.iter().collect::<Vec<_>>(), Code::ALL);
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 20);
    }
}
