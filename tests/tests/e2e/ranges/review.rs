//! Sheets and columns that wait for a review, and ranges that open by it.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{Ready, cells, payroll, upload};
use crate::access::{add, me, register, rule, workbook};

/// A workbook with the payroll, which everyone may read, but for the reader the salary. The writer
/// may upload.
async fn guarded(
    stack: &TestStack,
    owner: &Caller,
    (writer, reader): (&Caller, &Caller),
) -> (String, Ready) {
    let book = workbook(stack, owner).await;
    let first = upload(stack, owner, &book, payroll()).await;
    guard(stack, owner, &book, (writer, reader)).await;
    (book, first)
}

/// The rules of such a workbook.
async fn guard(
    stack: &TestStack,
    owner: &Caller,
    book: &str,
    (writer, reader): (&Caller, &Caller),
) {
    let write = json!({
        "actions": ["write"], "subject": {"type": "user", "id": me(stack, writer).await},
    });
    let deny = json!({
        "column": {"header": "*salary*"},
        "subject": {"type": "user", "id": me(stack, reader).await},
    });
    let rules = [
        rule(book, "allow", json!({"actions": ["read", "ai", "export"]})),
        rule(book, "allow", write),
        rule(book, "deny", deny),
    ];
    add(stack, owner, &rules).await.expect(200);
}

/// The second row of a range as a caller sees it, or the status of the refusal.
async fn second_row(stack: &TestStack, caller: &Caller, range: &str) -> Result<Value, u16> {
    let answer = cells(stack, caller, range, "A2:D2").await;
    if answer.status == 200 { Ok(answer.json()["values"][0].clone()) } else { Err(answer.status) }
}

#[tokio::test]
async fn a_new_sheet_opens_by_its_review() {
    let stack = TestStack::start().await;
    let (owner, writer, reader) =
        (stack.someone().await, stack.demo().await, stack.someone().await);
    let (book, first) = guarded(&stack, &owner, (&writer, &reader)).await;
    let mut body = payroll();
    body["sheet"] = json!({"name": "Copy of P&L", "visibility": "visible"});
    let copy = upload(&stack, &writer, &book, body.clone()).await;
    assert_ne!(copy.sheet, first.sheet);
    assert_eq!(second_row(&stack, &reader, &copy.range).await, Err(404));
    let list = format!("/workbooks/{book}/ranges?limit=100");
    let listed = stack.get(&list, Some(&reader)).await;
    assert!(!listed.text.contains(&copy.range), "{listed:?}");
    // The uploader sees that it is there, and no cell of it.
    let row = second_row(&stack, &writer, &copy.range).await;
    assert_eq!(row, Ok(json!([null, null, null, null])));
    let view = stack.get(&format!("/ranges/{}", copy.range), Some(&writer)).await.expect(200);
    assert_eq!(view["withheld"], json!({"columns": 4, "cells": 0}));
    assert!(second_row(&stack, &owner, &copy.range).await.is_ok());
    let review = async |sheet: &str, body: Value| {
        let path = format!("/workbooks/{book}/sheets/{sheet}");
        stack.call(Method::PUT, &path, &owner, &body).await.expect(200)
    };
    // Mapped to the sheet that it is a copy of, it is under the same rules.
    review(&copy.sheet, json!({"same_as": first.sheet})).await;
    let seen = second_row(&stack, &reader, &copy.range).await;
    assert_eq!(seen, Ok(json!(["Ann", null, null, "10"])));
    let seen = second_row(&stack, &writer, &copy.range).await;
    assert_eq!(seen, Ok(json!(["Ann", "510204817", "510204827", "10"])));

    body["sheet"] = json!({"name": "Plan", "visibility": "visible"});
    let plan = upload(&stack, &writer, &book, body).await;
    assert_eq!(second_row(&stack, &reader, &plan.range).await, Err(404));
    review(&plan.sheet, json!({"cleared": true})).await;
    // The columns are new, too, and a rule goes by their headers.
    assert_eq!(second_row(&stack, &reader, &plan.range).await, Err(404));
    let path = register(&book, &plan.sheet);
    let mut columns = stack.get(&path, Some(&owner)).await.expect(200);
    for column in columns["columns"].as_array_mut().unwrap() {
        *column = json!({
            "id": column["id"], "letter": column["letter"], "header": column["header"],
            "cleared": true,
        });
    }
    let body = json!({"columns": columns["columns"], "if_version": columns["version"]});
    stack.call(Method::PUT, &path, &owner, &body).await.expect(200);
    assert!(second_row(&stack, &reader, &plan.range).await.is_ok());
}

#[tokio::test]
async fn a_renamed_column_is_closed_until_it_is_mapped_or_cleared() {
    let stack = TestStack::start().await;
    let (owner, writer, reader) =
        (stack.someone().await, stack.demo().await, stack.someone().await);
    for is_mapped in [true, false] {
        let (book, first) = guarded(&stack, &owner, (&writer, &reader)).await;
        let path = register(&book, &first.sheet);
        let before = stack.get(&path, Some(&owner)).await.expect(200);
        let salary = id(&before["columns"][1]);
        let mut body = payroll();
        body["sheet"] = json!({"id": first.sheet, "name": "P&L", "visibility": "visible"});
        for member in ["values", "formulas"] {
            body[member][0][1] = json!("Pay");
        }
        let renamed = upload(&stack, &writer, &book, body).await;
        let withheld = json!({"letter": "B", "access": "withheld"});
        assert_eq!(renamed.view["columns"][1], withheld);
        for caller in [&writer, &reader] {
            let seen = second_row(&stack, caller, &renamed.range).await;
            // The total reads the closed column.
            assert_eq!(seen, Ok(json!(["Ann", null, null, "10"])));
        }
        let columns = stack.get(&path, Some(&owner)).await.expect(200);
        let all = columns["columns"].as_array().unwrap();
        let pay = all.iter().find(|column| column["header"] == "Pay").unwrap();
        assert_eq!(pay["status"], "unreviewed");
        let others = all.iter().filter(|column| column["header"] != "Salary");
        let entries = others.map(|column| {
            let mut entry = json!({"letter": column["letter"], "header": column["header"]});
            if column == pay && !is_mapped {
                // It is a new column, and has nothing to do with the one before.
                entry["cleared"] = json!(true);
                return entry;
            }
            entry["id"] = column["id"].clone();
            if column == pay {
                entry["same_as"] = json!(salary);
            }
            entry
        });
        let entries: Vec<_> = entries.collect();
        let body = json!({"columns": entries, "if_version": columns["version"]});
        stack.call(Method::PUT, &path, &owner, &body).await.expect(200);
        let columns = stack.get(&path, Some(&reader)).await.expect(200);
        let shown = columns["columns"].as_array().unwrap();
        let shown = shown.iter().any(|column| column["header"] == "Pay");
        assert_eq!(shown, !is_mapped, "{columns}");
        for range in [&first.range, &renamed.range] {
            let seen = second_row(&stack, &reader, range).await.unwrap();
            assert_eq!((&seen[0], &seen[1]), (&json!("Ann"), &Value::Null));
            assert_eq!(seen[3], "10");
            // The mapped column is still the salary. The other one has left the register, so it is
            // withheld from all.
            let seen = second_row(&stack, &writer, range).await.unwrap();
            assert_eq!(seen[1], if is_mapped { json!("510204817") } else { Value::Null });
        }
    }
}

/// An upload of two cells below their headers.
fn two_cells(sheet: &Value, header: &str, formula: &str) -> Value {
    let rows = |cell: &str| json!([["Name", header], ["Ann", cell]]);
    json!({
        "sheet": sheet, "address": "A1:B2", "values": rows("510204817"), "formulas": rows(formula),
    })
}

/// Another sheet under the name of the denied one would otherwise open what formulas read there.
#[tokio::test]
async fn a_sheet_that_a_writer_has_renamed_opens_no_formula_until_a_manager_has_seen_it() {
    let stack = TestStack::start().await;
    let (owner, writer, reader) =
        (stack.someone().await, stack.demo().await, stack.someone().await);
    for is_reviewed in [true, false] {
        let book = workbook(&stack, &owner).await;
        let named = |id: Option<&str>, name: &str| {
            let mut sheet = json!({"name": name, "visibility": "visible"});
            if let Some(id) = id {
                sheet["id"] = json!(id);
            }
            sheet
        };
        let mut staff = payroll();
        staff["sheet"] = named(None, "Staff");
        let first = upload(&stack, &owner, &book, staff.clone()).await;
        let plan = two_cells(&named(None, "Plan"), "Rent", "510204817");
        let plan = upload(&stack, &owner, &book, plan).await.sheet;
        let report = |id: Option<&str>| two_cells(&named(id, "Report"), "Link", "=Staff!B2");
        let sheet = upload(&stack, &owner, &book, report(None)).await.sheet;
        guard(&stack, &owner, &book, (&writer, &reader)).await;
        let result = async |caller: &Caller| {
            let range = upload(&stack, caller, &book, report(Some(&sheet))).await.range;
            let found = cells(&stack, &reader, &range, "A2:B2").await.expect(200);
            assert_eq!(found["values"][0][0], "Ann");
            found["values"][0][1].clone()
        };
        assert_eq!(result(&writer).await, Value::Null);

        staff["sheet"] = named(Some(&first.sheet), "Old staff");
        upload(&stack, &writer, &book, staff).await;
        let renamed = two_cells(&named(Some(&plan), "Staff"), "Rent", "510204817");
        // The second upload of the writer's changes no name.
        for _ in 0..2 {
            upload(&stack, &writer, &book, renamed.clone()).await;
        }
        assert_eq!(result(&owner).await, Value::Null);

        if is_reviewed {
            let path = format!("/workbooks/{book}/sheets/{plan}");
            let cleared = json!({"cleared": true});
            stack.call(Method::PUT, &path, &owner, &cleared).await.expect(200);
        } else {
            upload(&stack, &owner, &book, renamed).await;
        }
        assert_eq!(result(&writer).await, "510204817");
    }
}
