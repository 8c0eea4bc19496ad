//! Resources: they are read by the tools, with the same rights.

use serde_json::{Value, json};
use tally_tests::{Caller, TestStack, id};

use super::{ask, error, key, modern, names, output, result};

/// The content of a resource.
async fn read(stack: &TestStack, key: &Caller, uri: &str) -> Value {
    let found = result(stack, key, "resources/read", json!({"uri": uri})).await;
    let [content] = found["contents"].as_array().unwrap().as_slice() else { panic!("{found}") };
    assert_eq!((&content["uri"], &content["mimeType"]), (&json!(uri), &json!("application/json")));
    serde_json::from_str(content["text"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_caller_sees_the_resources_of_its_scopes() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    for (scopes, resources, templates) in [
        (&["ranges:read"][..], &[][..], &[][..]),
        (&["tasks:read"], &["tasks"], &["task"]),
        (&["profits:read"], &[], &["profits"]),
        (&["tasks:read", "profits:read"], &["tasks"], &["profits", "task"]),
    ] {
        let key = key(&stack, &demo, scopes).await;
        let listed = result(&stack, &key, "resources/list", json!({})).await;
        assert_eq!(names(&listed["resources"]), resources, "{scopes:?}");
        let listed = result(&stack, &key, "resources/templates/list", json!({})).await;
        assert_eq!(names(&listed["resourceTemplates"]), templates, "{scopes:?}");
    }
}

#[tokio::test]
async fn a_resource_has_the_json_of_the_route() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let key = key(&stack, &demo, &["tasks:read", "tasks:write", "profits:read"]).await;
    let task = output(&stack, &key, "add_task", json!({"title": "Check"})).await;
    let done = output(&stack, &key, "add_task", json!({"title": "Done"})).await;
    let done = output(&stack, &key, "complete_task", json!({"id": done["id"]})).await;
    assert_eq!(read(&stack, &key, "tally://tasks").await["items"], json!([task]));
    assert_eq!(read(&stack, &key, &format!("tally://tasks/{}", id(&task))).await, task);
    assert_eq!(read(&stack, &key, &format!("tally://tasks/{}", id(&done))).await, done);
    let year = read(&stack, &key, "tally://profits/Alpha/2023").await;
    assert_eq!(year["items"].as_array().unwrap().len(), 12);
    assert_eq!(read(&stack, &key, "tally://profits/%41lpha/2023").await["items"], year["items"]);
}

#[tokio::test]
async fn what_is_absent_looks_like_what_is_another_users() {
    let stack = TestStack::start().await;
    let key_of_admin = key(&stack, &stack.admin().await, &["tasks:write"]).await;
    let theirs = output(&stack, &key_of_admin, "add_task", json!({"title": "Theirs"})).await;
    let key = key(&stack, &stack.demo().await, &["tasks:read", "profits:read"]).await;
    let theirs = format!("tally://tasks/{}", id(&theirs));
    for uri in [
        theirs.as_str(),
        "tally://tasks/019a0000-0000-7000-8000-000000000000",
        "tally://tasks/1",
        "tally://profits/Alpha/1999",
        "tally://profits/Nobody/2023",
        "tally://profits/Alpha/0001",
        "tally://profits",
        "file:///etc/passwd",
    ] {
        let params = json!({"uri": uri});
        let legacy = error(&ask(&stack, &key, "resources/read", params.clone()).await, 200);
        assert_eq!((&legacy["code"], &legacy["data"]), (&json!(-32002), &params), "{uri}");
        let answer = stack.send(modern(&stack, &key, "resources/read", params.clone())).await;
        let modern = error(&answer, 200);
        assert_eq!((&modern["code"], &modern["data"]), (&json!(-32602), &params), "{uri}");
    }
}
