//! The order of rows that a client asks for.

use std::cmp::Ordering;
use std::fmt;

use platform::input::{FromField, RawValue};

use crate::store::Profit;

/// Any of the fields, each at most once, and each in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort(Vec<Term>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Term {
    column: Column,
    descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Company,
    Year,
    Month,
}

impl Sort {
    /// Sorts the rows, which come in order of company, year and month. The sort is stable, so the
    /// fields that are not named keep that order.
    pub fn apply(&self, rows: &mut [Profit]) {
        rows.sort_by(|a, b| {
            self.0
                .iter()
                .map(|term| term.compare(a, b))
                .find(|order| order.is_ne())
                .unwrap_or(Ordering::Equal)
        });
    }
}

impl Term {
    fn compare(self, a: &Profit, b: &Profit) -> Ordering {
        let order = match self.column {
            Column::Company => a.company.cmp(&b.company),
            Column::Year => a.year.cmp(&b.year),
            Column::Month => a.month.cmp(&b.month),
        };
        if self.descending { order.reverse() } else { order }
    }
}

/// Companies by name, and of each the latest year first.
impl Default for Sort {
    fn default() -> Self {
        let term = |column, descending| Term { column, descending };
        Self(vec![
            term(Column::Company, false),
            term(Column::Year, true),
            term(Column::Month, false),
        ])
    }
}

impl FromField for Sort {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let mut terms: Vec<Term> = Vec::new();
        for text in raw.text()?.split(',') {
            let (name, descending) =
                text.strip_prefix('-').map_or((text, false), |name| (name, true));
            let column = match name {
                "company" => Column::Company,
                "year" => Column::Year,
                "month" => Column::Month,
                _ => {
                    return Err("must be any of company, year and month, separated by commas, \
                                 each with a `-` for descending order"
                        .into());
                }
            };
            if terms.iter().any(|term| term.column == column) {
                return Err(format!("names {name} twice"));
            }
            terms.push(Term { column, descending });
        }
        Ok(Self(terms))
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, term) in self.0.iter().enumerate() {
            let name = match term.column {
                Column::Company => "company",
                Column::Year => "year",
                Column::Month => "month",
            };
            write!(
                f,
                "{}{}{name}",
                if position > 0 { "," } else { "" },
                if term.descending { "-" } else { "" }
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Money;

    #[test]
    fn rows_are_sorted_by_what_is_named_and_then_as_they_come() {
        let row = |company: &str, year: u64, month: u64| Profit {
            company: company.parse().unwrap(),
            year: year.try_into().unwrap(),
            month: month.try_into().unwrap(),
            profit: Money::from_cents(0),
        };
        let rows = [
            row("A", 2022, 1),
            row("A", 2022, 2),
            row("A", 2023, 1),
            row("B", 2022, 1),
            row("B", 2023, 2),
        ];
        for (sort, expected) in [
            ("company", "A2022-1 A2022-2 A2023-1 B2022-1 B2023-2"),
            ("-company", "B2022-1 B2023-2 A2022-1 A2022-2 A2023-1"),
            ("company,-year,month", "A2023-1 A2022-1 A2022-2 B2023-2 B2022-1"),
            ("-year,-month,-company", "B2023-2 A2023-1 A2022-2 B2022-1 A2022-1"),
            ("month", "A2022-1 A2023-1 B2022-1 A2022-2 B2023-2"),
        ] {
            let mut sorted = rows.to_vec();
            let parsed = Sort::read(&RawValue::Text(sort)).unwrap();
            parsed.apply(&mut sorted);
            let named: Vec<_> = sorted
                .iter()
                .map(|row| format!("{}{}-{}", row.company, row.year, row.month))
                .collect();
            assert_eq!(named.join(" "), expected, "{sort}");
            assert_eq!(parsed.to_string(), sort);
        }
    }

    #[test]
    fn a_sort_names_what_can_be_sorted_by_each_once() {
        for text in [
            "",
            "profit",
            "company,",
            ",company",
            "--year",
            "company,-company",
            "Company",
            "company year",
            "company, year",
            "-",
        ] {
            assert!(Sort::read(&RawValue::Text(text)).is_err(), "{text:?} was taken");
        }
        assert_eq!(Sort::default(), Sort::read(&RawValue::Text("company,-year,month")).unwrap());
    }
}
