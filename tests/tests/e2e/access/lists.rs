//! `GET /workbooks`: the workbooks of the list, their order, and those that no list has.

use std::slice;

use serde_json::{Value, json};
use tally_access::profits;
use tally_tests::{Caller, TestStack, id};

use super::{add, copy, group, ids_like, join, me, rule, workbook};

/// Ids of the list, page after page, without the workbook of the profits.
async fn listed(stack: &TestStack, caller: &Caller, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut path = format!("/workbooks?limit={limit}");
    loop {
        let page = stack.get(&path, Some(caller)).await.expect(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        ids.extend(items.iter().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/workbooks?limit={limit}&cursor={cursor}");
    }
    let all = ids.len();
    ids.retain(|id| *id != profits::book_id());
    // The seeded rule names everyone.
    assert_eq!(ids.len() + 1, all);
    ids
}

#[tokio::test]
async fn a_list_has_own_workbooks_then_named_ones_and_each_once() {
    let stack = TestStack::start().await;
    let (owner, reader, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let user = me(&stack, &reader).await;
    let controllers = group(&stack, &admin).await;
    join(&stack, &admin, &controllers, &user).await.expect(204);
    let mut books = Vec::new();
    for _ in 0..5 {
        books.push(workbook(&stack, &owner).await);
    }
    let own = workbook(&stack, &reader).await;
    let about = |subject: Value| json!({"subject": subject});
    let by_user = about(json!({"type": "user", "id": user}));
    let by_group = about(json!({"type": "group", "id": controllers}));
    for rules in [
        vec![rule(&books[0], "allow", by_user.clone()), rule(&books[0], "allow", by_group.clone())],
        vec![rule(&books[1], "allow", by_group.clone())],
        vec![rule(&books[2], "allow", json!({})), rule(&books[2], "deny", by_user.clone())],
        vec![rule(&books[3], "deny", by_group)],
    ] {
        add(&stack, &owner, &rules).await.expect(200);
    }
    for limit in [1, 2, 20] {
        let found = listed(&stack, &reader, limit).await;
        assert_eq!(found[0], own);
        let mut named = found[1..].to_vec();
        named.sort();
        let mut expected = books[..2].to_vec();
        expected.sort();
        assert_eq!(named, expected, "by {limit}");
        assert_eq!(listed(&stack, &owner, limit).await, books);
    }

    // Under a rule for every workbook all others follow, but for those that are denied.
    let mut every = rule("", "allow", by_user);
    every["workbook_id"] = Value::Null;
    add(&stack, &admin, &[every]).await.expect(200);
    for limit in [1, 3, 20] {
        let found = listed(&stack, &reader, limit).await;
        let mut all = found.clone();
        all.sort();
        let mut expected = [&books[..2], &books[4..], slice::from_ref(&own)].concat();
        expected.sort();
        assert_eq!(all, expected, "by {limit}");
        assert_eq!(found[0], own);
    }
    // A page has no trace of withheld workbooks.
    let text = stack.get("/workbooks?limit=100", Some(&reader)).await.text;
    assert!(!text.contains(&books[2]) && !text.contains(&books[3]), "{text}");
}

#[tokio::test]
async fn a_list_looks_at_a_bounded_number_and_goes_on() {
    let stack = TestStack::start().await;
    let (owner, reader) = (stack.someone().await, stack.demo().await);
    let user = me(&stack, &reader).await;
    let denied = json!({"subject": {"type": "user", "id": user}});
    let book = workbook(&stack, &owner).await;
    add(&stack, &owner, &[rule(&book, "deny", denied.clone())]).await.expect(200);
    let copies = ids_like(&book, 119);
    for table in ["WorkbooksTable", "AccessTable"] {
        copy(&stack, table, &book, &copies).await;
    }
    assert_eq!(listed(&stack, &owner, 100).await.len(), 120);
    let book = workbook(&stack, &owner).await;
    add(&stack, &owner, &[rule(&book, "allow", denied)]).await.expect(200);
    assert_eq!(listed(&stack, &reader, 20).await, [book]);
}
