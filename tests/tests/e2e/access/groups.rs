//! Groups and their members.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{TestStack, id};

use super::{NOTHING, add, group, join, me, rule, workbook};
use crate::users::user_id;

#[tokio::test]
async fn a_group_is_made_read_changed_and_deleted() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let body = json!({"name": "Controllers", "external_id": "ad-7"});
    let made = stack.post("/groups", Some(&admin), &body).await;
    let group = made.expect(201);
    let path = format!("/groups/{}", id(&group));
    assert_eq!(made.header("location"), path);
    assert_eq!(
        (&group["name"], &group["description"], &group["external_id"], &group["members"]),
        (&json!("Controllers"), &Value::Null, &json!("ad-7"), &json!(0))
    );
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200), group);
    assert_eq!(stack.get("/groups", Some(&admin)).await.expect(200)["items"], json!([group]));

    let change = async |body: Value| stack.call(Method::PATCH, &path, &admin, &body).await;
    let changed = change(json!({"description": "Monthly close"})).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["external_id"]),
        (&json!("Controllers"), &json!("Monthly close"), &json!("ad-7"))
    );
    let changed = change(json!({"name": "Close", "description": null, "external_id": null})).await;
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["external_id"]),
        (&json!("Close"), &Value::Null, &Value::Null)
    );
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200), changed);
    change(json!({"name": "", "members": 3})).await.invalid(&["/name", "/members"]);

    stack.delete(&path, Some(&admin)).await.expect(204);
    stack.delete(&path, Some(&admin)).await.problem(404, "not_found");
    stack.get(&path, Some(&admin)).await.problem(404, "not_found");
    for (action, count) in [("group.created", 1), ("group.updated", 2), ("group.deleted", 1)] {
        let events = stack.events(&admin, action).await;
        let done = events.iter().filter(|event| event["outcome"] == "success").count();
        assert_eq!(done, count, "{action}");
    }
}

#[tokio::test]
async fn groups_are_listed_page_by_page() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(group(&stack, &admin).await);
    }
    ids.sort();
    let mut found = Vec::new();
    let mut path = "/groups?limit=2".to_owned();
    loop {
        let page = stack.get(&path, Some(&admin)).await.expect(200);
        found.extend(page["items"].as_array().unwrap().iter().map(id));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/groups?limit=2&cursor={cursor}");
    }
    assert_eq!(found, ids);
}

#[tokio::test]
async fn a_member_joins_once_and_leaves() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let group = group(&stack, &admin).await;
    let demo = user_id(&stack, "demo").await;
    let members = async || {
        let path = format!("/groups/{group}/members");
        stack.get(&path, Some(&admin)).await.expect(200)["items"].clone()
    };
    let count = async || {
        let path = format!("/groups/{group}");
        stack.get(&path, Some(&admin)).await.expect(200)["members"].as_u64().unwrap()
    };
    // Ten at once are one membership.
    for joined in join_all((0..10).map(|_| join(&stack, &admin, &group, &demo))).await {
        joined.expect(204);
    }
    assert_eq!((members().await[0]["user_id"].as_str().unwrap(), count().await), (&*demo, 1));
    let path = format!("/groups/{group}/members/{demo}");
    stack.delete(&path, Some(&admin)).await.expect(204);
    stack.delete(&path, Some(&admin)).await.problem(404, "not_found");
    assert_eq!((members().await, count().await), (json!([]), 0));
    let group = group.as_str();
    for (group, user) in [(NOTHING, demo.as_str()), (group, NOTHING), (group, "me")] {
        join(&stack, &admin, group, user).await.problem(404, "not_found");
    }
    let event = &stack.events(&admin, "group.member_added").await[0];
    assert_eq!(event["resource"], format!("user:{demo}"));
    assert_eq!(event["detail"], json!({"group_id": group}));
}

#[tokio::test]
async fn a_group_that_a_rule_names_stays() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let group = group(&stack, &admin).await;
    let workbook = workbook(&stack, &admin).await;
    let subject = json!({"subject": {"type": "group", "id": group}});
    let changed =
        add(&stack, &admin, &[rule(&workbook, "allow", subject.clone())]).await.expect(200);
    let path = format!("/groups/{group}");
    stack.delete(&path, Some(&admin)).await.problem(409, "group_in_use");
    let remove = json!({"remove": [id(&changed["added"][0])]});
    stack.post("/access/changes", Some(&admin), &remove).await.expect(200);
    stack.delete(&path, Some(&admin)).await.expect(204);
    add(&stack, &admin, &[rule(&workbook, "allow", subject)]).await.invalid(&["/add"]);
}

#[tokio::test]
async fn a_user_has_at_most_fifty_groups() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.someone().await;
    let user = me(&stack, &caller).await;
    for _ in 0..50 {
        let group = group(&stack, &admin).await;
        join(&stack, &admin, &group, &user).await.expect(204);
    }
    let one_more = group(&stack, &admin).await;
    join(&stack, &admin, &one_more, &user).await.problem(409, "limit_reached");
    let path = format!("/groups/{one_more}");
    assert_eq!(stack.get(&path, Some(&admin)).await.expect(200)["members"], 0);
}
