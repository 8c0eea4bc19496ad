//! Kinds of Excel's number formats: a date, a share, an amount of money.

use crate::currency::Currency;

/// The kind of a number format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `General`, digits, or nothing that says more.
    Number,
    /// Digits with an exponent.
    Scientific,
    /// An amount of money.
    Currency(Currency),
    /// A share of hundred.
    Percent,
    /// A day.
    Date,
    /// A day with a time.
    DateTime,
    /// A time of a day.
    Time,
    /// Elapsed time: `[h]:mm`.
    Duration,
    /// `@`
    Text,
}

/// The state of the scanner in a section.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "each one is seen or not, in any combination")]
struct Seen {
    day: bool,
    time: bool,
    elapsed: bool,
    percent: bool,
    digits: bool,
    exponent: bool,
    text: bool,
    currency: Option<Currency>,
    /// Text around the digits.
    literal: String,
    /// The last unit: `h`, `s`, or another one.
    last: Option<char>,
    /// An `m` that means a month, unless seconds follow.
    month_or_minute: bool,
    /// Whether an `m` meant minutes.
    minutes: bool,
}

impl Format {
    /// Reads a format code in the form of en-US, by its section for positive numbers.
    pub fn of(code: &str) -> Self {
        let seen = scan(code);
        match (seen.day, seen.time || seen.minutes) {
            _ if seen.elapsed => Self::Duration,
            (true, true) => Self::DateTime,
            (true, false) => Self::Date,
            (false, true) => Self::Time,
            (false, false) => seen.number(),
        }
    }
}

/// Whether a format shows nothing of a cell: each of its sections is empty, as in `;;;`.
pub fn hides(code: &str) -> bool {
    code.starts_with(";;") && code.bytes().all(|byte| byte == b';')
}

impl Seen {
    fn number(self) -> Format {
        let currency = self.currency.or_else(|| Currency::within(&self.literal));
        match currency {
            _ if self.percent => Format::Percent,
            Some(currency) if self.digits => Format::Currency(currency),
            _ if self.exponent => Format::Scientific,
            _ if self.text && !self.digits => Format::Text,
            _ => Format::Number,
        }
    }

    /// A unit of a date or a time, with the number of its letters.
    fn unit(&mut self, letter: char, length: usize) {
        if self.month_or_minute {
            // `mm:ss`
            let is_minute = letter == 's';
            self.minutes |= is_minute;
            self.day |= !is_minute;
            self.month_or_minute = false;
        }
        match letter {
            'h' | 's' => self.time = true,
            'm' if length > 2 => self.day = true,
            // `h:mm`, and `ss:mm` unless minutes came before.
            'm' if self.last == Some('h') || self.last == Some('s') && !self.minutes => {
                self.minutes = true;
            }
            'm' => self.month_or_minute = true,
            _ => self.day = true,
        }
        self.last = Some(letter);
    }

    /// The content of brackets: `[h]`, `[$€-407]`, `[Red]`, `[>=100]`.
    fn bracket(&mut self, content: &str) {
        if let Some(currency) = content.strip_prefix('$') {
            let (symbol, locale) = currency.split_once('-').unwrap_or((currency, ""));
            match locale {
                // The long date and the time of the system.
                "F800" | "f800" => self.day = true,
                "F400" | "f400" => self.time = true,
                _ => self.currency = self.currency.or_else(|| Currency::in_locale(symbol, locale)),
            }
            return;
        }
        let mut letters = content.chars().map(|c| c.to_ascii_lowercase());
        if let Some(first) = letters.next().filter(|first| matches!(first, 'h' | 'm' | 's'))
            && letters.all(|letter| letter == first)
        {
            self.elapsed = true;
            self.last = Some(first);
        }
    }
}

fn scan(code: &str) -> Seen {
    let mut seen = Seen::default();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let next = &rest[c.len_utf8()..];
        let behind = |text: &str| next.get(text.len()..).unwrap_or_default();
        rest = match c {
            ';' => break,
            '"' => {
                let (literal, next) = next.split_once('"').unwrap_or((next, ""));
                seen.literal.push_str(literal);
                next
            }
            '\\' => {
                seen.literal.extend(next.chars().next());
                skip(next)
            }
            // A space as wide as the next character; the next character as often as it fits.
            '_' | '*' => {
                seen.literal.push(' ');
                skip(next)
            }
            '[' => {
                let (content, next) = next.split_once(']').unwrap_or((next, ""));
                seen.bracket(content);
                next
            }
            'G' | 'g' if starts(rest, "General") => {
                seen.digits = true;
                behind("eneral")
            }
            'A' | 'a' if starts(rest, "AM/PM") => {
                seen.time = true;
                behind("M/PM")
            }
            'A' | 'a' if starts(rest, "A/P") => {
                seen.time = true;
                behind("/P")
            }
            '上' if rest.starts_with("上午/下午") => {
                seen.time = true;
                behind("午/下午")
            }
            'E' | 'e' if seen.digits && next.starts_with(['+', '-']) => {
                seen.exponent = true;
                &next[1..]
            }
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' | 'e' | 'E' | 'g' | 'G'
            | 'b' | 'B' | 'a' | 'A' => {
                let is_same = |other: char| other.eq_ignore_ascii_case(&c);
                let length = rest.chars().take_while(|&other| is_same(other)).count();
                let letter = c.to_ascii_lowercase();
                // `aaa` is a weekday and `bb` a year. Shorter, they are no units.
                let least = match letter {
                    'a' => 3,
                    'b' => 2,
                    _ => 1,
                };
                if length >= least {
                    seen.unit(letter, length);
                }
                &rest[length..]
            }
            _ => {
                match c {
                    '0' | '#' | '?' => seen.digits = true,
                    '%' => seen.percent = true,
                    '@' => seen.text = true,
                    _ => seen.literal.push(c),
                }
                next
            }
        };
        if matches!(c, '0' | '#' | '?') {
            // The texts on both sides of the digits are not one word.
            seen.literal.push(' ');
        }
    }
    seen.day |= seen.month_or_minute;
    seen
}

fn starts(text: &str, word: &str) -> bool {
    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
}

/// The text behind its first character.
fn skip(text: &str) -> &str {
    let mut characters = text.chars();
    characters.next();
    characters.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn currency(code: &str) -> Format {
        Format::Currency(Currency::of(code).unwrap())
    }

    #[test]
    fn a_format_says_what_its_numbers_are() {
        for (code, expected) in [
            ("General", Format::Number),
            ("general", Format::Number),
            ("", Format::Number),
            ("0", Format::Number),
            ("#,##0.00;[Red]-#,##0.00", Format::Number),
            ("0.00E+00", Format::Scientific),
            ("##0.0E-0", Format::Scientific),
            ("# ?/?", Format::Number),
            ("@", Format::Text),
            ("0%", Format::Percent),
            ("0.0 %;[Red]-0.0 %", Format::Percent),
            ("0\"%\"", Format::Number),
            ("0\\%", Format::Number),
            ("yyyy-mm-dd", Format::Date),
            ("d/m/yy", Format::Date),
            ("mmm yyyy", Format::Date),
            ("mmmm", Format::Date),
            ("m", Format::Date),
            ("[$-409]d\\-mmm\\-yy;@", Format::Date),
            ("[$-F800]dddd\\,\\ mmmm\\ dd\\,\\ yyyy", Format::Date),
            ("[$-F400]h:mm:ss\\ AM/PM", Format::Time),
            ("[$-411]ggge\"年\"m\"月\"d\"日\"", Format::Date),
            ("e\"年\"", Format::Date),
            ("bbbb", Format::Date),
            ("aaaa", Format::Date),
            ("h:mm", Format::Time),
            ("h:mm AM/PM", Format::Time),
            ("h A/P", Format::Time),
            ("上午/下午h", Format::Time),
            ("mm:ss", Format::Time),
            ("mm:ss.0", Format::Time),
            ("ss:mm", Format::Time),
            ("mm:ss m", Format::DateTime),
            ("mmm:ss", Format::DateTime),
            ("s", Format::Time),
            ("yyyy-mm-dd hh:mm:ss", Format::DateTime),
            ("dd.mm.yyyy\\ hh:mm", Format::DateTime),
            ("h:mm d/m", Format::DateTime),
            ("[h]:mm", Format::Duration),
            ("[hh]:mm:ss", Format::Duration),
            ("[mm]:ss", Format::Duration),
            ("[s].00", Format::Duration),
            ("[Red]0", Format::Number),
            ("[Blue]General", Format::Number),
            ("[>=100]0;0.0", Format::Number),
            ("[DBNum1]0", Format::Number),
            ("\"days\" 0", Format::Number),
            ("0\\d", Format::Number),
            ("0_d", Format::Number),
            ("0*d", Format::Number),
            ("$#,##0.00", currency("$")),
            ("[$$-409]#,##0.00", currency("USD")),
            ("[$$-1009]#,##0", currency("CAD")),
            ("#,##0.00\\ [$€-407]", currency("EUR")),
            ("[$€-2]\\ #,##0", currency("EUR")),
            ("[$¥-411]#,##0", currency("JPY")),
            ("[$¥-zh-CN]#,##0", currency("CNY")),
            ("#,##0.00\\ [$kr-41D]", currency("SEK")),
            ("#,##0.00 \"€\"", currency("EUR")),
            ("\"CHF\" #,##0", currency("CHF")),
            ("[$CHF] #,##0", currency("CHF")),
            ("_-* #,##0.00\\ \"€\"_-;-* #,##0.00\\ \"€\"_-", currency("EUR")),
            ("_($* #,##0.00_);_($* (#,##0.00);_($* \"-\"??_);_(@_)", currency("$")),
            ("£0", currency("GBP")),
            ("0 \"per unit\"", Format::Number),
            ("\"unclosed", Format::Number),
            ("[unclosed", Format::Number),
            ("0\\", Format::Number),
            (";;;", Format::Number),
        ] {
            assert_eq!(Format::of(code), expected, "{code}");
        }
    }

    #[test]
    fn a_format_of_empty_sections_hides() {
        for (code, expected) in
            [(";;;", true), (";;", true), (";", false), ("", false), ("0;;", false)]
        {
            assert_eq!(hides(code), expected, "{code:?}");
        }
    }
}
