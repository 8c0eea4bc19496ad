//! Where a quote stands. The model quotes, and the place comes from the text of the piece alone.
//!
//! A quote is looked up as it is, and then with runs of white space alike. Case counts. In pages,
//! it is looked up without white space at last, because programs that write PDFs place words and
//! letters as they like. If it stands there several times, the first place counts at which it is
//! no part of a longer word, or else the first one. Each search takes a time linear in the text.

use std::borrow::Cow;

use tally_files::domain::Records;

/// The text of a piece, as the model was given it.
#[derive(Clone, PartialEq, Eq)]
pub enum Given {
    /// Lines, each behind its number and a tab.
    Lines(String),
    /// Records of a CSV behind its header. The first one has this number, counted after the header.
    Rows(String, u32),
    /// The texts of pages. The first one has this number.
    Pages(Vec<String>, u32),
}

platform::opaque!(Given);

/// The place of a quote. Numbers begin at 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The first and the last line, or record of a CSV, whose header is record 1.
    Lines(u32, u32),
    /// The page on which it begins.
    Page(u32),
}

/// The text of a piece in the forms in which quotes are looked up, the most exact one first.
pub struct Passage {
    forms: Vec<Form>,
    /// Whether the model saw numbers of lines, which a quote may have.
    is_numbered: bool,
    is_paged: bool,
}

/// The text in one form. Its units are lines, records or pages.
struct Form {
    spaces: Spaces,
    text: String,
    /// Where each unit begins, and its number, in their order.
    starts: Vec<(usize, u32)>,
}

/// What becomes of white space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spaces {
    Kept,
    /// One blank stands for a run of it.
    Alike,
    Dropped,
}

impl Passage {
    /// The text without the numbers of lines.
    pub fn new(given: &Given) -> Self {
        let (is_numbered, is_paged) =
            (matches!(given, Given::Lines(_)), matches!(given, Given::Pages(..)));
        let units = units(given);
        let all: &[Spaces] = if is_paged {
            &[Spaces::Kept, Spaces::Alike, Spaces::Dropped]
        } else {
            &[Spaces::Kept, Spaces::Alike]
        };
        let forms = all.iter().map(|spaces| Form::new(*spaces, &units)).collect();
        Self { forms, is_numbered, is_paged }
    }

    /// The place of a quote. `None` if it stands nowhere, or has neither letters nor digits.
    pub fn find(&self, quote: &str) -> Option<Place> {
        let (own, line) = match self.is_numbered.then(|| without_numbers(quote)).flatten() {
            Some((own, line)) => (Cow::Owned(own), Some(line)),
            None => (Cow::Borrowed(quote), None),
        };
        if !own.contains(char::is_alphanumeric) {
            return None;
        }
        // The text may have numbers and tabs of its own, so the quote is looked up as it is first.
        let is_changed = matches!(own, Cow::Owned(_));
        let (first, last) = self.forms.iter().find_map(|form| {
            let as_it_is = is_changed.then(|| form.find(quote, None)).flatten();
            as_it_is.or_else(|| form.find(&own, line))
        })?;
        Some(if self.is_paged { Place::Page(first) } else { Place::Lines(first, last) })
    }
}

impl Form {
    fn new(spaces: Spaces, units: &[(u32, &str)]) -> Self {
        let mut form = Self { spaces, text: String::new(), starts: Vec::new() };
        for (number, unit) in units {
            if !form.starts.is_empty() {
                spaces.push(&mut form.text, '\n');
            }
            form.starts.push((form.text.len(), *number));
            unit.chars().for_each(|c| spaces.push(&mut form.text, c));
        }
        form
    }

    /// The units in which a quote begins and ends. If it stands in the unit `near`, that is it.
    fn find(&self, quote: &str, near: Option<u32>) -> Option<(u32, u32)> {
        let quote = self.spaces.of(quote);
        if quote.is_empty() {
            return None;
        }
        let at = near.and_then(|near| self.in_unit(near, &quote)).or_else(|| self.first(&quote))?;
        Some((self.unit(at), self.unit(at + quote.len() - 1)))
    }

    /// Where a quote begins in the unit with this number.
    fn in_unit(&self, number: u32, quote: &str) -> Option<usize> {
        let index = self.starts.partition_point(|(_, of)| *of < number);
        let (from, _) = self.starts.get(index).filter(|(_, of)| *of == number)?;
        let end = self.starts.get(index + 1).map_or(self.text.len(), |(start, _)| *start);
        // It may end in a later unit.
        let until = self.text.floor_char_boundary(end + quote.len());
        let at = from + self.text[*from..until].find(quote)?;
        (at < end).then_some(at)
    }

    /// Where a quote begins first.
    fn first(&self, quote: &str) -> Option<usize> {
        let mut all = self.text.match_indices(quote).map(|(at, _)| at);
        let first = all.next()?;
        let is_apart = |at: &usize| self.is_apart(*at, quote.len());
        if is_apart(&first) { Some(first) } else { all.find(is_apart).or(Some(first)) }
    }

    /// Whether no word goes on beyond the ends of these bytes.
    fn is_apart(&self, at: usize, length: usize) -> bool {
        let (before, rest) = self.text.split_at(at);
        let (quote, after) = rest.split_at(length);
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let begins_apart = !(before.ends_with(is_word) && quote.starts_with(is_word));
        begins_apart && !(quote.ends_with(is_word) && after.starts_with(is_word))
    }

    /// The number of the unit in which a byte stands.
    fn unit(&self, at: usize) -> u32 {
        let after = self.starts.partition_point(|(start, _)| *start <= at);
        self.starts[..after].last().map_or(0, |(_, number)| *number)
    }
}

impl Spaces {
    /// Adds a character to a text of this form.
    fn push(self, text: &mut String, c: char) {
        match self {
            Self::Kept => text.push(c),
            _ if !c.is_whitespace() => text.push(c),
            Self::Alike if !text.is_empty() && !text.ends_with(' ') => text.push(' '),
            Self::Alike | Self::Dropped => {}
        }
    }

    /// A quote in this form, without line breaks or white space around it.
    fn of(self, quote: &str) -> Cow<'_, str> {
        if self == Self::Kept {
            return Cow::Borrowed(quote.trim_matches(['\r', '\n']));
        }
        let mut text = String::with_capacity(quote.len());
        quote.trim().chars().for_each(|c| self.push(&mut text, c));
        Cow::Owned(text)
    }
}

/// The lines, records or pages of a text, with their numbers.
fn units(given: &Given) -> Vec<(u32, &str)> {
    match given {
        Given::Lines(text) => {
            let mut number = 1;
            let lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
            let own = lines.map(|line| {
                let (read, own) = numbered(line).unwrap_or((number, line));
                number = read;
                (read, own)
            });
            own.collect()
        }
        Given::Rows(text, first) => {
            let numbers = [1].into_iter().chain(first.saturating_add(1)..);
            numbers.zip(Records::new(text).flatten()).collect()
        }
        Given::Pages(texts, first) => (*first..).zip(texts.iter().map(String::as_str)).collect(),
    }
}

/// The number that stands before a line with a tab, and the line itself.
fn numbered(line: &str) -> Option<(u32, &str)> {
    let (number, own) = line.split_once('\t')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    Some((number.parse().ok().filter(|_| is_number)?, own))
}

/// A quote without the numbers that its model has copied from the beginnings of lines, and the line
/// at which it begins by these. `None` if it has no such number.
fn without_numbers(quote: &str) -> Option<(String, u32)> {
    let mut begins = None;
    let lines = (0..).zip(quote.trim_start().split('\n')).map(|(index, line)| {
        let Some((number, own)) = numbered(line.trim_start()) else { return line };
        begins.get_or_insert(number.saturating_sub(index));
        own
    });
    let own = lines.collect::<Vec<_>>().join("\n");
    begins.map(|begins| (own, begins))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "1\tfn checksum(a: u8) {\n2\t    let sum = a + a;\n3\t\n4\t    sum\n\
        5\t}\n6\tfn other() {\n7\t    let sum  =  b;\n8\t}\n9\t13\tvalue\n\
        10\treturn Größe\r(b);\n11\t}\n";

    fn lines(text: &str) -> Passage {
        Passage::new(&Given::Lines(text.to_owned()))
    }

    #[test]
    fn a_quote_has_the_lines_in_which_it_stands() {
        let passage = lines(CODE);
        for (quote, expected) in [
            ("let sum = a + a;", Some((2, 2))),
            ("fn checksum(a: u8) {", Some((1, 1))),
            ("let sum = a + a;\n\n    sum\n}", Some((2, 5))),
            ("\n    let sum = a + a;\n", Some((2, 2))),
            // White space of any kind and length is alike.
            ("let sum\u{a0}= a +\t\ta;", Some((2, 2))),
            ("let sum = a + a; sum }", Some((2, 5))),
            ("let sum = b;", Some((7, 7))),
            ("  let sum  =  b;  ", Some((7, 7))),
            ("let sum = a + a;\r\n\r\n    sum", Some((2, 4))),
            // It stands for itself before it stands in a longer word.
            ("sum", Some((2, 2))),
            ("check", Some((1, 1))),
            ("fn ", Some((1, 1))),
            ("Größe", Some((10, 10))),
            ("Größe\r(b)", Some((10, 10))),
            ("Größe (b)", Some((10, 10))),
            // Other letters, other order, or nothing.
            ("LET SUM = A + A;", None),
            ("let sum=a+a;", None),
            ("fn checksum(a: u8) {…}", None),
            ("sum\nlet", None),
            ("", None),
            (" \n\t", None),
            ("}", None),
            ("{ ( } ;", None),
            ("€", None),
            ("\u{0}", None),
        ] {
            let expected = expected.map(|(first, last)| Place::Lines(first, last));
            assert_eq!(passage.find(quote), expected, "{quote:?}");
        }
    }

    #[test]
    fn numbers_that_a_quote_has_copied_are_left_out() {
        let passage = lines(CODE);
        for (quote, expected) in [
            ("2\t    let sum = a + a;", Some((2, 2))),
            ("2\t    let sum = a + a;\n3\t\n4\t    sum", Some((2, 4))),
            ("let sum = a + a;\n3\t\n4\t    sum", Some((2, 4))),
            ("  2\tlet sum = a + a;", Some((2, 2))),
            ("2\tlet sum = a  +  a;\n3\t\n4\tsum", Some((2, 4))),
            // The number says which of several places it is, if it stands there.
            ("4\t    sum", Some((4, 4))),
            ("7\tsum", Some((7, 7))),
            ("6\tfn ", Some((6, 6))),
            ("8\tsum", Some((2, 2))),
            ("4294967296\tsum", None),
            // Numbers of the text are its own.
            ("13\tvalue", Some((9, 9))),
            ("9\t13\tvalue", Some((9, 9))),
            // No letters or digits are left.
            ("5\t}", None),
            ("5\t", None),
            ("5\t}\n6\t", None),
        ] {
            let expected = expected.map(|(first, last)| Place::Lines(first, last));
            assert_eq!(passage.find(quote), expected, "{quote:?}");
        }
    }

    #[test]
    fn a_part_may_begin_anywhere_and_have_a_piece_of_a_line() {
        let passage = lines("200\tone two\n201\tthree\n");
        assert_eq!(passage.find("two\nthree"), Some(Place::Lines(200, 201)));
        let passage = lines("7\tpiece of a line\n");
        assert_eq!(passage.find("of a"), Some(Place::Lines(7, 7)));
        // A line without a number would be a fault of the part. It has that of the line before.
        assert_eq!(lines("none\n2\tx\nnor").find("none"), Some(Place::Lines(1, 1)));
        assert_eq!(lines("none\n2\tx\nnor").find("nor"), Some(Place::Lines(2, 2)));
        assert_eq!(lines("").find("x"), None);
    }

    #[test]
    fn a_quote_from_a_csv_has_its_record() {
        let text = "id,name\n7,\"Alpha\nGmbH\"\n8,Beta\n8,Gamma\n".to_owned();
        let passage = Passage::new(&Given::Rows(text, 60));
        for (quote, expected) in [
            ("id,name", Some((1, 1))),
            ("name", Some((1, 1))),
            ("7,\"Alpha\nGmbH\"", Some((61, 61))),
            ("Alpha GmbH", Some((61, 61))),
            ("8,Beta\n8,Gamma", Some((62, 63))),
            ("GmbH\"\n8,Beta", Some((61, 62))),
            ("8,", Some((62, 62))),
            ("8, Beta", None),
            ("Delta", None),
        ] {
            let expected = expected.map(|(first, last)| Place::Lines(first, last));
            assert_eq!(passage.find(quote), expected, "{quote:?}");
        }
        let tabs = Passage::new(&Given::Rows("id\tname\n7\tAlpha\n8\tAlpha\n".into(), 1));
        assert_eq!(tabs.find("8\tAlpha"), Some(Place::Lines(3, 3)));
    }

    #[test]
    fn a_quote_from_a_pdf_has_its_page() {
        let texts = [
            "Annual report\n2025   of Alpha",
            "",
            "Net rev enue was 1,200.00 EUR\nin",
            "2025. Costs\u{a0}were 900.00",
        ];
        let passage = Passage::new(&Given::Pages(texts.map(str::to_owned).to_vec(), 21));
        for (quote, expected) in [
            ("Annual report 2025 of Alpha", Some(21)),
            ("2025", Some(21)),
            ("1,200.00 EUR", Some(23)),
            // It begins on this page.
            ("1,200.00 EUR in 2025.", Some(23)),
            ("Costs were 900.00", Some(24)),
            // White space that the program of the PDF has set, or has not.
            ("Net revenue was", Some(23)),
            ("Annual re port", Some(21)),
            ("net revenue was", None),
            ("1.200,00 EUR", None),
            ("Alpha Net", Some(21)),
            (" – ", None),
        ] {
            assert_eq!(passage.find(quote), expected.map(Place::Page), "{quote:?}");
        }
        let empty = Passage::new(&Given::Pages(vec![String::new(); 3], 1));
        assert_eq!(empty.find("anything"), None);
    }

    #[test]
    fn many_hostile_quotes_in_a_long_text_are_found_in_time() {
        // Each quote fails at its last character, at every place of the text.
        let line = "a".repeat(500);
        let same: Vec<_> = (1..=118).map(|number| format!("{number}\t{line}\n")).collect();
        let text = same.concat();
        let passage = lines(&text);
        for length in (3..=200).step_by(8) {
            let quote = format!("{}b", "a".repeat(length));
            assert_eq!(passage.find(&quote), None);
            let split = format!("1\t{}", "a \n".repeat(length));
            assert_eq!(passage.find(&split), None);
        }
        assert_eq!(passage.find(&"a".repeat(500)), Some(Place::Lines(1, 1)));
        assert_eq!(passage.find(&format!("118\t{line}")), Some(Place::Lines(118, 118)));
    }
}
