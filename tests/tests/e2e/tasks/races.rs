//! Callers who create, change, complete and delete tasks at once, and requests that are sent again.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, TestStack, id};

use super::{complete, counted, due, if_match, listed, path};
use crate::access::me;

/// Stores that a user has so many open tasks.
async fn count(stack: &TestStack, user_id: &str, open: usize) {
    let item = json!({
        "user_id": {"S": user_id}, "id": {"S": "#count"}, "open_tasks": {"N": open.to_string()},
    });
    stack.put_item("TasksTable", &item).await;
}

/// The statuses of answers, sorted.
fn statuses(answers: &[Answer]) -> Vec<u16> {
    let mut statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses
}

#[tokio::test]
async fn of_many_who_complete_a_task_at_once_one_does() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let user = me(&stack, &caller).await;
    for round in 0..3 {
        let task = due(&stack, &caller, "Once", None).await;
        due(&stack, &caller, "Open", None).await;
        let answers = join_all((0..10).map(|_| complete(&stack, &caller, &task))).await;
        let done = answers[0].expect(200);
        assert_eq!(done["version"], 2);
        for answer in &answers {
            assert_eq!(answer.expect(200), done);
        }
        assert_eq!(counted(&stack, &user).await, (round + 1).to_string());
        let events = stack.events(&admin, "task.completed").await;
        let first = |event: &&Value| event["detail"]["repeated"].is_null();
        assert_eq!(
            (events.iter().filter(first).count(), events.len()),
            (round + 1, 10 * (round + 1))
        );
    }
}

#[tokio::test]
async fn a_task_that_is_completed_and_deleted_at_once_counts_no_longer() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let user = me(&stack, &caller).await;
    for _ in 0..10 {
        let task = due(&stack, &caller, "Twice", None).await;
        let (path, body) = (path(&task), json!({"title": "Thrice"}));
        let (completed, deleted, changed) = futures_util::join!(
            complete(&stack, &caller, &task),
            stack.delete(&path, Some(&caller)),
            stack.call(Method::PATCH, &path, &caller, &body),
        );
        deleted.expect(204);
        for answer in [completed, changed] {
            assert!([200, 404].contains(&answer.status), "{answer:?}");
        }
        assert_eq!(counted(&stack, &user).await, "0");
        assert_eq!(listed(&stack, &caller, "status=all", 20).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn changes_at_once_are_all_made_unless_they_are_for_one_version() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let task = due(&stack, &caller, "x", None).await;
    let bodies =
        [json!({"title": "y"}), json!({"description": "z"}), json!({"due_date": "2026-06-05"})];
    let path = path(&task);
    let changes = bodies.iter().map(|body| stack.call(Method::PATCH, &path, &caller, body));
    assert_eq!(statuses(&join_all(changes).await), [200, 200, 200]);
    let all = stack.get(&path, Some(&caller)).await.expect(200);
    assert_eq!(
        (&all["title"], &all["description"], &all["due_date"], &all["version"]),
        (&json!("y"), &json!("z"), &json!("2026-06-05"), &json!(4))
    );
    let body = json!({"title": "One wins"});
    let changes =
        (0..5).map(|_| if_match(&stack, &caller, (Method::PATCH, &task), "\"4\"", Some(&body)));
    assert_eq!(statuses(&join_all(changes).await), [200, 412, 412, 412, 412]);
}

#[tokio::test]
async fn a_user_has_at_most_1_000_open_tasks_also_if_they_are_created_at_once() {
    let stack = TestStack::start().await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let user = me(&stack, &caller).await;
    let kept = due(&stack, &caller, "Kept", None).await;
    count(&stack, &user, 999).await;
    let body = json!({"title": "The last one"});
    let new = || stack.post("/tasks", Some(&caller), &body);
    let answers = join_all((0..20).map(|_| new())).await;
    assert_eq!(statuses(&answers), [vec![201], vec![409; 19]].concat());
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.problem(409, "task_limit");
    }
    assert_eq!(counted(&stack, &user).await, "1000");
    assert_eq!(listed(&stack, &caller, "status=all", 20).await.len(), 2);
    let events = stack.events(&admin, "task.created").await;
    let failed = events.iter().filter(|event| event["outcome"] == "failure").count();
    assert_eq!((failed, events.len()), (19, 21));
    // A completed task makes room, and so does a deleted one.
    complete(&stack, &caller, &kept).await.expect(200);
    let last = new().await.expect(201);
    new().await.problem(409, "task_limit");
    stack.delete(&path(&last), Some(&caller)).await.expect(204);
    new().await.expect(201);
    // The end of a completed task makes none.
    stack.delete(&path(&kept), Some(&caller)).await.expect(204);
    new().await.problem(409, "task_limit");
    assert_eq!(counted(&stack, &user).await, "1000");
}

#[tokio::test]
async fn a_task_that_is_sent_again_is_created_once() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let send = async |key: &str, title: &str| {
        let request = stack.request(Method::POST, "/tasks").bearer_auth(&caller.access);
        stack.send(request.header("idempotency-key", key).json(&json!({"title": title}))).await
    };
    let first = send("k", "Once").await.expect(201);
    let change = json!({"title": "Changed since"});
    stack.call(Method::PATCH, &path(&first), &caller, &change).await.expect(200);
    // The answer has the task as it is now.
    let again = send("k", "Once").await;
    let task = again.expect(201);
    assert_eq!((&task["id"], &task["title"]), (&first["id"], &change["title"]));
    assert_eq!((again.header("etag"), again.header("location")), ("\"2\"", path(&first).as_str()));
    send("k", "Another").await.problem(422, "idempotency_key_reused");
    let answers = join_all((0..10).map(|_| send("many", "Once too"))).await;
    let created = answers.iter().filter(|answer| answer.status == 201);
    let ids: BTreeSet<_> = created.map(|answer| id(&answer.json())).collect();
    assert_eq!(ids.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.problem(409, "request_in_flight");
    }
    assert_eq!(counted(&stack, &me(&stack, &caller).await).await, "2");
    stack.delete(&path(&first), Some(&caller)).await.expect(204);
    send("k", "Once").await.problem(404, "not_found");
}
