//! Numbers that are text, read by the separators that the uploader states and never by a guess.

use crate::currency::Currency;
use crate::number::{DIGITS, Number};

/// The decimal separator and the one between groups of digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Separators {
    decimal: char,
    group: Option<char>,
}

/// Two characters don't separate numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SeparatorsError {
    /// The decimal separator is none.
    #[error("decimal must be . or ,")]
    Decimal,
    /// The group separator is none.
    #[error("group must be one of . , ' or a space, or empty, and differ from decimal")]
    Group,
}

/// A text, read as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// A number by the separators.
    Number(TextNumber),
    /// A number by other separators alone.
    Ambiguous,
    /// No number.
    Text,
}

/// A number that was text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextNumber {
    /// The number. A share of hundred is divided by it already.
    pub number: Number,
    /// The kind of the number by its text.
    pub unit: Unit,
    /// Whether the number has all digits of the text.
    pub is_exact: bool,
}

/// The kind of a number by its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    None,
    /// An amount of money.
    Currency(Currency),
    /// A share of hundred.
    Percent,
}

/// Longest text that is read as a number, in bytes.
const LENGTH: usize = 64;

/// Most letters of the code or the symbol of a currency.
const LETTERS: usize = 4;

impl Default for Separators {
    fn default() -> Self {
        Self { decimal: '.', group: Some(',') }
    }
}

impl Separators {
    /// Separators from text. The group may be empty.
    pub fn new(decimal: &str, group: &str) -> Result<Self, SeparatorsError> {
        let decimal = match decimal {
            "." => '.',
            "," => ',',
            _ => return Err(SeparatorsError::Decimal),
        };
        let mut characters = group.chars();
        let group = characters.next().map(plain);
        let fits = group.is_none_or(|group| ['.', ',', ' ', '\''].contains(&group));
        if !fits || group == Some(decimal) || characters.next().is_some() {
            return Err(SeparatorsError::Group);
        }
        Ok(Self { decimal, group })
    }

    /// Reads a text.
    pub fn read(self, text: &str) -> Reading {
        let Some((parts, digits)) = dress(text) else { return Reading::Text };
        if let Some((number, is_exact)) = self.number(digits) {
            return Reading::Number(parts.number(number, is_exact));
        }
        // Other characters make a date, a code or a unit of it.
        let is_part = |c: char| c.is_ascii_digit() || matches!(plain(c), '.' | ',' | ' ' | '\'');
        let all = ['.', ','].into_iter().flat_map(|decimal| {
            ['.', ',', ' ', '\''].map(|group| Self { decimal, group: Some(group) })
        });
        let mut others = all.filter(|other| other.group != Some(other.decimal));
        if digits.chars().all(is_part) && others.any(|other| other.number(digits).is_some()) {
            Reading::Ambiguous
        } else {
            Reading::Text
        }
    }

    /// Digits with these separators.
    fn number(self, text: &str) -> Option<(Number, bool)> {
        let (whole, part) = match text.split_once(self.decimal) {
            Some((whole, part)) => (whole, Some(part)),
            None => (text, None),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !part.is_none_or(|part| !part.is_empty() && is_digits(part)) {
            return None;
        }
        let whole = self.ungrouped(whole)?;
        // `007` is a code, and so is a row of digits that no number of Excel can hold.
        let is_code =
            whole.len() > 1 && whole.starts_with('0') || part.is_none() && whole.len() > DIGITS;
        if is_code || whole.is_empty() && part.is_none() {
            return None;
        }
        Number::parse(&format!("{whole}.{}", part.unwrap_or_default()))
    }

    /// Digits without the separators of their groups, if each group is as long as it must be.
    fn ungrouped(self, whole: &str) -> Option<String> {
        let is_separator = |c: char| self.group.is_some_and(|group| plain(c) == group);
        let groups: Vec<_> = whole.split(is_separator).collect();
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !groups.iter().all(|group| is_digits(group)) {
            return None;
        }
        if let [first, middle @ .., last] = &groups[..]
            && groups.len() > 1
        {
            // `12,34,567` as in India: two digits in each group but the last one.
            let is_even = |length: usize| {
                (1..=length).contains(&first.len())
                    && middle.iter().all(|group| group.len() == length)
            };
            let fits = last.len() == 3 && (is_even(3) || is_even(2));
            if !fits || first.starts_with('0') {
                return None;
            }
        }
        Some(groups.concat())
    }
}

/// The characters around the digits of a number.
#[derive(Default)]
struct Dress {
    is_negative: bool,
    has_sign: bool,
    currency: Option<Currency>,
    is_percent: bool,
}

impl Dress {
    fn number(&self, number: Number, is_exact: bool) -> TextNumber {
        let number = if self.is_negative { -number } else { number };
        let (number, unit) = match self.currency {
            _ if self.is_percent => (number.percent(), Unit::Percent),
            Some(currency) => (number, Unit::Currency(currency)),
            None => (number, Unit::None),
        };
        TextNumber { number, unit, is_exact }
    }

    /// Takes a sign. There can be one.
    fn sign(&mut self, is_negative: bool) -> Option<()> {
        let is_first = !self.has_sign;
        self.has_sign = true;
        self.is_negative = is_negative;
        is_first.then_some(())
    }
}

/// Takes off parentheses, signs, a currency and `%` around digits. None if other characters stay.
fn dress(text: &str) -> Option<(Dress, &str)> {
    let mut rest = text.trim();
    let mut dress = Dress::default();
    // A currency has few letters. Most texts have more, and end here.
    let letters = rest.bytes().filter(u8::is_ascii_alphabetic).count();
    let has_digits = rest.bytes().any(|byte| byte.is_ascii_digit());
    if rest.len() > LENGTH || letters > LETTERS || !has_digits {
        return None;
    }
    if let Some(inner) = rest.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        dress.sign(true)?;
        rest = inner.trim();
    }
    loop {
        let first = rest.chars().next()?;
        let last = rest.chars().next_back()?;
        rest = if first.is_ascii_digit() && last.is_ascii_digit() {
            break;
        } else if is_minus(first) || first == '+' {
            dress.sign(is_minus(first))?;
            &rest[first.len_utf8()..]
        } else if is_minus(last) {
            dress.sign(true)?;
            &rest[..rest.len() - last.len_utf8()]
        } else if last == '%' && !dress.is_percent && dress.currency.is_none() {
            dress.is_percent = true;
            &rest[..rest.len() - 1]
        } else if let Some((currency, inner)) =
            Currency::before(rest).or_else(|| Currency::behind(rest))
            && dress.currency.is_none()
            && !dress.is_percent
        {
            dress.currency = Some(currency);
            inner
        } else if matches!(first, '.' | ',') {
            break;
        } else {
            return None;
        };
        rest = rest.trim();
    }
    Some((dress, rest))
}

/// Hyphen, the minus sign, and the forms that fonts and full width have of them.
fn is_minus(c: char) -> bool {
    matches!(c, '-' | '\u{2212}' | '\u{2012}' | '\u{2013}' | '\u{fe63}' | '\u{ff0d}')
}

/// One character for each kind of group separator: spaces that don't break, typographic quotes.
fn plain(c: char) -> char {
    match c {
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}' => ' ',
        '\u{2019}' => '\'',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(separators: Separators, text: &str) -> String {
        match separators.read(text) {
            Reading::Ambiguous => "?".to_owned(),
            Reading::Text => "text".to_owned(),
            Reading::Number(found) => {
                let unit = match found.unit {
                    Unit::None => "",
                    Unit::Currency(currency) => currency.code(),
                    Unit::Percent => "%",
                };
                let lost = if found.is_exact { "" } else { " lost" };
                format!("{}{unit}{lost}", found.number)
            }
        }
    }

    #[test]
    fn numbers_are_read_by_the_separators_alone() {
        for (decimal, group, text, expected) in [
            (".", ",", "5", "5"),
            (".", ",", " 1,234.50 ", "1234.5"),
            (".", ",", "(1,234.50)", "-1234.5"),
            (".", ",", "1,234.50-", "-1234.5"),
            (".", ",", "\u{2212}1,234.50", "-1234.5"),
            (".", ",", "-1,234.50", "-1234.5"),
            (".", ",", "+3", "3"),
            (".", ",", "1,234,567", "1234567"),
            (".", ",", "12,34,567.8", "1234567.8"),
            (".", ",", "$1,234", "1234$"),
            (".", ",", "-$5", "-5$"),
            (".", ",", "$-5", "-5$"),
            (".", ",", "US$ 5", "5USD"),
            (".", ",", "EUR 5.00", "5EUR"),
            (".", ",", "5\u{a0}€", "5EUR"),
            (".", ",", "(5 €)", "-5EUR"),
            (".", ",", "12 %", "0.12%"),
            (".", ",", "-12.5%", "-0.125%"),
            (".", ",", ".5", "0.5"),
            (".", ",", "0.5", "0.5"),
            (".", ",", "0", "0"),
            (".", ",", "0.12345678901234567", "0.123456789012346 lost"),
            (".", ",", "1,23", "?"),
            (".", ",", "1.234,50", "?"),
            (".", ",", "1.234.567", "?"),
            (".", ",", "0,123", "?"),
            (".", ",", "12 345", "?"),
            (".", "", "1,234", "?"),
            (",", ".", "1.234,50", "1234.5"),
            (",", ".", "1.234", "1234"),
            (",", ".", "1,234", "1.234"),
            (",", ".", "1.23", "?"),
            (",", ".", "1.5 %", "?"),
            (",", " ", "1\u{a0}234,5", "1234.5"),
            (",", " ", "1\u{202f}234,5", "1234.5"),
            (".", "'", "1\u{2019}234.5", "1234.5"),
            (",", "", "1234,5", "1234.5"),
            (".", ",", "007", "text"),
            (".", ",", "4111111111111111", "text"),
            (".", ",", "", "text"),
            (".", ",", "-", "text"),
            (".", ",", "abc", "text"),
            (".", ",", "--5", "text"),
            (".", ",", "(-5)", "text"),
            (".", ",", "(5)-", "text"),
            (".", ",", "5%%", "text"),
            (".", ",", "5 € %", "text"),
            (".", ",", "1E5", "text"),
            (".", ",", "1/2", "text"),
            (".", ",", "2024-01-31", "text"),
            (".", ",", "31.12.2024", "text"),
            (",", ".", "31.12.2024", "text"),
            (".", ",", "10.0.0.1", "text"),
            (".", ",", "+49 170 1234567", "text"),
            (".", ",", "5 kg", "text"),
            (".", ",", "5.", "text"),
            (".", ",", "١٢", "text"),
            (".", ",", "5\u{200b}", "text"),
        ] {
            let separators = Separators::new(decimal, group).unwrap();
            assert_eq!(read(separators, text), expected, "{decimal:?} {group:?} {text:?}");
        }
    }

    #[test]
    fn separators_differ() {
        for (decimal, group) in
            [(".", "."), ("", ","), (";", ","), (".", "x"), (".", ",,"), (".", "0")]
        {
            assert!(Separators::new(decimal, group).is_err(), "{decimal:?} {group:?}");
        }
    }
}
