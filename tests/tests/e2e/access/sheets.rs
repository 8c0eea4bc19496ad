//! Sheets: which exist for whom, and the review of new ones.

use std::slice;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use super::{
    NOTHING, add, copy, ids_like, me, register, rule, salaries, set_columns, sheet, workbook,
};

async fn listed(stack: &TestStack, caller: &Caller, workbook: &str) -> Vec<Value> {
    let path = format!("/workbooks/{workbook}/sheets?limit=100");
    stack.get(&path, Some(caller)).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn review(stack: &TestStack, caller: &Caller, path: &str, body: &Value) -> Answer {
    stack.call(Method::PUT, path, caller, body).await
}

#[tokio::test]
async fn a_denied_sheet_is_in_no_list_and_not_found() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, shown, ..) = salaries(&stack, &owner).await;
    let hidden = sheet(&stack, &owner, &book).await;
    let deny = rule(&book, "deny", json!({"sheet_id": hidden}));
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);
    let ids = |sheets: Vec<Value>| sheets.iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(listed(&stack, &reader, &book).await), slice::from_ref(&shown));
    assert_eq!(listed(&stack, &reader, &book).await[0]["columns"], 2);
    // The owner manages it, and reads neither its name nor a header.
    let all = listed(&stack, &owner, &book).await;
    assert_eq!((&all[0]["name"], all[1].get("name")), (&json!("P&L"), None));
    assert_eq!(ids(all), [shown, hidden.clone()]);
    let path = register(&book, &hidden);
    stack.get(&path, Some(&reader)).await.problem(404, "not_found");
    stack.get(&path, Some(&owner)).await.expect(200);
    let page = format!("/workbooks/{book}/sheets?limit=1");
    assert_eq!(stack.get(&page, Some(&reader)).await.expect(200)["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_new_sheet_waits_for_a_review_while_a_deny_touches_its_workbook() {
    let stack = TestStack::start().await;
    let (owner, writer) = (stack.someone().await, stack.demo().await);
    let (book, known, _, salary) = salaries(&stack, &owner).await;
    let user = me(&stack, &writer).await;
    let subject = json!({"type": "user", "id": user});
    let write = json!({"subject": subject, "actions": ["read", "write"]});
    let deny = json!({"subject": subject, "column": {"ids": [salary]}});
    add(&stack, &owner, &[rule(&book, "allow", write)]).await.expect(200);
    let early = sheet(&stack, &writer, &book).await;
    let denied = add(&stack, &owner, &[rule(&book, "deny", deny)]).await.expect(200);
    let late = sheet(&stack, &writer, &book).await;
    let ids = |sheets: Vec<Value>| sheets.iter().map(id).collect::<Vec<_>>();
    assert_eq!(ids(listed(&stack, &writer, &book).await), [known.clone(), early.clone()]);
    let all = listed(&stack, &owner, &book).await;
    let statuses: Vec<_> = all.iter().map(|sheet| sheet["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["reviewed", "reviewed", "unreviewed"]);

    let path = format!("/workbooks/{book}/sheets/{late}");
    review(&stack, &writer, &path, &json!({"cleared": true})).await.problem(404, "not_found");
    let seen = format!("/workbooks/{book}/sheets/{early}");
    review(&stack, &writer, &seen, &json!({"cleared": true})).await.problem(403, "forbidden");
    for body in [json!({}), json!({"cleared": false}), json!({"cleared": true, "same_as": known})] {
        review(&stack, &owner, &path, &body).await.invalid(&["/same_as"]);
    }
    for other in [NOTHING, late.as_str()] {
        let body = json!({"same_as": other});
        review(&stack, &owner, &path, &body).await.invalid(&["/same_as"]);
    }
    let cleared = review(&stack, &owner, &path, &json!({"cleared": true})).await.expect(200);
    assert_eq!(cleared["status"], "reviewed");
    assert_eq!(listed(&stack, &writer, &book).await.len(), 3);

    // Without the deny there is nothing to wait for.
    let later = sheet(&stack, &writer, &book).await;
    assert_eq!(listed(&stack, &writer, &book).await.len(), 3);
    let remove = json!({"remove": [id(&denied["added"][0])]});
    stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
    assert_eq!(listed(&stack, &writer, &book).await[3]["id"], later);
}

#[tokio::test]
async fn a_copy_of_a_sheet_is_under_the_same_rules() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet_id, _, salary) = salaries(&stack, &owner).await;
    let deny = rule(&book, "deny", json!({"column": {"ids": [salary]}, "sheet_id": sheet_id}));
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);
    let copy = sheet(&stack, &owner, &book).await;
    let columns = json!([{"letter": "C", "header": "BASE SALARY"}, {"letter": "D", "header": "x"}]);
    set_columns(&stack, &owner, (&book, &copy), columns, 1).await.expect(200);
    let path = format!("/workbooks/{book}/sheets/{copy}");
    review(&stack, &owner, &path, &json!({"same_as": sheet_id})).await.expect(200);
    let shown = stack.get(&register(&book, &copy), Some(&reader)).await.expect(200);
    assert_eq!(shown["columns"][0], json!({"letter": "C", "access": "withheld"}));
    assert_eq!(shown["columns"][1]["header"], "x");
}

#[tokio::test]
async fn a_column_that_a_copy_lacks_or_has_twice_waits_for_a_review() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let (book, sheet_id, _, salary) = salaries(&stack, &owner).await;
    let deny = rule(&book, "deny", json!({"column": {"ids": [salary]}}));
    add(&stack, &owner, &[rule(&book, "allow", json!({})), deny]).await.expect(200);
    for headers in [["Month", "Pay"], ["Base Salary", "base salary"]] {
        let copy = sheet(&stack, &owner, &book).await;
        let columns = json!([
            {"letter": "A", "header": headers[0]}, {"letter": "B", "header": headers[1]},
        ]);
        set_columns(&stack, &owner, (&book, &copy), columns, 1).await.expect(200);
        let path = format!("/workbooks/{book}/sheets/{copy}");
        review(&stack, &owner, &path, &json!({"same_as": sheet_id})).await.expect(200);
        let of_owner = stack.get(&register(&book, &copy), Some(&owner)).await.expect(200);
        assert_eq!(of_owner["columns"][1]["status"], "unreviewed", "{headers:?}");
        let shown = stack.get(&register(&book, &copy), Some(&reader)).await.expect(200);
        assert_eq!(shown["columns"][1], json!({"letter": "B", "access": "withheld"}));
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_sheet() {
    let stack = TestStack::start().await;
    let (owner, writer) = (stack.someone().await, stack.demo().await);
    let (book, .., salary) = salaries(&stack, &owner).await;
    let user = me(&stack, &writer).await;
    let subject = json!({"type": "user", "id": user});
    let write = json!({"subject": subject, "actions": ["read", "write"]});
    let deny = rule(&book, "deny", json!({"column": {"ids": [salary]}}));
    add(&stack, &owner, &[rule(&book, "allow", write), deny]).await.expect(200);
    let create = || {
        let path = format!("/workbooks/{book}/sheets");
        let request = stack.request(Method::POST, &path).bearer_auth(&writer.access);
        stack.send(request.header("idempotency-key", "k").json(&json!({"name": "P&L"})))
    };
    let made = create().await.expect(201);
    let again = create().await.expect(201);
    // The sheet waits for a review, so its maker may not read it yet.
    assert_eq!((id(&again), &again["status"]), (id(&made), &json!("unreviewed")));
    assert_eq!(listed(&stack, &owner, &book).await.len(), 2);
}

#[tokio::test]
async fn a_workbook_has_at_most_two_hundred_sheets() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let book = workbook(&stack, &owner).await;
    let first = sheet(&stack, &owner, &book).await;
    copy(&stack, "WorkbooksTable", &first, &ids_like(&first, 198)).await;
    // The 200th.
    sheet(&stack, &owner, &book).await;
    let path = format!("/workbooks/{book}/sheets");
    stack.post(&path, Some(&owner), &json!({"name": "x"})).await.problem(409, "limit_reached");
    assert_eq!(listed(&stack, &owner, &book).await.len(), 100);
}
