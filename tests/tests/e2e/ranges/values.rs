//! Types, values and issues of Excel's cells.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{begin, cells, complete, put_csv, upload};
use crate::access::workbook;

/// A cell as it is sent, with its expected value, type and issues.
struct Case {
    value: Value,
    format: &'static str,
    value_type: &'static str,
    shown: &'static str,
    kind: &'static str,
    issues: &'static [&'static str],
}

fn case(
    value: impl Into<Value>,
    format: &'static str,
    kind: &'static str,
    shown: &'static str,
    issues: &'static [&'static str],
) -> Case {
    Case { value: value.into(), format, value_type: "Unknown", shown, kind, issues }
}

/// The same with the kind of the value by Excel.
fn typed(value_type: &'static str, case: Case) -> Case {
    Case { value_type, ..case }
}

/// Cases that hold in both date systems.
fn plain() -> Vec<Case> {
    vec![
        case(5, "General", "integer", "5", &[]),
        case(0.1 + 0.2, "0.00", "number", "0.3", &[]),
        case(1234.5, "#,##0.00 \"€\"", "currency", "1234.5", &[]),
        case(-0.125, "0.0%", "percent", "-0.125", &[]),
        case(0.25, "h:mm", "time", "06:00:00", &[]),
        case(1.104_166_666_666_67, "[h]:mm", "duration", "26:30:00", &[]),
        case(4_111_111_111_111_110_i64, "0", "integer", "4111111111111110", &["lost_precision"]),
        case(true, "General", "boolean", "true", &[]),
        case("", "General", "empty", "", &[]),
        case(Value::Null, "General", "empty", "", &[]),
        case("(1,234.50)", "General", "number", "-1234.5", &["text_number"]),
        case("1,234.50-", "General", "number", "-1234.5", &["text_number"]),
        case("\u{2212}1,234.50", "General", "number", "-1234.5", &["text_number"]),
        case("1\u{a0}234", "General", "text", "1\u{a0}234", &["ambiguous_number"]),
        case("1.234,50", "General", "text", "1.234,50", &["ambiguous_number"]),
        case("$1,234", "General", "currency", "1234", &["text_number"]),
        case("12 %", "General", "percent", "0.12", &["text_number"]),
        case("007", "@", "text", "007", &[]),
        case("31/12/2024", "General", "text", "31/12/2024", &[]),
        case("=1+1", "@", "text", "=1+1", &["formula_injection"]),
        case(" a", "General", "text", " a", &["trailing_space"]),
        case("a\u{7}b", "General", "text", "a\u{7}b", &["control_characters"]),
        case("a\u{200b}b", "General", "text", "a\u{200b}b", &["invisible_text"]),
        case(7, ";;;", "integer", "7", &["invisible_text"]),
        typed("Error", case("#DIV/0!", "General", "error", "#DIV/0!", &["error_value"])),
        typed("RichValue", case("#BUSY!", "General", "text", "Contoso", &["rich_value"])),
    ]
}

/// Cases of the system 1900.
fn since_1900() -> Vec<Case> {
    vec![
        case(1, "d/m/yy", "date", "1900-01-01", &[]),
        case(59, "d/m/yy", "date", "1900-02-28", &[]),
        case(60, "d/m/yy", "date", "1900-02-29", &["date_1900_leap"]),
        case(61, "yyyy-mm-dd", "date", "1900-03-01", &[]),
        case(45_351, "d/m/yy", "date", "2024-02-29", &[]),
        case(45_351.75, "d/m/yy h:mm", "datetime", "2024-02-29T18:00:00", &[]),
        case(45_351.25, "d/m/yy", "datetime", "2024-02-29T06:00:00", &[]),
        case(2_958_465, "d/m/yy", "date", "9999-12-31", &[]),
        case(2_958_466, "d/m/yy", "integer", "2958466", &["date_out_of_range"]),
        case(-1, "d/m/yy", "integer", "-1", &["date_out_of_range"]),
    ]
}

/// Cases of the system 1904.
fn since_1904() -> Vec<Case> {
    vec![
        case(0, "d/m/yy", "date", "1904-01-01", &[]),
        case(60, "d/m/yy", "date", "1904-03-01", &[]),
        case(43_889, "d/m/yy", "date", "2024-02-29", &[]),
        case(2_957_004, "d/m/yy", "integer", "2957004", &["date_out_of_range"]),
    ]
}

/// Uploads the cases side by side in one row, a column each, and reads them back.
async fn check(stack: &TestStack, caller: &Caller, book: &str, system: u32, cases: &[Case]) {
    let row = |of: fn(&Case) -> Value| Value::from(vec![cases.iter().map(of).collect::<Value>()]);
    let values = row(|case| case.value.clone());
    let text = row(|case| {
        let shown = if case.value_type == "RichValue" { "Contoso" } else { "" };
        shown.into()
    });
    let last = column(cases.len());
    let address = format!("A1:{last}1");
    let body = json!({
        "address": address, "headers": "none", "date_system": system,
        "values": values, "formulas": values, "text": text,
        "number_formats": row(|case| case.format.into()),
        "value_types": row(|case| case.value_type.into()),
    });
    let ready = upload(stack, caller, book, body).await;
    let answer = cells(stack, caller, &ready.range, &address).await.expect(200);
    let issues = format!("/ranges/{}/issues?limit=100", ready.range);
    let issues = stack.get(&issues, Some(caller)).await.expect(200)["items"].clone();
    let mut total = 0;
    for (at, case) in cases.iter().enumerate() {
        let context = format!("{} as {} in {system}", case.value, case.format);
        assert_eq!(answer["values"][0][at], case.shown, "{context}");
        assert_eq!(answer["value_types"][0][at], case.kind, "{context}");
        let cell = format!("{}1", column(at + 1));
        let found = issues.as_array().unwrap().iter().filter(|issue| issue["cell"] == cell);
        let found: Vec<_> = found.map(|issue| issue["code"].as_str().unwrap()).collect();
        assert_eq!(found, case.issues, "{context}");
        total += found.len();
        // A column of one cell has its type.
        let profile = &ready.view["columns"][at];
        assert_eq!(profile["type"], case.kind, "{context}: {profile}");
    }
    let counted = ready.view["issues"].as_object().unwrap().values();
    assert_eq!(counted.map(|count| count.as_u64().unwrap()).sum::<u64>(), total as u64);
}

/// Letters of a column, from one on, up to `ZZ`.
fn column(number: usize) -> String {
    let letter = |at: usize| char::from(b'A' + u8::try_from(at).unwrap());
    let (before, last) = ((number - 1) / 26, letter((number - 1) % 26));
    if before == 0 { last.to_string() } else { format!("{}{last}", letter(before - 1)) }
}

#[tokio::test]
async fn cells_have_the_types_that_excel_shows() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    check(&stack, &owner, &book, 1900, &plain()).await;
    check(&stack, &owner, &book, 1904, &plain()).await;
    check(&stack, &owner, &book, 1900, &since_1900()).await;
    check(&stack, &owner, &book, 1904, &since_1904()).await;
}

#[tokio::test]
async fn a_column_has_the_type_of_nine_tenths_of_its_cells() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    // Nine cells alike, and another one.
    let values: Vec<_> = (1..=9)
        .map(|n| json!([n, 0.1, 45_350 + n, "x", n, n]))
        .chain([json!([10, 0.2, 45_360.5, 5, "n/a", "1,000"])])
        .collect();
    let formats: Vec<_> = (0..10).map(|_| json!(["0", "", "d/m/yy", "", "", "$0"])).collect();
    let names = json!(["Whole", "Part", "Day", "Word", "Odd", "Money"]);
    let all: Vec<_> = [names].into_iter().chain(values).collect();
    let formats: Vec<_> = [json!(["", "", "", "", "", ""])].into_iter().chain(formats).collect();
    let body = json!({
        "address": "A1:F11", "headers": "auto", "values": all, "formulas": all,
        "number_formats": formats,
    });
    let view = upload(&stack, &owner, &book, body).await.view;
    assert_eq!((&view["cells"], &view["header_rows"]), (&json!(66), &json!(1)));
    let columns = view["columns"].as_array().unwrap();
    for (column, (header, kind, share, min, max, sum)) in columns.iter().zip([
        ("Whole", "integer", 1.0, Some("1"), Some("10"), Some("55")),
        ("Part", "number", 1.0, Some("0.1"), Some("0.2"), Some("1.1")),
        ("Day", "datetime", 1.0, Some("2024-02-29"), Some("2024-03-09T12:00:00"), None),
        ("Word", "text", 0.9, None, None, None),
        ("Odd", "integer", 0.9, Some("1"), Some("9"), Some("45")),
        ("Money", "currency", 0.9, Some("1"), Some("9"), Some("45")),
    ]) {
        assert_eq!((&column["header"], &column["type"]), (&json!(header), &json!(kind)));
        assert_eq!(column["share"], json!(share), "{column}");
        for (member, expected) in [("min", min), ("max", max), ("sum", sum)] {
            assert_eq!(column[member].as_str(), expected, "{member} of {column}");
        }
    }
    assert_eq!(view["withheld"], json!({"columns": 0, "cells": 0}));
    assert_eq!(view["issues"], json!({"mixed_type": 3, "text_number": 1}));
}

#[tokio::test]
async fn the_cells_of_a_file_are_read_by_its_separators() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let head = json!({
        "address": "A1:E2", "headers": "none", "separators": {"decimal": ",", "group": "."},
    });
    let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
    let file = "1.234,50;5 €;12 %;2024-02-29;TRUE\r\n\"(3,5)\";1,234.5;007;a\"b;\r\n";
    let refused = put_csv(&stack, &owner, &range, 1, file).await;
    // A quote within a field is a part of it, so the file is whole.
    refused.expect(204);
    complete(&stack, &owner, &range).await.expect(200);
    let answer = cells(&stack, &owner, &range, "A1:E2").await.expect(200);
    assert_eq!(
        answer["values"],
        json!([
            ["1234.5", "5", "0.12", "2024-02-29", "true"],
            ["-3.5", "1,234.5", "007", "a\"b", ""],
        ])
    );
    assert_eq!(
        answer["value_types"],
        json!([
            ["number", "currency", "percent", "date", "boolean"],
            ["number", "text", "text", "text", "empty"],
        ])
    );
}
