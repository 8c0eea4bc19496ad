//! `GET /ranges/{id}/issues`.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::upload;
use crate::access::{add, me, register, rule, workbook};

/// The issues of a range as `B2 code suggestion`, from all pages.
async fn listed(
    stack: &TestStack,
    caller: &Caller,
    range: &str,
    query: &str,
    limit: usize,
) -> Vec<String> {
    let mut path = format!("/ranges/{range}/issues?limit={limit}{query}");
    let mut found = Vec::new();
    loop {
        let page = stack.get(&path, Some(caller)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit, "{page}");
        found.extend(items.iter().map(|issue| {
            let text = |member: &str| issue[member].as_str().unwrap_or_default().to_owned();
            format!("{} {} {}", text("cell"), text("code"), text("suggestion")).trim().to_owned()
        }));
        let Some(cursor) = page["next_cursor"].as_str() else { return found };
        path = format!("/ranges/{range}/issues?limit={limit}{query}&cursor={cursor}");
    }
}

#[tokio::test]
async fn issues_are_listed_row_by_row_and_by_code_for_those_who_see_the_cells() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let book = workbook(&stack, &owner).await;
    let mut rows = vec![json!(["Pay", "pay ", "", "Note", "Outside"])];
    rows.extend((1..10).map(|n| json!([n, n, n, "x", n])));
    rows.push(json!(["1,234", "1.234,5", "x", "=1", 4]));
    let mut formulas = rows.clone();
    formulas[10][4] = json!("=[Book2.xlsx]S!A1");
    let body = json!({
        "address": "A1:E11", "values": rows, "formulas": formulas,
        "hidden_rows": ["5:5"], "merged": ["D1:D2"],
    });
    let ready = upload(&stack, &owner, &book, body).await;
    let expected = [
        "B1 trailing_space pay",
        "B1 duplicate_header pay (2)",
        "C1 empty_header",
        "D1 merged",
        "A5 hidden",
        "A11 text_number 1234",
        "B11 ambiguous_number",
        "B11 mixed_type",
        "C11 mixed_type",
        "D11 formula_injection '=1",
        "E11 external_reference",
        "E11 unresolved_reference",
    ];
    assert_eq!(listed(&stack, &owner, &ready.range, "", 100).await, expected);
    assert_eq!(listed(&stack, &owner, &ready.range, "", 5).await, expected);
    let mixed = listed(&stack, &owner, &ready.range, "&code=mixed_type", 1).await;
    assert_eq!(mixed, &expected[7..9]);
    let counted = &ready.view["issues"];
    assert_eq!((&counted["mixed_type"], &counted["merged"]), (&json!(2), &json!(1)));
    let path = format!("/ranges/{}/issues", ready.range);
    stack.get(&format!("{path}?code=none"), Some(&owner)).await.invalid(&["code"]);

    // Without a column there is none of its issues, and no other column is a copy of it.
    let user = me(&stack, &reader).await;
    let registered = stack.get(&register(&book, &ready.sheet), Some(&owner)).await.expect(200);
    let pay = id(&registered["columns"][0]);
    let deny = json!({"column": {"ids": [pay]}, "subject": {"type": "user", "id": user}});
    let rules = [rule(&book, "allow", json!({})), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let shown = listed(&stack, &reader, &ready.range, "", 100).await;
    let is_left = |issue: &&str| {
        !issue.starts_with('A') && !issue.contains("duplicate") && !issue.starts_with('E')
    };
    let left: Vec<_> = expected.iter().copied().filter(is_left).collect();
    assert_eq!(shown, left);
    let view = stack.get(&format!("/ranges/{}", ready.range), Some(&reader)).await.expect(200);
    let total: u64 = view["issues"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(total, left.len() as u64, "{view}");
}
