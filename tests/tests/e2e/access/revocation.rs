//! A deny and a changed rule hold from the next request on, however the right was given.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack, id};

use super::{add, group, join, me, rule, salaries};
use crate::users::{patch, user_id};

/// The status of the caller's read of a workbook.
async fn sees(stack: &TestStack, caller: &Caller, book: &str) -> u16 {
    stack.get(&format!("/workbooks/{book}"), Some(caller)).await.status
}

#[tokio::test]
async fn a_change_holds_from_the_next_request_on() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, ..) = salaries(&stack, &owner).await;
    let user = me(&stack, &reader).await;
    // Many rounds, so that every warm process has kept something.
    for _ in 0..10 {
        assert_eq!(sees(&stack, &reader, &book).await, 404);
        let allowed = add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await.expect(200);
        assert_eq!(sees(&stack, &reader, &book).await, 200);
        let denied = add(&stack, &owner, &[rule(&book, "deny", json!({}))]).await.expect(200);
        assert_eq!(sees(&stack, &reader, &book).await, 404);
        let remove = json!({"remove": [id(&denied["added"][0])]});
        stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
        assert_eq!(sees(&stack, &reader, &book).await, 200);
        let mut every = rule(&book, "deny", json!({"subject": {"type": "user", "id": user}}));
        every["workbook_id"] = Value::Null;
        let denied = add(&stack, &admin, &[every]).await.expect(200);
        assert_eq!(sees(&stack, &reader, &book).await, 404);
        let remove = json!({"remove": [id(&denied["added"][0])]});
        stack.post("/access/changes", Some(&admin), &remove).await.expect(200);
        let remove = json!({"remove": [id(&allowed["added"][0])]});
        stack.post("/access/changes", Some(&owner), &remove).await.expect(200);
    }
}

#[tokio::test]
async fn a_membership_and_a_role_hold_as_long_as_they_last() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, ..) = salaries(&stack, &owner).await;
    let (by_role, ..) = salaries(&stack, &owner).await;
    let user = user_id(&stack, "demo").await;
    let controllers = group(&stack, &admin).await;
    let subject = json!({"subject": {"type": "group", "id": controllers}});
    add(&stack, &owner, &[rule(&book, "allow", subject)]).await.expect(200);
    let subject = json!({"subject": {"type": "role", "id": "auditor"}});
    add(&stack, &owner, &[rule(&by_role, "allow", subject)]).await.expect(200);
    for _ in 0..5 {
        assert_eq!(sees(&stack, &reader, &book).await, 404);
        join(&stack, &admin, &controllers, &user).await.expect(204);
        assert_eq!(sees(&stack, &reader, &book).await, 200);
        let path = format!("/groups/{controllers}/members/{user}");
        stack.call(Method::DELETE, &path, &admin, &json!({})).await.expect(204);

        assert_eq!(sees(&stack, &reader, &by_role).await, 404);
        patch(&stack, &admin, &user, &json!({"roles": ["auditor"]})).await.expect(200);
        assert_eq!(sees(&stack, &reader, &by_role).await, 200);
        patch(&stack, &admin, &user, &json!({"roles": []})).await.expect(200);
    }
}

#[tokio::test]
async fn a_right_that_ends_before_the_commit_changes_nothing() {
    let stack = TestStack::start().await;
    let (owner, manager, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, sheet, month, _) = salaries(&stack, &owner).await;
    let subject = json!({"type": "user", "id": me(&stack, &manager).await});
    let mut every = rule("", "allow", json!({"actions": ["manage"], "subject": subject}));
    every["workbook_id"] = Value::Null;
    let path = format!("/workbooks/{book}");
    let before = stack.get(&path, Some(&owner)).await.expect(200);
    let columns = json!({
        "columns": [{"id": month, "letter": "A", "header": "Month"}], "if_version": 2,
    });
    for (method, path, body, problem) in [
        (Method::PATCH, path.clone(), json!({"name": "Plan"}), (404, "not_found")),
        (Method::DELETE, path.clone(), json!({}), (404, "not_found")),
        (
            Method::PUT,
            format!("{path}/sheets/{sheet}"),
            json!({"cleared": true}),
            (409, "conflict"),
        ),
        (Method::PUT, format!("{path}/sheets/{sheet}/columns"), columns, (409, "conflict")),
    ] {
        let added = add(&stack, &admin, &[every.clone()]).await.expect(200);
        let remove = json!({"remove": [id(&added["added"][0])]});
        // The commit is held on its way twice, and arrives when it is sent again.
        stack.fail("WorkbooksTable", Some("TransactWriteItems"), Failure::HeldBefore, 2);
        let revoke = async {
            stack.local.aws().held().await;
            stack.post("/access/changes", Some(&admin), &remove).await.expect(200);
            stack.local.aws().held().await;
        };
        let change = stack.call(method, &path, &manager, &body);
        let (answer, ()) = futures_util::future::join(change, revoke).await;
        answer.problem(problem.0, problem.1);
    }
    assert_eq!(stack.get(&path, Some(&owner)).await.expect(200), before);
}
