//! Profiles of columns: types and statistics of their cells.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use crate::address::{Cell, column_letters};
use crate::currency::Currency;
use crate::grid::{Cleared, Grid};
use crate::number::Sum;
use crate::value::{Kind, Value};

/// Most characters of a header in the API. The register keeps as many.
const MAX_HEADER: usize = 255;

/// A column in the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Column {
    /// One that the caller sees.
    Shown(Profile),
    /// Another one: no header, type or statistic.
    Withheld {
        /// Its letters.
        letter: String,
        /// `withheld`
        access: &'static str,
    },
}

/// The profile of a column, from the cells below the header that the caller sees.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Profile {
    /// Its letters.
    pub letter: String,
    /// Its header.
    pub header: Option<String>,
    /// The type of nine tenths of its filled cells.
    pub r#type: Kind,
    /// The currency of amounts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<&'static str>,
    /// The part of the filled cells that has the type, from 0 to 1.
    pub share: f64,
    /// The number of cells of each type.
    pub counts: BTreeMap<&'static str, u64>,
    /// The smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<String>,
    /// The largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<String>,
    /// The exact sum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sum: Option<String>,
}

/// The type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnType {
    /// The type.
    pub kind: Kind,
    /// The currency of amounts.
    pub currency: Option<Currency>,
}

impl ColumnType {
    /// Whether a value has the type. In a column of mixed types each value does.
    pub fn has(self, value: &Value) -> bool {
        match (self.kind, value) {
            (Kind::Mixed, _) => true,
            (Kind::Currency, Value::Currency(_, currency)) => Some(*currency) == self.currency,
            (Kind::Number, _) => value.number().is_some(),
            (Kind::DateTime, _) => matches!(value.kind(), Kind::Date | Kind::DateTime),
            (kind, _) => kind == value.kind(),
        }
    }
}

/// Counts of a column.
#[derive(Clone, Debug, Default)]
struct Counts {
    kinds: [u64; Kind::COUNT],
    currencies: BTreeMap<Currency, u64>,
}

impl Counts {
    fn of_all<'a>(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut counts = Self::default();
        values.for_each(|value| counts.add(value));
        counts
    }

    fn add(&mut self, value: &Value) {
        self.kinds[value.kind() as usize] += 1;
        if let Value::Currency(_, currency) = value {
            *self.currencies.entry(*currency).or_default() += 1;
        }
    }

    fn of(&self, kind: Kind) -> u64 {
        self.kinds[kind as usize]
    }

    fn filled(&self) -> u64 {
        self.kinds.iter().sum::<u64>() - self.of(Kind::Empty)
    }

    /// The type that nine tenths of the filled cells have.
    fn decide(&self) -> ColumnType {
        let filled = self.filled();
        let is_most = |count: u64| count * 10 >= filled * 9;
        let plain = |kind| ColumnType { kind, currency: None };
        if filled == 0 {
            return plain(Kind::Empty);
        }
        let top = self.currencies.iter().max_by_key(|&(_, &count)| count);
        if let Some((&currency, _)) = top.filter(|&(_, &count)| is_most(count)) {
            return ColumnType { kind: Kind::Currency, currency: Some(currency) };
        }
        let (integers, numbers) = (self.of(Kind::Integer), self.of(Kind::Number));
        let (dates, times) = (self.of(Kind::Date), self.of(Kind::DateTime));
        let single =
            [Kind::Percent, Kind::Time, Kind::Duration, Kind::Boolean, Kind::Text, Kind::Error];
        let single = single.into_iter().find(|&kind| is_most(self.of(kind)));
        let numeric = integers + numbers + self.of(Kind::Currency) + self.of(Kind::Percent);
        plain(match single {
            Some(kind) => kind,
            None if is_most(integers + numbers) && numbers == 0 => Kind::Integer,
            None if is_most(dates + times) && times == 0 => Kind::Date,
            None if is_most(dates + times) => Kind::DateTime,
            // Amounts of several currencies have no sum.
            None if is_most(numeric) && self.currencies.len() < 2 => Kind::Number,
            None => Kind::Mixed,
        })
    }
}

impl Cleared<Grid> {
    /// The columns from the left, each with the facts that the caller may know.
    pub fn columns(&self) -> Vec<Column> {
        let headers = self.headers();
        let letters = self.area().first().column..=self.area().last().column;
        let columns = letters.zip(headers).map(|(column, header)| {
            if self.shows_column(column) {
                Column::Shown(self.profile(column, header.map(cut), self.data_rows()))
            } else {
                Column::Withheld { letter: column_letters(column), access: "withheld" }
            }
        });
        columns.collect()
    }

    /// The type of a column.
    pub fn column_type(&self, column: u32) -> ColumnType {
        let values = self.data_rows().filter_map(|row| self.value(Cell { row, column }));
        Counts::of_all(values).decide()
    }

    /// The profile of some rows of a column.
    pub(crate) fn profile(
        &self,
        column: u32,
        header: Option<String>,
        rows: impl Iterator<Item = u32> + Clone,
    ) -> Profile {
        let values = rows.filter_map(|row| self.value(Cell { row, column }));
        let counts = Counts::of_all(values.clone());
        let of = counts.decide();
        let is_summed =
            matches!(of.kind, Kind::Integer | Kind::Number | Kind::Currency | Kind::Duration);
        let (mut min, mut max): (Option<&Value>, Option<&Value>) = (None, None);
        let (mut sum, mut seconds, mut having) = (Sum::default(), 0_i64, 0_u64);
        for value in values.filter(|value| !value.is_empty() && of.has(value)) {
            having += 1;
            if min.is_none_or(|min| value.order(min) == Some(Ordering::Less)) {
                min = Some(value);
            }
            if max.is_none_or(|max| value.order(max) == Some(Ordering::Greater)) {
                max = Some(value);
            }
            match value {
                Value::Duration(more) => seconds = seconds.saturating_add(*more),
                _ => {
                    if let Some(number) = value.number() {
                        sum.add(number);
                    }
                }
            }
        }
        // Only values that have an order are between two others.
        let ordered = |value: Option<&Value>| {
            value.filter(|value| value.order(value).is_some()).map(ToString::to_string)
        };
        let is_ordered = of.kind != Kind::Mixed;
        let total = match of.kind {
            Kind::Duration => Value::Duration(seconds).to_string(),
            _ => sum.to_string(),
        };
        let names = KINDS.into_iter().map(|kind| (kind.name(), counts.of(kind)));
        Profile {
            letter: column_letters(column),
            header,
            r#type: of.kind,
            currency: of.currency.map(Currency::code),
            share: share(having, counts.filled()),
            counts: names.filter(|&(_, count)| count > 0).collect(),
            min: ordered(min).filter(|_| is_ordered),
            max: ordered(max).filter(|_| is_ordered),
            sum: is_summed.then_some(total),
        }
    }
}

/// A header as the API has it.
fn cut(mut header: String) -> String {
    if let Some((end, _)) = header.char_indices().nth(MAX_HEADER) {
        header.truncate(end);
    }
    header
}

const KINDS: [Kind; Kind::COUNT] = [
    Kind::Empty,
    Kind::Integer,
    Kind::Number,
    Kind::Currency,
    Kind::Percent,
    Kind::Date,
    Kind::DateTime,
    Kind::Time,
    Kind::Duration,
    Kind::Boolean,
    Kind::Text,
    Kind::Error,
    Kind::Mixed,
];

/// A part of a whole at four digits. The part is 1 if the whole is zero.
fn share(part: u64, whole: u64) -> f64 {
    let digits = (part * 10_000).checked_div(whole).unwrap_or(10_000);
    f64::from(u32::try_from(digits).unwrap_or(10_000)) / 10_000.0
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::grid::{Denied, grid};
    use crate::layout::Layout;

    fn profile(values: &[Json], format: &str) -> Json {
        let rows: Vec<_> = values.iter().map(|value| json!([value])).collect();
        let address = format!("A1:A{}", rows.len());
        let body = json!({"address": address, "values": rows, "number_formats": format});
        let columns = grid(body, 0, Layout::default()).clear(&Denied(&[])).columns();
        serde_json::to_value(&columns[0]).unwrap()
    }

    #[test]
    fn a_type_needs_nine_tenths_of_the_filled_cells() {
        let ten = |other: Json| {
            let mut values: Vec<_> = (1..10).map(|n| json!(n)).collect();
            values.push(other);
            values
        };
        let text = |text: &str| json!(text);
        for (values, format, kind, sum) in [
            (ten(json!(10)), "General", "integer", Some("55")),
            (ten(json!(0.5)), "General", "number", Some("45.5")),
            (ten(text("x")), "General", "integer", Some("45")),
            (ten(json!("")), "General", "integer", Some("45")),
            (vec![json!(1), text("x")], "General", "mixed", None),
            (ten(json!(10)), "0%", "percent", None),
            (ten(json!(10)), "#,##0 \"€\"", "currency", Some("55")),
            (ten(json!(10)), "yyyy-mm-dd", "date", None),
            (ten(json!(10.5)), "yyyy-mm-dd", "datetime", None),
            (ten(json!(10)), "[h]:mm", "duration", Some("1320:00:00")),
            (vec![json!(true), json!(false)], "General", "boolean", None),
            (vec![text("a"), text("b")], "General", "text", None),
            (vec![json!(1), text("$5"), text("5 %")], "General", "number", Some("6.05")),
            (vec![text("$5"), text("5 €")], "General", "mixed", None),
            (vec![json!("")], "General", "empty", None),
        ] {
            let found = profile(&values, format);
            assert_eq!(found["type"], kind, "{values:?} {format}");
            assert_eq!(found["sum"].as_str(), sum, "{values:?} {format}");
        }
    }

    #[test]
    fn statistics_are_exact() {
        let found = profile(&[json!(0.1), json!(0.2), json!(-3), json!("x")], "General");
        assert_eq!(found["type"], "mixed");
        assert_eq!(found.get("min"), None);
        let found = profile(&[json!(0.1), json!(0.2), json!(-3), json!("")], "General");
        let expected = json!({
            "letter": "A", "header": null, "type": "number", "share": 1.0,
            "counts": {"empty": 1, "integer": 1, "number": 2},
            "min": "-3", "max": "0.2", "sum": "-2.7",
        });
        assert_eq!(found, expected);
        let found = profile(&[json!(60), json!(61.5)], "d/m/yy");
        assert_eq!(found["min"], "1900-02-29");
        assert_eq!(found["max"], "1900-03-01T12:00:00");
    }

    #[test]
    fn a_long_header_is_cut_between_characters() {
        for (length, expected) in [(255, 255), (256, 255)] {
            let body = json!({"address": "A1:A2", "values": [["é".repeat(length)], [1]]});
            let columns = grid(body, 1, Layout::default()).clear(&Denied(&[])).columns();
            let columns = serde_json::to_value(columns).unwrap();
            assert_eq!(columns[0]["header"], "é".repeat(expected));
        }
    }

    #[test]
    fn what_is_withheld_counts_nowhere() {
        let body = json!({
            "address": "A1:C3",
            "values": [["Pay", "Twice", "Name"], [5, 10, "Ann"], [700, 3, "Bob"]],
            "formulas": [["Pay", "Twice", "Name"], [5, "=A2*2", "Ann"], [700, 3, "Bob"]],
        });
        let columns = grid(body, 1, Layout::default()).clear(&Denied(&[0])).columns();
        let columns = serde_json::to_value(columns).unwrap();
        assert_eq!(columns[0], json!({"letter": "A", "access": "withheld"}));
        assert_eq!(columns[1]["sum"], "3");
        assert_eq!(columns[1]["counts"], json!({"integer": 1}));
    }
}
