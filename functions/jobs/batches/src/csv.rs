//! The rows of a batch as comma-separated values. The output has a column, or one for each of its
//! parts.

use cells::csv::Line;
use serde_json::Value;
use tally_jobs::domain::{CleanTo, Operation};

use crate::row::BatchRow;

/// The columns before those of the output.
const COLUMNS: [&str; 6] = ["row", "status", "error", "attempts", "cells", "ungrounded"];

/// Between the texts of a list in a cell.
const JOIN: &str = "; ";

/// The line of names.
pub fn names(operation: &Operation) -> String {
    let names = COLUMNS.into_iter().chain(parts(operation));
    names.fold(Line::default(), Line::text).end()
}

/// The line of a row.
pub fn line(operation: &Operation, row: &BatchRow) -> String {
    let code = row.error.as_ref().map_or("", |error| error.code.as_str());
    let line = Line::default()
        .number(row.row)
        .text(row.status.as_str())
        .text(code)
        .number(row.attempts)
        .text(&row.cells.join(JOIN))
        .text(&row.ungrounded.join(JOIN));
    let line = match operation {
        Operation::Clean { to: CleanTo::Currency, .. } => {
            let member =
                |name: &str| row.output.get(name).and_then(Value::as_str).unwrap_or_default();
            // An amount is a decimal, and stays one.
            line.number(member("amount")).text(member("currency"))
        }
        Operation::Extract { .. } => {
            let members = parts(operation).map(|name| row.output.get(name));
            members.fold(line, |line, member| add(line, member.unwrap_or(&Value::Null)))
        }
        _ => add(line, &row.output),
    };
    line.end()
}

/// The names of the parts of an output.
fn parts(operation: &Operation) -> impl Iterator<Item = &str> {
    let names = match operation {
        Operation::Clean { to: CleanTo::Currency, .. } => vec!["amount", "currency"],
        Operation::Extract { fields } => fields.iter().map(|field| field.name.as_str()).collect(),
        _ => vec!["output"],
    };
    names.into_iter()
}

fn add(line: Line, value: &Value) -> Line {
    match value {
        Value::Null => line.text(""),
        Value::Bool(true) => line.text("TRUE"),
        Value::Bool(false) => line.text("FALSE"),
        Value::Number(number) => line.number(number),
        Value::String(text) => line.text(text),
        Value::Array(items) => {
            let texts: Vec<_> = items.iter().filter_map(Value::as_str).collect();
            line.text(&texts.join(JOIN))
        }
        other @ Value::Object(_) => line.text(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tally_jobs::domain::RowErrorCode;

    use super::*;
    use crate::row::RowStatus;

    fn row(output: Value) -> BatchRow {
        BatchRow {
            row: 7,
            status: RowStatus::Succeeded,
            output,
            error: None,
            attempts: 1,
            cells: vec!["B7".into(), "C7".into()],
            ungrounded: Vec::new(),
        }
    }

    #[test]
    fn an_output_has_its_cells_and_no_formula() {
        let clean = |to: &str| json!({"type": "clean", "column": "B", "to": to});
        let fields = json!({"type": "extract", "fields": [
            {"name": "-x", "type": "text"}, {"name": "n", "type": "number"},
            {"name": "b", "type": "boolean"},
        ]});
        let labels = json!({"type": "classify", "labels": ["a", "b"], "multi": true});
        let explain = json!({"type": "explain"});
        for (operation, output, head, cells) in [
            (explain.clone(), json!("A sum, of two."), "output", "\"A sum, of two.\""),
            (explain.clone(), json!("=1+1"), "output", "'=1+1"),
            (explain, json!("@SUM(A1)\n\"x\""), "output", "\"'@SUM(A1)\n\"\"x\"\"\""),
            (clean("number"), json!(-12.5), "output", "-12.5"),
            (clean("text"), json!("-12.5"), "output", "'-12.5"),
            (clean("date"), json!("2026-01-31"), "output", "2026-01-31"),
            (clean("text"), json!(null), "output", ""),
            (
                clean("currency"),
                json!({"amount": "-12.50", "currency": "EUR"}),
                "amount,currency",
                "-12.50,EUR",
            ),
            (clean("currency"), json!(null), "amount,currency", ","),
            (labels, json!(["a", "=b"]), "output", "a; =b"),
            (fields.clone(), json!({"-x": "=A1", "n": -5, "b": true}), "'-x,n,b", "'=A1,-5,TRUE"),
            (fields, json!(null), "'-x,n,b", ",,"),
        ] {
            let operation = serde_json::from_value(operation).unwrap();
            let found = names(&operation);
            assert_eq!(found, format!("row,status,error,attempts,cells,ungrounded,{head}\r\n"));
            let found = line(&operation, &row(output));
            assert_eq!(found, format!("7,succeeded,,1,B7; C7,,{cells}\r\n"));
        }
    }

    #[test]
    fn an_error_is_its_code() {
        let failed = BatchRow {
            status: RowStatus::Failed,
            error: Some(RowErrorCode::TooLong.into()),
            ungrounded: vec!["a".into(), "b".into()],
            ..row(Value::Null)
        };
        let found = line(&Operation::Explain, &failed);
        assert_eq!(found, "7,failed,too_long,1,B7; C7,a; b,\r\n");
    }
}
