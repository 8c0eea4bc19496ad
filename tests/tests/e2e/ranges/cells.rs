//! `GET /ranges/{id}/cells`: addresses, limits, and the pages of an export.

use serde_json::json;
use tally_tests::{Answer, Caller, TestStack};

use super::{cells, csv, payroll, shared, upload};
use crate::access::{add, me, rule, workbook};

/// The path of the next page, if there is one.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.header("link").strip_suffix(">; rel=\"next\"")?;
    Some(link.strip_prefix('<').expect("a link begins with <").to_owned())
}

/// The pages of an export, each as its lines.
async fn export(stack: &TestStack, caller: &Caller, range: &str) -> Vec<Vec<String>> {
    let mut path = Some(format!("/ranges/{range}/cells"));
    let mut pages = Vec::new();
    while let Some(at) = path {
        let page = csv(stack, caller, &at).await;
        page.expect(200);
        assert!(page.header("content-type").starts_with("text/csv"), "{page:?}");
        pages.push(page.text.lines().map(str::to_owned).collect());
        path = next(&page);
    }
    pages
}

#[tokio::test]
async fn cells_are_found_by_their_address() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let range = upload(&stack, &owner, &book, payroll()).await.range;
    for (query, address, values) in [
        ("A1", "A1", json!([["Name"]])),
        ("$B$2:a1", "A1:B2", json!([["Name", "Salary"], ["Ann", "510204817"]])),
        ("b:b", "B1:B3", json!([["Salary"], ["510204817"], ["730619253"]])),
        ("%27P%26L%27%21D3", "D3", json!([["20"]])),
        ("R2C4:R3C4&style=r1c1", "D2:D3", json!([["10"], ["20"]])),
    ] {
        let answer = cells(&stack, &owner, &range, query).await.expect(200);
        let found = answer["address"].as_str().unwrap();
        assert_eq!((found.rsplit('!').next().unwrap(), &answer["values"]), (address, &values));
        assert_eq!(answer["withheld"], json!([]), "{query}");
    }
    for query in [
        "",
        "A0",
        "E1",
        "A1:D4",
        "A1,B1",
        "Jan:Mar%21A1",
        "%5B1%5DP%26L%21A1",
        "Other%21A1",
        "RC",
        "A1&address=A1",
        "A1&style=r1c1",
        "A1&style=a2",
        "A1&sheet=x",
    ] {
        let path = format!("/ranges/{range}/cells?address={query}");
        stack.get(&path, Some(&owner)).await.problem(422, "validation_failed");
    }
    let whole = cells(&stack, &owner, &range, "A1:D3").await.expect(200);
    assert_eq!(
        whole["formulas"],
        json!([
            [null, null, null, null],
            [null, null, "=B2+D2", null],
            [null, null, "=B3+D3", null],
        ])
    );
    assert_eq!(whole["value_types"][1], json!(["text", "integer", "integer", "integer"]));
    // The event of a read has the address and no value.
    let events = stack.events(&stack.admin().await, "range.read").await;
    let read = events.iter().rfind(|event| event["outcome"] == "success").unwrap();
    assert_eq!(read["resource"], format!("range:{range}"));
    assert!(!json!(events).to_string().contains("Salary"), "{events:?}");
}

#[tokio::test]
async fn a_withheld_cell_is_null_and_a_withheld_column_has_no_name() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let (_, ready) = shared(&stack, &owner, "salary", &user).await;
    let answer = cells(&stack, &reader, &ready.range, "A1:D3").await;
    let found = answer.expect(200);
    assert_eq!(
        found["values"],
        json!([
            ["Name", null, "Total", "Bonus"],
            ["Ann", null, null, "10"],
            ["Bob", null, null, "20"],
        ])
    );
    assert_eq!(found["withheld"], json!(["B1:B3", "C2:C3"]));
    assert_eq!(found["value_types"][1], json!(["text", null, null, "integer"]));
    assert_eq!(found["formulas"][1], json!([null, null, null, null]));
    let view = stack.get(&format!("/ranges/{}", ready.range), Some(&reader)).await;
    let shown = view.expect(200);
    assert_eq!(shown["columns"][1], json!({"letter": "B", "access": "withheld"}));
    assert_eq!(shown["withheld"], json!({"columns": 1, "cells": 2}));
    // The statistics of the total leave out the withheld cells.
    assert_eq!(shown["columns"][2]["header"], "Total");
    assert_eq!(shown["columns"][2]["type"], "empty");
    let lines = export(&stack, &reader, &ready.range).await;
    assert_eq!(lines, [["Name,Total,Bonus", "Ann,,10", "Bob,,20"]]);
    let whole = stack.get(&format!("/ranges/{}", ready.range), Some(&owner)).await.expect(200);
    assert_eq!(
        (&whole["columns"][1]["header"], &whole["columns"][1]["sum"]),
        (&json!("Salary"), &json!("1240824070"))
    );
    for secret in
        ["Salary", "510204817", "510204827", "730619253", "730619273", "1240824070", "B2+D2"]
    {
        for text in [&answer.text, &view.text, &lines[0].join("\n")] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[tokio::test]
async fn an_answer_has_at_most_20000_cells_and_a_file_5000_rows_and_4_mb() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let body = json!({"address": "A1:B12000", "headers": "none", "values": 7, "formulas": 7});
    let range = upload(&stack, &owner, &book, body).await.range;
    cells(&stack, &owner, &range, "A1:A20000").await.problem(422, "validation_failed");
    let most = cells(&stack, &owner, &range, "A1:B10000").await.expect(200);
    assert_eq!(most["values"].as_array().unwrap().len(), 10_000);
    let refused = cells(&stack, &owner, &range, "A1:B10001").await;
    refused.problem(422, "validation_failed");
    assert!(refused.text.contains("20000"), "{refused:?}");
    let pages = export(&stack, &owner, &range).await;
    let rows: Vec<_> = pages.iter().map(Vec::len).collect();
    assert_eq!(rows, [5_000, 5_000, 2_000]);
    assert!(pages.iter().flatten().all(|line| line == "7,7"));

    let wide = json!({
        "address": "A1:A250", "headers": "none", "values": "x".repeat(30_000), "formulas": "x",
    });
    let range = upload(&stack, &owner, &book, wide).await.range;
    let pages = export(&stack, &owner, &range).await;
    assert!(pages.len() > 1, "{}", pages.len());
    let most = pages.iter().map(|page| page.iter().map(|line| line.len() + 2).sum::<usize>());
    assert!(most.max().unwrap() <= 4 << 20);
    assert_eq!(pages.iter().map(Vec::len).sum::<usize>(), 250);
    let exported = stack.events(&stack.admin().await, "range.exported").await;
    assert_eq!(exported.len(), 3 + pages.len());
}

#[tokio::test]
async fn a_file_is_for_those_who_may_export_and_runs_no_formula() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let book = workbook(&stack, &owner).await;
    let text = json!([
        ["Name", "Note", "Amount"],
        ["=1+1", "a,\"b\"", -5],
        ["@SUM(A1)", "line\nbreak", "(1,234.50)"],
        ["-", "\tx", "12 %"],
    ]);
    let body = json!({"address": "A1:C4", "values": text, "formulas": text});
    let ready = upload(&stack, &owner, &book, body).await;
    let path = format!("/ranges/{}/cells", ready.range);
    let read = rule(&book, "allow", json!({}));
    add(&stack, &owner, &[read]).await.expect(200);
    csv(&stack, &reader, &path).await.problem(403, "forbidden");
    cells(&stack, &reader, &ready.range, "A1:C4").await.expect(200);
    let columns = json!({"actions": ["export"], "column": {"letters": "A"},
        "sheet_id": ready.sheet});
    let more = json!({"actions": ["export"], "column": {"letters": "C"},
        "sheet_id": ready.sheet});
    let rules = [rule(&book, "allow", columns), rule(&book, "allow", more)];
    add(&stack, &owner, &rules).await.expect(200);
    let whole = csv(&stack, &owner, &path).await;
    whole.expect(200);
    assert_eq!(
        whole.text,
        "Name,Note,Amount\r\n'=1+1,\"a,\"\"b\"\"\",-5\r\n'@SUM(A1),\"line\nbreak\",-1234.5\r\n\
         '-,'\tx,0.12\r\n"
    );
    let part = csv(&stack, &reader, &path).await;
    part.expect(200);
    assert_eq!(part.text, "Name,Amount\r\n'=1+1,-5\r\n'@SUM(A1),-1234.5\r\n'-,0.12\r\n");
    let events = stack.events(&stack.admin().await, "range.exported").await;
    let done = events.iter().filter(|event| event["outcome"] == "success");
    assert_eq!(done.count(), 2, "{events:?}");
}
