//! The issues of a range that a caller may see.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::address::Cell;
use crate::grid::{Cleared, Grid};
use crate::issue::{Code, Codes, Severity, suggestion};
use crate::names::fold;
use crate::profile::ColumnType;

/// An issue in the API.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Issue {
    /// The cell.
    pub cell: String,
    /// The code.
    pub code: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// A sentence for a person.
    pub detail: &'static str,
    /// The text to write instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
}

/// The issues of the cells that a caller sees. Types and headers are those of the same cells, so a
/// withheld cell makes no issue.
pub struct Issues<'a> {
    cleared: &'a Cleared<Grid>,
    types: Vec<ColumnType>,
    headers: Headers,
}

/// Issues of headers by the column's place, with another name for a second one.
type Headers = HashMap<u32, (Code, Option<String>)>;

impl<'a> Issues<'a> {
    /// Looks at all cells.
    pub fn new(cleared: &'a Cleared<Grid>) -> Self {
        let area = cleared.area();
        let columns = area.first().column..=area.last().column;
        let types = columns.map(|column| cleared.column_type(column)).collect();
        Self { cleared, types, headers: headers(cleared) }
    }

    /// The number of issues of each code.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for cell in self.cells() {
            for code in self.codes(cell).iter() {
                *counts.entry(code.name()).or_default() += 1;
            }
        }
        counts
    }

    /// Issues of a code, or of all, row by row from a cell on.
    pub fn list(&self, code: Option<Code>, from: Option<Cell>) -> impl Iterator<Item = Issue> {
        let start = from.and_then(|cell| self.cleared.area().index(cell)).unwrap_or_default();
        self.cells().skip(start).flat_map(move |cell| {
            let codes =
                self.codes(cell).iter().filter(move |&found| code.is_none_or(|code| code == found));
            codes.map(move |code| self.issue(cell, code))
        })
    }

    fn cells(&self) -> impl Iterator<Item = Cell> {
        let area = self.cleared.area();
        (0..).map_while(move |index| area.cell(index))
    }

    fn codes(&self, cell: Cell) -> Codes {
        let mut codes = self.cleared.codes(cell);
        let first = self.cleared.area().first();
        if cell.row < first.row + self.cleared.header_rows() {
            let header = self.headers.get(&cell.column).filter(|_| cell.row == first.row);
            if let Some((code, _)) = header {
                codes.add(*code);
            }
        } else if let Some(value) = self.cleared.value(cell).filter(|value| !value.is_empty()) {
            let place = usize::try_from(cell.column - first.column).unwrap_or_default();
            let fits = self.types.get(place).is_none_or(|of| of.has(value));
            codes.add_if(Code::MixedType, !fits);
        }
        codes
    }

    fn issue(&self, cell: Cell, code: Code) -> Issue {
        let by_value = || suggestion(code, self.cleared.value(cell)?);
        let suggestion = match code {
            Code::DuplicateHeader | Code::EmptyHeader => {
                self.headers.get(&cell.column).and_then(|(_, name)| name.clone())
            }
            _ => by_value(),
        };
        Issue {
            cell: cell.to_string(),
            code: code.name(),
            severity: code.severity(),
            detail: code.detail(),
            suggestion,
        }
    }
}

fn headers(cleared: &Cleared<Grid>) -> Headers {
    let mut issues = HashMap::new();
    if cleared.header_rows() == 0 {
        return issues;
    }
    let names = cleared.headers();
    let mut seen: HashMap<String, u32> = HashMap::new();
    for (column, name) in (cleared.area().first().column..).zip(names) {
        if !cleared.shows_column(column) {
            continue;
        }
        let Some(name) = name else {
            let cell = |row| Cell { row, column };
            let mut heads = (cleared.area().first().row..*cleared.data_rows().start()).map(cell);
            let mut cells = cleared.data_rows().map(cell);
            // A withheld header may not be empty.
            if heads.all(|cell| cleared.value(cell).is_some())
                && cells.any(|cell| cleared.value(cell).is_some_and(|value| !value.is_empty()))
            {
                issues.insert(column, (Code::EmptyHeader, None));
            }
            continue;
        };
        let count = seen.entry(fold(&name)).or_default();
        *count += 1;
        if *count > 1 {
            issues.insert(column, (Code::DuplicateHeader, Some(format!("{name} ({count})"))));
        }
    }
    issues
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::grid::{Denied, grid};
    use crate::layout::Layout;

    fn sample() -> Grid {
        let mut values = vec![json!(["Pay", "pay ", "", "Note"])];
        values.extend((1..10).map(|n| json!([n, n, n, "x"])));
        values.push(json!(["1,234", "1.234,5", "x", "=1"]));
        grid(
            json!({"address": "A1:D11", "values": values, "formulas": values}),
            1,
            Layout::default(),
        )
    }

    fn listed(cleared: &Cleared<Grid>, code: Option<Code>, from: Option<Cell>) -> Vec<String> {
        let issues = Issues::new(cleared);
        let text = |issue: Issue| {
            let suggestion = issue.suggestion.map_or(String::new(), |text| format!(" -> {text}"));
            format!("{} {}{suggestion}", issue.cell, issue.code)
        };
        issues.list(code, from).map(text).collect()
    }

    #[test]
    fn each_issue_names_its_cell() {
        let cleared = sample().clear(&Denied(&[]));
        let expected = [
            "B1 trailing_space -> pay",
            "B1 duplicate_header -> pay (2)",
            "C1 empty_header",
            "A11 text_number -> 1234",
            "B11 ambiguous_number",
            "B11 mixed_type",
            "C11 mixed_type",
            "D11 formula_injection -> '=1",
        ];
        assert_eq!(listed(&cleared, None, None), expected);
        assert_eq!(listed(&cleared, Some(Code::MixedType), None), &expected[5..7]);
        let from = Cell { row: 10, column: 2 };
        assert_eq!(listed(&cleared, None, Some(from)), &expected[6..]);
        let counts = Issues::new(&cleared).counts();
        assert_eq!(counts["mixed_type"], 2);
        assert_eq!(counts.values().sum::<u64>(), 8);
    }

    #[test]
    fn a_withheld_column_makes_no_issue_of_another() {
        let cleared = sample().clear(&Denied(&[0, 3]));
        let expected = [
            "B1 trailing_space -> pay",
            "C1 empty_header",
            "B11 ambiguous_number",
            "B11 mixed_type",
            "C11 mixed_type",
        ];
        assert_eq!(listed(&cleared, None, None), expected);
    }

    #[test]
    fn a_withheld_header_is_not_called_empty() {
        let body = json!({
            "address": "A1:B2",
            "values": [["Pay", "5"], [5, 6]],
            "formulas": [["Pay", "=TEXT(A2,0)"], [5, 6]],
        });
        let cleared = grid(body, 1, Layout::default()).clear(&Denied(&[0]));
        assert_eq!(listed(&cleared, None, None), Vec::<String>::new());
    }
}
