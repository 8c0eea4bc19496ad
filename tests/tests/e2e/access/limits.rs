//! The number of rules of a workbook, and for every one, also where many ask at once.

use std::slice;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{add, group, join, me, rule, workbook};

/// Adds rules until there are so many, then removes one and adds it again.
async fn fill(stack: &TestStack, caller: &Caller, rule: &Value, most: usize) {
    let mut last = Value::Null;
    for count in (0..most).step_by(40) {
        let rules = vec![rule.clone(); 40.min(most - count)];
        last = add(stack, caller, &rules).await.expect(200);
    }
    add(stack, caller, slice::from_ref(rule)).await.problem(409, "limit_reached");
    let swap = json!({"remove": [id(&last["added"][0])], "add": [rule]});
    stack.post("/access/changes", Some(caller), &swap).await.expect(200);
    let too_many = vec![rule.clone(); 41];
    add(stack, caller, &too_many).await.invalid(&["/add"]);
}

#[tokio::test]
async fn a_workbook_has_at_most_500_rules_and_200_are_for_every_one() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let book = workbook(&stack, &owner).await;
    let one = rule(&book, "deny", json!({"column": {"header": "*salary*"}}));
    fill(&stack, &owner, &one, 500).await;
    let mut every = one;
    every["workbook_id"] = Value::Null;
    fill(&stack, &admin, &every, 200).await;
    // With all 700, a request is still answered.
    stack.get(&format!("/workbooks/{book}/access"), Some(&owner)).await.expect(200);
}

#[tokio::test]
async fn of_many_at_once_as_many_are_taken_as_there_is_room_for() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let book = workbook(&stack, &owner).await;
    let one = rule(&book, "allow", json!({}));
    for count in (0..498).step_by(40) {
        let rules = vec![one.clone(); 40.min(498 - count)];
        add(&stack, &owner, &rules).await.expect(200);
    }
    let answers = join_all((0..5).map(|_| add(&stack, &owner, std::slice::from_ref(&one)))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 409, 409, 409]);

    let user = me(&stack, &owner).await;
    let mut groups = Vec::new();
    for _ in 0..53 {
        groups.push(group(&stack, &admin).await);
    }
    for group in &groups[..48] {
        join(&stack, &admin, group, &user).await.expect(204);
    }
    let answers =
        join_all(groups[48..].iter().map(|group| join(&stack, &admin, group, &user))).await;
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 204, 409, 409, 409]);
}

/// A transaction has at most 100 items. This one has the most. Each rule has a group of its own,
/// the right is that of an administrator, and the request has a key.
#[tokio::test]
async fn forty_rules_about_forty_groups_are_one_transaction() {
    let stack = TestStack::start().await;
    let (owner, admin) = (stack.someone().await, stack.admin().await);
    let book = workbook(&stack, &owner).await;
    let mut rules = Vec::new();
    for _ in 0..40 {
        let group = group(&stack, &admin).await;
        let subject = json!({"type": "group", "id": group});
        rules.push(rule(&book, "allow", json!({"subject": subject})));
    }
    let request = stack.request(Method::POST, "/access/changes").bearer_auth(&admin.access);
    let request = request.header("idempotency-key", "k").json(&json!({"add": rules}));
    let added = stack.send(request).await.expect(200)["added"].clone();
    assert_eq!(added.as_array().unwrap().len(), 40);
}
