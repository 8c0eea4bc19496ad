//! `GET /workbooks/{id}/access`: callers who may ask, and their answers.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{NOTHING, add, group, join, me, rule, salaries};

async fn rows(stack: &TestStack, caller: &Caller, book: &str, query: &str) -> Vec<Value> {
    let path = format!("/workbooks/{book}/access?{query}");
    stack.get(&path, Some(caller)).await.expect(200)["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_explanation_names_the_rules_that_decided_and_no_others() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, sheet, month, salary) = salaries(&stack, &owner).await;
    let user = me(&stack, &reader).await;
    let controllers = group(&stack, &admin).await;
    join(&stack, &admin, &controllers, &user).await.expect(204);
    let by_group = json!({"type": "group", "id": controllers});
    let added = add(
        &stack,
        &owner,
        &[
            rule(&book, "allow", json!({"subject": by_group, "note": "Controllers read."})),
            rule(
                &book,
                "deny",
                json!({"column": {"ids": [salary]}, "note": "Salaries are for HR."}),
            ),
            rule(&book, "deny", json!({"column": {"header": "bonus"}, "note": "Another note."})),
        ],
    )
    .await
    .expect(200)["added"]
        .clone();
    let query = format!("user_id={user}");
    let found = rows(&stack, &owner, &book, &query).await;
    let place =
        |row: &Value| (row["sheet_id"].clone(), row["column_id"].clone(), row["letter"].clone());
    assert_eq!(
        found.iter().map(place).collect::<Vec<_>>(),
        [
            (Value::Null, Value::Null, Value::Null),
            (json!(sheet), Value::Null, Value::Null),
            (json!(sheet), json!(month), json!("A")),
            (json!(sheet), json!(salary), json!("B")),
        ]
    );
    let reference = |at: usize| json!({"id": added[at]["id"], "note": added[at]["note"]});
    assert_eq!(
        found[2]["read"],
        json!({
            "allowed": true, "reason": "rule", "rules": [reference(0)], "via_groups": [controllers],
        })
    );
    let forbidden = json!({
        "allowed": false, "reason": "forbidden", "rules": [reference(1)], "via_groups": [],
    });
    assert_eq!((&found[3]["read"], &found[3]["export"]), (&forbidden, &forbidden));
    let default = json!({"allowed": false, "reason": "default", "rules": [], "via_groups": []});
    assert_eq!((&found[2]["write"], &found[0]["manage"]), (&default, &default));

    // The user sees notes alone, and no header of what is denied. The owner is denied it too.
    let own = rows(&stack, &reader, &book, "").await;
    assert_eq!(own[3]["read"]["rules"], json!([{"note": "Salaries are for HR."}]));
    assert_eq!((own[2]["header"].as_str(), own[3].get("header")), (Some("Month"), None));
    assert_eq!(found[3].get("header"), None);
    // An auditor, who may read nothing here, gets no header either.
    let audited = rows(&stack, &admin, &book, &query).await;
    assert!(audited.iter().all(|row| row.get("header").is_none()), "{audited:?}");
    assert_eq!(audited[3]["read"], forbidden);

    let event = stack.events(&admin, "access.explained").await.pop().unwrap();
    assert_eq!(event["resource"], format!("workbook:{book}"));
    assert_eq!(event["detail"], json!({"user_id": user, "rows": 4, "version": 1}));
}

#[tokio::test]
async fn others_are_explained_to_managers_and_auditors_alone() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let (book, sheet, ..) = salaries(&stack, &owner).await;
    let (user, demo) = (me(&stack, &owner).await, me(&stack, &reader).await);
    let path = format!("/workbooks/{book}/access");
    stack.get(&path, Some(&reader)).await.problem(404, "not_found");
    stack.get(&format!("{path}?user_id={user}"), Some(&reader)).await.problem(404, "not_found");
    add(&stack, &owner, &[rule(&book, "allow", json!({}))]).await.expect(200);
    stack.get(&format!("{path}?user_id={user}"), Some(&reader)).await.problem(403, "forbidden");
    stack.get(&format!("{path}?user_id={demo}"), Some(&reader)).await.expect(200);
    stack.get(&format!("{path}?user_id=me"), Some(&reader)).await.expect(200);
    stack.get(&format!("{path}?user_id={NOTHING}"), Some(&owner)).await.invalid(&["user_id"]);
    stack
        .get(&format!("{path}?user_id=you&sheet_id=x"), Some(&owner))
        .await
        .invalid(&["user_id", "sheet_id"]);

    // An auditor may ask about others, and is given no rule to read by it.
    let change = json!({"roles": ["auditor"]});
    let third = stack.someone().await;
    let third_id = me(&stack, &third).await;
    let users = format!("/users/{third_id}");
    stack.call(Method::PATCH, &users, &admin, &change).await.expect(200);
    stack.get(&format!("{path}?user_id={user}"), Some(&third)).await.expect(200);
    // One who does not manage the workbook sees the notes of its rules, and no ids.
    let note = json!({"note": "All read it."});
    add(&stack, &owner, &[rule(&book, "allow", note.clone())]).await.expect(200);
    let audited = rows(&stack, &third, &book, &format!("user_id={demo}")).await;
    assert_eq!(audited[0]["read"]["rules"], json!([{"note": ""}, note]));

    // A caller's own explanation leaves out a denied sheet.
    let deny = rule(&book, "deny", json!({"sheet_id": sheet}));
    add(&stack, &owner, &[deny]).await.expect(200);
    assert_eq!(rows(&stack, &reader, &book, "").await.len(), 1);
    let of_sheet = format!("{path}?sheet_id={sheet}");
    stack.get(&of_sheet, Some(&reader)).await.problem(404, "not_found");
    assert_eq!(
        stack.get(&of_sheet, Some(&owner)).await.expect(200)["items"].as_array().unwrap().len(),
        3
    );
}

#[tokio::test]
async fn an_explanation_comes_in_pages() {
    let stack = TestStack::start().await;
    let owner = stack.someone().await;
    let (book, ..) = salaries(&stack, &owner).await;
    let all = rows(&stack, &owner, &book, "").await;
    let mut found = Vec::new();
    let mut path = format!("/workbooks/{book}/access?limit=3");
    loop {
        let page = stack.get(&path, Some(&owner)).await.expect(200);
        found.extend(page["items"].as_array().unwrap().clone());
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/workbooks/{book}/access?limit=3&cursor={cursor}");
    }
    assert_eq!((found.len(), found), (4, all));
    stack
        .get(&format!("/workbooks/{book}/access?limit=101"), Some(&owner))
        .await
        .invalid(&["limit"]);
    let sheets = stack.get(&format!("/workbooks/{book}/sheets"), Some(&owner)).await.expect(200);
    assert_eq!(id(&sheets["items"][0]).len(), 36);
}
