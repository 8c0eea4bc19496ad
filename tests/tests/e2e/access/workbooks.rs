//! Workbooks: made, changed and deleted.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{TestStack, id};

use super::{NOTHING, add, me, rule, workbook};
use crate::api_keys::new_key;

#[tokio::test]
async fn an_owner_makes_changes_and_deletes_a_workbook() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let made = stack.post("/workbooks", Some(&caller), &json!({"name": "Budget 2026"})).await;
    let workbook = made.expect(201);
    let path = format!("/workbooks/{}", id(&workbook));
    assert_eq!(made.header("location"), path);
    assert_eq!(
        (&workbook["name"], &workbook["approval"], &workbook["version"], &workbook["owner_id"]),
        (&json!("Budget 2026"), &json!("self"), &json!(1), &json!(me(&stack, &caller).await))
    );
    assert_eq!(stack.get(&path, Some(&caller)).await.expect(200), workbook);

    let change = async |body: Value| stack.call(Method::PATCH, &path, &caller, &body).await;
    let changed = change(json!({"approval": "other", "if_version": 1})).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["approval"], &changed["version"]),
        (&json!("Budget 2026"), &json!("other"), &json!(2))
    );
    change(json!({"name": "x", "if_version": 1})).await.problem(409, "conflict");
    change(json!({"name": "\n", "approval": "nobody"})).await.invalid(&["/name", "/approval"]);
    assert_eq!(stack.get(&path, Some(&caller)).await.expect(200), changed);

    stack.delete(&path, Some(&caller)).await.expect(204);
    stack.get(&path, Some(&caller)).await.problem(404, "not_found");
    stack.delete(&path, Some(&caller)).await.problem(404, "not_found");
    let admin = stack.admin().await;
    for action in ["workbook.created", "workbook.updated", "workbook.deleted"] {
        let events = stack.events(&admin, action).await;
        let resource = format!("workbook:{}", id(&workbook));
        let done = |event: &&Value| event["resource"] == resource && event["outcome"] == "success";
        assert_eq!(events.iter().filter(done).count(), 1, "{action}");
        // The log has no name.
        assert!(!json!(events).to_string().contains("Budget 2026"), "{action}");
    }
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_workbook() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let create = || {
        let request = stack.request(Method::POST, "/workbooks").bearer_auth(&caller.access);
        stack.send(request.header("idempotency-key", "k").json(&json!({"name": "Budget"})))
    };
    assert_eq!(create().await.expect(201), create().await.expect(201));
}

#[tokio::test]
async fn a_workbook_does_not_exist_for_those_who_may_do_nothing_with_it() {
    let stack = TestStack::start().await;
    let (owner, other, admin) = (stack.someone().await, stack.demo().await, stack.admin().await);
    let workbook = workbook(&stack, &owner).await;
    // An administrator reads nothing by the role.
    for stranger in [&other, &admin] {
        for workbook in [workbook.as_str(), NOTHING] {
            let path = format!("/workbooks/{workbook}");
            stack.get(&path, Some(stranger)).await.problem(404, "not_found");
            let change = json!({"name": "x"});
            stack.call(Method::PATCH, &path, stranger, &change).await.problem(404, "not_found");
            stack.delete(&path, Some(stranger)).await.problem(404, "not_found");
            let sheets = format!("{path}/sheets");
            stack.get(&sheets, Some(stranger)).await.problem(404, "not_found");
            stack.post(&sheets, Some(stranger), &change).await.problem(404, "not_found");
        }
    }
    // A reader sees the workbook, but may not change it.
    add(&stack, &owner, &[rule(&workbook, "allow", json!({}))]).await.expect(200);
    let path = format!("/workbooks/{workbook}");
    stack.get(&path, Some(&other)).await.expect(200);
    let change = json!({"name": "x"});
    stack.call(Method::PATCH, &path, &other, &change).await.problem(403, "forbidden");
    stack.delete(&path, Some(&other)).await.problem(403, "forbidden");
    stack.post(&format!("{path}/sheets"), Some(&other), &change).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_key_sees_what_its_owner_sees_and_changes_no_rule() {
    let stack = TestStack::start().await;
    let (owner, other) = (stack.someone().await, stack.demo().await);
    let new = new_key(&["ranges:read", "ranges:write"], std::time::Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&other), &new).await.expect(201);
    let by_key = |method: Method, path: &str, body: Option<Value>| {
        let request = stack.request(method, path).header("x-api-key", key["key"].as_str().unwrap());
        stack.send(body.into_iter().fold(request, |request, body| request.json(&body)))
    };
    let hidden = workbook(&stack, &owner).await;
    let made = by_key(Method::POST, "/workbooks", Some(json!({"name": "By key"}))).await;
    let own = id(&made.expect(201));
    let path = format!("/workbooks/{own}");
    by_key(Method::GET, &path, None).await.expect(200);
    by_key(Method::GET, &format!("/workbooks/{hidden}"), None).await.problem(404, "not_found");
    let add = json!({"add": [rule(&own, "allow", json!({}))]});
    by_key(Method::POST, "/access/changes", Some(add)).await.problem(403, "forbidden");
    by_key(Method::GET, &format!("{path}/access"), None).await.problem(403, "forbidden");
    by_key(Method::DELETE, &path, None).await.problem(403, "forbidden");
}
