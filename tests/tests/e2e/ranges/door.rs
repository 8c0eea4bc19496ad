//! Uploads while a rule denies a part of the workbook.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use super::{begin, cells, complete, payroll, put, put_csv, split, upload};
use crate::access::{add, me, rule, workbook};
use crate::canary::holds;

/// Uploads a range in one part, or returns the answer that refuses it.
async fn try_upload(
    stack: &TestStack,
    caller: &Caller,
    book: &str,
    body: Value,
) -> Result<String, Answer> {
    let (head, part) = split(body);
    let begun = begin(stack, caller, book, head).await;
    if begun.status != 201 {
        return Err(begun);
    }
    let range = id(&begun.json());
    let sent = put(stack, caller, &range, 1, &part).await;
    if sent.status != 204 {
        return Err(sent);
    }
    let done = complete(stack, caller, &range).await;
    if done.status == 200 { Ok(range) } else { Err(done) }
}

fn without_formulas(mut body: Value) -> Value {
    body.as_object_mut().unwrap().remove("formulas");
    body
}

#[tokio::test]
async fn formulas_are_required_where_a_deny_touches_the_workbook() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let (book, other) = (workbook(&stack, &owner).await, workbook(&stack, &owner).await);
    let known = upload(&stack, &owner, &book, without_formulas(payroll())).await;
    // Spilled cells and those of pivot tables look like typed ones unless the upload names them.
    let (mut head, part) = split(payroll());
    head["pivots"] = Value::Null;
    let open = id(&begin(&stack, &owner, &book, head.clone()).await.expect(201));
    put(&stack, &owner, &open, 1, &part).await.expect(204);
    let empty = id(&begin(&stack, &owner, &book, head.clone()).await.expect(201));
    let deny = |header: &str| {
        let subject = json!({"type": "role", "id": "auditor"});
        rule(&book, "deny", json!({"column": {"header": header}, "subject": subject}))
    };
    let denied = add(&stack, &owner, &[deny("x*")]).await;
    let denied = id(&denied.expect(200)["added"][0]);
    let refused = try_upload(&stack, &owner, &book, without_formulas(payroll())).await;
    refused.unwrap_err().problem(422, "formulas_required");
    head["spills"] = Value::Null;
    for (refused, expected) in [
        (begin(&stack, &owner, &book, head).await, &["/spills", "/pivots"][..]),
        (put(&stack, &owner, &empty, 1, &part).await, &["/pivots"]),
        (complete(&stack, &owner, &open).await, &["/pivots"]),
    ] {
        let problem = refused.problem(422, "formulas_required");
        let errors = problem["errors"].as_array().unwrap().iter();
        let named: Vec<_> = errors.map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(named, expected);
    }
    try_upload(&stack, &owner, &book, payroll()).await.unwrap();
    try_upload(&stack, &owner, &other, without_formulas(payroll())).await.unwrap();
    let head = json!({"address": "A1:B2"});
    let range = id(&begin(&stack, &owner, &book, head).await.expect(201));
    let file = put_csv(&stack, &owner, &range, 1, "Name,Pay\r\nAnn,5\r\n").await;
    let refused = if file.status == 204 { complete(&stack, &owner, &range).await } else { file };
    refused.problem(422, "formulas_required");
    // A caller who is denied nothing still sees the first range.
    cells(&stack, &owner, &known.range, "A1:D3").await.expect(200);
    stack.post("/access/changes", Some(&owner), &json!({"remove": [denied]})).await.expect(200);
    try_upload(&stack, &owner, &book, without_formulas(payroll())).await.unwrap();

    // A deny for every workbook touches those where it matches a column.
    let mut every = deny("*salary*");
    every["workbook_id"] = Value::Null;
    add(&stack, &admin, &[every]).await.expect(200);
    let refused = try_upload(&stack, &owner, &other, without_formulas(payroll())).await;
    refused.unwrap_err().problem(422, "formulas_required");
    let third = workbook(&stack, &owner).await;
    let values = json!([["Month", "Rent"], ["May", 5]]);
    let plain = json!({"address": "A1:B2", "values": values});
    try_upload(&stack, &owner, &third, plain).await.unwrap();
}

#[tokio::test]
async fn a_column_that_the_uploader_may_not_read_is_dropped() {
    let stack = TestStack::start().await;
    let (owner, writer) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &writer).await;
    let book = workbook(&stack, &owner).await;
    let first = upload(&stack, &owner, &book, payroll()).await;
    let subject = json!({"type": "user", "id": user});
    let allow = json!({"actions": ["read", "write"], "subject": subject});
    let deny = json!({"column": {"header": "salary"}, "subject": subject});
    let rules = [rule(&book, "allow", allow), rule(&book, "deny", deny)];
    add(&stack, &owner, &rules).await.expect(200);
    let mut body = payroll();
    body["sheet"] = json!({"id": first.sheet, "name": "P&L", "visibility": "visible"});
    for member in ["values", "formulas"] {
        body[member][1][1] = json!("Dropped-at-the-door");
        body[member][1][0] = json!("Kept-by-the-door");
    }
    let second = upload(&stack, &writer, &book, body).await;
    assert_eq!(second.sheet, first.sheet);
    assert_eq!(second.view["columns"][1], json!({"letter": "B", "access": "withheld"}));
    // The column was not stored, so the owner does not see it either.
    let found = cells(&stack, &owner, &second.range, "A1:D3").await.expect(200);
    assert_eq!(found["values"][1], json!(["Kept-by-the-door", null, "510204827", "10"]));
    let items = stack.items("RangesTable").await;
    assert!(holds(&items, "Kept-by-the-door"), "the search finds what was stored");
    assert!(!holds(&items, "Dropped-at-the-door"));
    // A range that was ready before keeps it.
    let found = cells(&stack, &owner, &first.range, "B2").await.expect(200);
    assert_eq!(found["values"], json!([["510204817"]]));
    let found = cells(&stack, &writer, &first.range, "B2").await.expect(200);
    assert_eq!(found["values"], json!([[null]]));

    // A caller who may not write begins no upload. No caller may touch the upload of another.
    let reader = stack.someone().await;
    let reads = json!({"subject": {"type": "user", "id": me(&stack, &reader).await}});
    add(&stack, &owner, &[rule(&book, "allow", reads)]).await.expect(200);
    begin(&stack, &reader, &book, json!({"address": "A1"})).await.problem(403, "forbidden");
    let open = id(&begin(&stack, &owner, &book, json!({"address": "A1"})).await.expect(201));
    for caller in [&reader, &writer] {
        let part = put(&stack, caller, &open, 1, &json!({"address": "A1", "values": 1})).await;
        assert!([403, 404].contains(&part.status), "{part:?}");
        let path = format!("/ranges/{open}");
        let gone = stack.call(Method::DELETE, &path, caller, &json!({})).await;
        assert!([403, 404].contains(&gone.status), "{gone:?}");
    }
}
