//! Tasks, and the number of those that are open.

use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use super::{MOMENTS, TRANSACT, cut, events, post};
use crate::access::me;
use crate::tasks::counted;

const TARGET: (&str, &str, &str) = ("TasksFunction", TRANSACT, "TasksTable");

/// The tasks of a caller.
async fn tasks(stack: &TestStack, caller: &Caller) -> Vec<Value> {
    let page = stack.get("/tasks?status=all", Some(caller)).await.expect(200);
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_task_is_created_changed_and_completed_with_its_number_or_not_at_all() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let user = me(&stack, &caller).await;
        let is_done = moment == Failure::HeldAfter;
        let new = json!({"title": "Close the books"});
        let create = || post(&stack, "/tasks", Some(&caller), &new);
        cut(&stack, moment, TARGET, create()).await;
        assert_eq!(tasks(&stack, &caller).await.len(), usize::from(is_done), "{moment:?}");
        assert_eq!(events(&stack, "task.created", "success").await, usize::from(is_done));
        // The client sends the request again. In either case it has one task.
        let task = stack.send(create()).await.expect(201);
        assert_eq!(tasks(&stack, &caller).await, std::slice::from_ref(&task), "{moment:?}");
        assert_eq!(counted(&stack, &user).await, "1");

        let path = format!("/tasks/{}", task["id"].as_str().unwrap());
        let change = || {
            let request = stack.request(Method::PATCH, &path).bearer_auth(&caller.access);
            request.header("if-match", "\"1\"").json(&json!({"title": "Close May"}))
        };
        cut(&stack, moment, TARGET, change()).await;
        // The version tells a client that retries whether its change was made.
        assert_eq!(stack.send(change()).await.status, if is_done { 412 } else { 200 });
        assert_eq!(tasks(&stack, &caller).await[0]["version"], 2, "{moment:?}");

        let complete = format!("{path}/complete");
        let complete = || post(&stack, &complete, Some(&caller), &json!({}));
        cut(&stack, moment, TARGET, complete()).await;
        assert_eq!(counted(&stack, &user).await, if is_done { "0" } else { "1" }, "{moment:?}");
        let done = stack.send(complete()).await.expect(200);
        assert_eq!((&done["status"], &done["version"]), (&json!("completed"), &json!(3)));
        assert_eq!(counted(&stack, &user).await, "0", "{moment:?}");
        let told = stack.events(&stack.admin().await, "task.completed").await;
        let first = told.iter().filter(|event| event["detail"]["repeated"].is_null()).count();
        assert_eq!(first, 1, "{moment:?}");
    }
}

#[tokio::test]
async fn a_task_whose_deletion_is_cut_is_there_and_counted_or_neither() {
    for moment in MOMENTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let user = me(&stack, &caller).await;
        let new = json!({"title": "Close the books"});
        let task = stack.post("/tasks", Some(&caller), &new).await.expect(201);
        let path = format!("/tasks/{}", task["id"].as_str().unwrap());
        let delete = || stack.request(Method::DELETE, &path).bearer_auth(&caller.access);
        cut(&stack, moment, TARGET, delete()).await;
        let is_done = moment == Failure::HeldAfter;
        assert_eq!(counted(&stack, &user).await, if is_done { "0" } else { "1" }, "{moment:?}");
        assert_eq!(stack.send(delete()).await.status, if is_done { 404 } else { 204 });
        assert_eq!(counted(&stack, &user).await, "0", "{moment:?}");
        assert_eq!(events(&stack, "task.deleted", "success").await, 1, "{moment:?}");
    }
}
