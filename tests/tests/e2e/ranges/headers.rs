//! Headers that tell of other columns: computed ones, and those of merged cells.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};

use super::upload;
use crate::access::{add, me, register, rule, workbook};

/// The header of the salary stands in two merged cells, and that of the bonus has the sum of all
/// salaries. The last column leads to both.
fn staff() -> Value {
    json!({
        "address": "A1:E3", "merged": ["B1:C1"],
        "values": [
            ["Name", "Salary", "", "Total: 1240824070", "Link"],
            ["Ann", 510_204_817, 1, 2, 3],
            ["Bob", 730_619_253, 4, 5, 6],
        ],
        "formulas": [
            ["Name", "Salary", "", "=\"Total: \"&SUM(B2:B3)", "Link"],
            ["Ann", 510_204_817, "=B2*0+1", "=B2*0+2", "=C2+2"],
            ["Bob", 730_619_253, "=B3*0+4", "=B3*0+5", "=D3+1"],
        ],
    })
}

#[tokio::test]
async fn a_header_that_tells_of_a_denied_column_is_in_no_answer() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let book = workbook(&stack, &owner).await;
    let ready = upload(&stack, &owner, &book, staff()).await;
    let deny = json!({
        "sheet_id": ready.sheet, "column": {"letters": "B"},
        "subject": {"type": "user", "id": user},
    });
    let allow = json!({"actions": ["read", "ai", "export"]});
    let rules = [rule(&book, "allow", allow), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let range = format!("/ranges/{}", ready.range);
    let columns = register(&book, &ready.sheet);
    let link = |row: u32| format!("{range}/access?cell=E{row}&user_id={user}");
    // The owner is shown the header by each of these.
    for (path, header) in [
        (&columns, "Total: 1240824070"),
        (&format!("/workbooks/{book}/access"), "Total: 1240824070"),
        (&range, "Total: 1240824070"),
        (&link(2), "Salary"),
        (&link(3), "Total: 1240824070"),
    ] {
        let shown = stack.get(path, Some(&owner)).await;
        assert!(shown.status == 200 && shown.text.contains(header), "{path}: {shown:?}");
        clean(&stack, &reader, path).await;
    }
    for path in ["/cells?address=A1:E3", "/issues", "/access?cell=C1", "/access?cell=D1"] {
        clean(&stack, &reader, &format!("{range}{path}")).await;
    }
    let task = json!({"task": "Sum it up"});
    let preview = stack.post(&format!("{range}/preview"), Some(&reader), &task).await;
    assert!(preview.text.contains("Link"), "{preview:?}");
    assert!(!preview.text.contains("Salary") && !preview.text.contains("Total"), "{preview:?}");

    // The columns are there. Only their headers are left out.
    let found = stack.get(&columns, Some(&reader)).await.expect(200);
    for (at, letter) in [(2, "C"), (3, "D")] {
        let column = &found["columns"][at];
        assert_eq!((&column["letter"], column.get("header")), (&json!(letter), None), "{found}");
        assert!(column["id"].is_string(), "{found}");
    }
    let found = stack.get(&link(3), Some(&reader)).await.expect(200);
    let letters = found["chain"].as_array().unwrap().iter().map(|link| link["letter"].clone());
    assert_eq!(letters.collect::<Vec<_>>(), ["E", "D"]);
    assert_eq!(found["is_cut"], true);
}

/// Fails unless a caller gets an answer that has no denied value.
async fn clean(stack: &TestStack, caller: &Caller, path: &str) {
    let answer = stack.get(path, Some(caller)).await;
    answer.expect(200);
    for secret in ["Salary", "Total", "1240824070", "510204817", "730619253"] {
        assert!(!answer.text.contains(secret), "{path} shows {secret}: {answer:?}");
    }
}
