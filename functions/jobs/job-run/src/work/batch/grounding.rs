//! Whether the numbers of an extracted output stand in their row. They are compared as values,
//! without signs, however their digits are grouped in the row. A number in a text can be read in
//! several ways: `1.234` is a thousand and more, or one and a part. Each of them counts.

use std::collections::BTreeSet;

use cells::address::Cell;
use cells::grid::{Cleared, Grid};
use cells::number::Number;
use cells::value::Value as CellValue;
use serde_json::Value;
use tally_jobs::domain::{FieldType, Operation};

/// Characters of one number in a text, at most. Longer ones are no amounts.
const LONGEST: usize = 64;

/// The numbers that stand in a row, without their signs.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Numbers(BTreeSet<Number>);

impl Numbers {
    /// Those of some cells of a row, which counts from zero.
    pub fn of(cells: &Cleared<Grid>, row: u32, columns: impl IntoIterator<Item = u32>) -> Self {
        let mut numbers = Self::default();
        for column in columns {
            match cells.value(Cell { row, column }) {
                None | Some(CellValue::Empty | CellValue::Boolean(_)) => {}
                Some(CellValue::Percent(share)) => {
                    numbers.add(*share);
                    // A reader says 12 % of 0.12.
                    numbers.add(hundredfold(*share));
                }
                Some(value) => {
                    value.number().into_iter().for_each(|number| numbers.add(number));
                    numbers.add_text(&value.to_string());
                }
            }
        }
        numbers
    }

    /// The names of the fields of an output whose numbers do not stand in the row.
    pub fn missing_from(&self, operation: &Operation, output: &Value) -> Vec<String> {
        let Operation::Extract { fields } = operation else { return Vec::new() };
        let of_numbers = fields.iter().filter(|field| field.r#type == FieldType::Number);
        let is_missing = |value: &Value| {
            let number = Number::parse(&value.to_string());
            number.is_none_or(|(number, _)| !self.0.contains(&positive(number)))
        };
        of_numbers
            .filter(|field| {
                output.get(&field.name).is_some_and(|value| value.is_number() && is_missing(value))
            })
            .map(|field| field.name.clone())
            .collect()
    }

    fn add(&mut self, number: Number) {
        self.0.insert(positive(number));
    }

    /// Adds the numbers that stand in a text.
    fn add_text(&mut self, text: &str) {
        let mut rest = text;
        while let Some(digit) = rest.find(|c: char| c.is_ascii_digit()) {
            // `.5` begins with its point.
            let start = if rest[..digit].ends_with('.') { digit - 1 } else { digit };
            let from = &rest[start..];
            let end = from.find(|c: char| !is_of_number(c)).unwrap_or(from.len());
            let (run, behind) = from.split_at(end);
            let is_share = behind.starts_with('%');
            for number in readings(run) {
                self.add(number);
                if is_share {
                    self.add(number.percent());
                }
            }
            rest = behind;
        }
    }
}

/// The values that a run of digits and separators may have.
fn readings(run: &str) -> Vec<Number> {
    let pieces = run.split(is_gap).map(|piece| piece.trim_end_matches(is_point));
    let pieces: Vec<_> = pieces.filter(|piece| !piece.is_empty()).collect();
    let whole = if is_grouped(&pieces) { pieces.concat() } else { String::new() };
    let texts = pieces.into_iter().chain([whole.as_str()]);
    texts.filter(|text| text.len() <= LONGEST).flat_map(readings_of).collect()
}

/// Whether blanks or apostrophes stand between groups of three digits.
fn is_grouped(pieces: &[&str]) -> bool {
    let [first, groups @ .., last] = pieces else { return false };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_last = last.find(is_point).unwrap_or(last.len()) == 3;
    is_digits(first)
        && (1..=3).contains(&first.len())
        && groups.iter().all(|group| group.len() == 3 && is_digits(group))
        && is_last
}

/// The values of digits with points and commas: without a part behind a decimal separator, and with
/// one of either kind. Those of several numbers in a row, as in a date, are single numbers too.
fn readings_of(text: &str) -> Vec<Number> {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
    let mut texts = vec![digits(text)];
    for decimal in ['.', ','] {
        if let Some((whole, part)) = text.split_once(decimal)
            && part.bytes().all(|byte| byte.is_ascii_digit())
        {
            texts.push(format!("{}.{part}", digits(whole)));
        }
    }
    let groups: Vec<_> = text.split(is_point).collect();
    if let [_, middle @ .., _] = &groups[..]
        && middle.iter().any(|group| group.len() != 3)
    {
        texts.extend(groups.into_iter().map(str::to_owned));
    }
    texts.iter().filter_map(|text| Number::parse(text)).map(|(number, _)| number).collect()
}

fn is_of_number(c: char) -> bool {
    c.is_ascii_digit() || is_point(c) || is_gap(c)
}

/// Separators of which one may be the decimal one.
fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// Separators that only group digits.
fn is_gap(c: char) -> bool {
    matches!(c, ' ' | '\'' | '\u{2019}' | '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}')
}

fn positive(number: Number) -> Number {
    if number.is_negative() { -number } else { number }
}

fn hundredfold(number: Number) -> Number {
    Number::parse(&format!("{number}e2")).map_or(number, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn has(text: &str, number: &str) -> bool {
        let mut numbers = Numbers::default();
        numbers.add_text(text);
        numbers.0.contains(&Number::parse(number).unwrap().0)
    }

    #[test]
    fn a_number_of_a_text_is_found_however_it_is_written() {
        for (text, numbers, others) in [
            ("Invoice 4711", &["4711"][..], &["47", "711"][..]),
            ("Total: 1,234.50 EUR", &["1234.5"], &["1234", "50", "234.5"]),
            ("Summe 1.234,50 €", &["1234.5"], &["1234", "50"]),
            ("1.234", &["1234", "1.234"], &["1", "234"]),
            ("1.234.567", &["1234567"], &["1.234", "567"]),
            ("12,34,567.8", &["1234567.8"], &["1234567"]),
            ("1 234,5", &["1234.5", "1", "234.5"], &["1234"]),
            ("1\u{202f}234\u{a0}567", &["1234567"], &["1234"]),
            ("1'234.50", &["1234.5"], &["1234"]),
            ("5, 6 and 7.", &["5", "6", "7"], &["56", "567"]),
            ("31.12.2024", &["31", "12", "2024"], &["31.12"]),
            ("2024-12-31", &["2024", "12", "31"], &["20241231"]),
            ("10,20,30", &["10", "20", "30"], &["10.2"]),
            ("(5) -7 +9", &["5", "7", "9"], &[]),
            ("12.5%", &["12.5", "0.125"], &["12"]),
            ("12 kg", &["12"], &["0.12"]),
            ("No.5 costs .75", &["5", "0.75"], &[]),
            ("007", &["7"], &[]),
            ("DE89370400440532013000", &[], &["89"]),
            ("", &[], &["0"]),
            ("no number", &[], &["0"]),
        ] {
            for number in numbers {
                assert!(has(text, number), "{text}: {number}");
            }
            for number in others {
                assert!(!has(text, number), "{text}: {number}");
            }
        }
        // A long run of digits is no amount, and takes no time.
        let long = "1,".repeat(100_000);
        assert!(!has(&long, "1"));
    }

    #[test]
    fn fields_with_other_numbers_are_named() {
        let operation: Operation = serde_json::from_value(json!({"type": "extract", "fields": [
            {"name": "net", "type": "number"}, {"name": "tax", "type": "number"},
            {"name": "note", "type": "text"}, {"name": "gone", "type": "number"},
        ]}))
        .unwrap();
        let mut numbers = Numbers::default();
        numbers.add_text("Net 1,000.00, tax -190");
        for (net, tax, expected) in [
            (json!(1000), json!(190), &[][..]),
            (json!(1000.0), json!(-190), &[]),
            (json!(1000), json!(19), &["tax"]),
            (json!(1190), json!(191), &["net", "tax"]),
            (json!(null), json!(null), &[]),
        ] {
            let output = json!({"net": net, "tax": tax, "note": "77", "gone": null});
            assert_eq!(numbers.missing_from(&operation, &output), expected, "{output}");
        }
        let label = json!("1");
        assert!(numbers.missing_from(&Operation::Explain, &label).is_empty());
    }
}
