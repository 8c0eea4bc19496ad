//! What an answer about rows says of each of them.

use std::collections::BTreeMap;

use serde_json::Value;
use tally_jobs::domain::{Operation, RowErrorCode};

use super::output::output;

/// The outputs of an answer, by row. A row that comes twice counts once, as it comes first. Rows that
/// the model was not asked about are dropped. One that the answer lacks is missing; if the answer is
/// not of the asked form, none is there.
pub fn outputs(
    operation: &Operation,
    rows: &[u32],
    answer: &str,
) -> BTreeMap<u32, Result<Value, RowErrorCode>> {
    let Some(found) = listed(answer) else {
        return rows.iter().map(|row| (*row, Err(RowErrorCode::InvalidOutput))).collect();
    };
    let mut outputs: BTreeMap<_, _> =
        rows.iter().map(|row| (*row, Err(RowErrorCode::MissingOutput))).collect();
    let mut seen = BTreeMap::new();
    for item in &found {
        let row = item.get("row").and_then(number);
        let asked = row.filter(|row| outputs.contains_key(row));
        if let Some(row) = asked.filter(|row| !seen.contains_key(row)) {
            seen.insert(row, output(operation, item.get("output")));
        }
    }
    outputs.extend(seen);
    outputs
}

/// The members of the list `rows` of an answer. A model may write text round its JSON.
fn listed(answer: &str) -> Option<Vec<Value>> {
    let inner = || answer.get(answer.find('{')?..=answer.rfind('}')?);
    let read = |text: &str| serde_json::from_str::<Value>(text).ok();
    let found = read(answer).or_else(|| read(inner()?))?;
    match found {
        Value::Object(mut members) => match members.remove("rows")? {
            Value::Array(rows) => Some(rows),
            _ => None,
        },
        _ => None,
    }
}

/// The number of a row. Models write it as a number, and some as a text.
fn number(given: &Value) -> Option<u32> {
    match given {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(answer: &str) -> String {
        let outputs = outputs(&Operation::Explain, &[7, 8, 9], answer);
        let said = outputs.into_iter().map(|(row, output)| match output {
            Ok(value) => format!("{row} {}", value.as_str().unwrap_or("?")),
            Err(code) => format!("{row} {}", code.as_str()),
        });
        said.collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn each_row_has_one_output_or_one_error() {
        let all = json!({"rows": [
            {"row": 9, "output": "c"}, {"row": 7, "output": "a"}, {"row": 8, "output": "b"},
        ]});
        let none = "7 invalid_output, 8 invalid_output, 9 invalid_output";
        let missing = "7 missing_output, 8 missing_output, 9 missing_output";
        for (answer, expected) in [
            (all.to_string(), "7 a, 8 b, 9 c"),
            (format!("Here it is:\n```json\n{all}\n```"), "7 a, 8 b, 9 c"),
            (
                json!({"rows": [{"row": 7, "output": "a"}, {"row": "8", "output": "b"}]}).to_string(),
                "7 a, 8 b, 9 missing_output",
            ),
            // The first counts, even if it is wrong.
            (
                json!({"rows": [
                    {"row": 7, "output": "a"}, {"row": 7, "output": "z"},
                    {"row": 8, "output": 1}, {"row": 8, "output": "b"}, {"row": 9},
                ]})
                .to_string(),
                "7 a, 8 invalid_output, 9 invalid_output",
            ),
            // Rows that it invents are dropped.
            (
                json!({"rows": [
                    {"row": 6, "output": "x"}, {"row": 10, "output": "x"}, {"row": -7, "output": "x"},
                    {"row": 7.5, "output": "x"}, {"row": null, "output": "x"}, {"output": "x"},
                    {"row": 4_294_967_303_u64, "output": "x"}, "7", 7, null, [7, "x"],
                    {"row": 8, "output": "x".repeat(2_001)},
                ]})
                .to_string(),
                "7 missing_output, 8 too_long, 9 missing_output",
            ),
            (json!({"rows": []}).to_string(), missing),
            (json!({"rows": {"7": "a"}}).to_string(), none),
            (json!({"results": []}).to_string(), none),
            (json!([{"row": 7, "output": "a"}]).to_string(), none),
            (String::new(), none),
            ("I cannot do that.".into(), none),
            ("} {".into(), none),
            (all.to_string().replace("]}", ""), none),
            (format!("{all}{all}"), none),
            ("[".repeat(100_000), none),
        ] {
            assert_eq!(said(&answer), expected, "{}", &answer[..answer.len().min(200)]);
        }
    }
}
