//! `Idempotency-Key`: a request that is sent again does not create a second result.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Answer, Caller, TestStack};

use crate::api_keys::new_key;
use crate::chat::FAST;

async fn post(
    stack: &TestStack,
    path: &str,
    caller: Option<&Caller>,
    body: &Value,
    key: &str,
) -> Answer {
    let request = stack.request(Method::POST, path).header("idempotency-key", key).json(body);
    stack
        .send(
            caller.into_iter().fold(request, |request, caller| request.bearer_auth(&caller.access)),
        )
        .await
}

fn registration(username: &str) -> Value {
    json!({
        "username": username, "email": format!("{username}@example.com"),
        "password": "Correct-Horse-9",
    })
}

#[tokio::test]
async fn a_registration_that_is_sent_again_is_answered_with_the_same_account() {
    let stack = TestStack::start().await;
    let body = registration("again");
    let first = post(&stack, "/auth/register", None, &body, "k-1").await.expect(201);
    assert_eq!(post(&stack, "/auth/register", None, &body, "k-1").await.expect(201), first);
    // Without the key, it counts as a second account with the same name.
    stack.post("/auth/register", None, &body).await.problem(409, "account_exists");
    post(&stack, "/auth/register", None, &body, "k-2").await.problem(409, "account_exists");
    post(&stack, "/auth/register", None, &registration("another"), "k-1")
        .await
        .problem(422, "idempotency_key_reused");
    // Failures are not remembered.
    post(&stack, "/auth/register", None, &registration("another"), "k-2").await.expect(201);
}

#[tokio::test]
async fn of_twenty_at_once_with_one_key_one_creates() {
    let stack = TestStack::start().await;
    let body = registration("twenty");
    let answers = join_all((0..20).map(|_| post(&stack, "/auth/register", None, &body, "k"))).await;
    let ids: BTreeSet<_> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json()["user"]["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let code = answer.json()["code"].as_str().unwrap().to_owned();
        assert!(["request_in_flight", "account_exists"].contains(&code.as_str()), "{answer:?}");
    }
    post(&stack, "/auth/register", None, &body, "k").await.expect(201);
}

#[tokio::test]
async fn a_key_belongs_to_its_caller_and_route() {
    let stack = TestStack::with(&FAST).await;
    let demo = stack.demo().await;
    let admin = stack.admin().await;
    let body = json!({"message": "Hello"});
    let first = post(&stack, "/chat", Some(&demo), &body, "k").await.expect(200);
    assert_eq!(post(&stack, "/chat", Some(&demo), &body, "k").await.expect(200), first);
    let other = post(&stack, "/chat", Some(&admin), &body, "k").await.expect(200);
    assert_ne!(other["message_id"], first["message_id"]);
    let key = new_key(&["profits:read"], Duration::from_hours(1));
    post(&stack, "/api-keys", Some(&demo), &key, "k").await.expect(201);
}

#[tokio::test]
async fn a_reply_that_is_asked_for_again_is_not_written_again() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let ask = || async {
        let request = stack
            .request(Method::POST, "/chat")
            .header("idempotency-key", "k")
            .header("prefer", "respond-async");
        stack.send(request.bearer_auth(&demo.access).json(&json!({"message": "Hello"}))).await
    };
    let first = ask().await;
    let first = (first.expect(202), first.header("location").to_owned());
    let again = ask().await;
    assert_eq!(again.json()["message_id"], first.0["message_id"], "{again:?}");
    // This request waits for the reply.
    let whole =
        post(&stack, "/chat", Some(&demo), &json!({"message": "Hello"}), "k").await.expect(200);
    let message = stack.get(&first.1, Some(&demo)).await.expect(200);
    assert_eq!((&whole["reply"], &message["status"]), (&message["text"], &json!("completed")));
}

#[tokio::test]
async fn a_secret_is_not_shown_again() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let body = new_key(&["profits:read"], Duration::from_hours(1));
    post(&stack, "/api-keys", Some(&demo), &body, "k").await.expect(201);
    post(&stack, "/api-keys", Some(&demo), &body, "k").await.problem(409, "secret_already_shown");
    assert_eq!(
        stack.get("/api-keys", Some(&demo)).await.expect(200)["items"].as_array().unwrap().len(),
        1
    );
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_found_again() {
    let stack = TestStack::start().await;
    let body = registration("lost");
    stack.fail("UsersTable", Some("TransactWriteItems"), Failure::Internal, 3);
    let first = post(&stack, "/auth/register", None, &body, "k").await;
    assert!(matches!(first.status, 201 | 503), "{first:?}");
    stack.local.aws().recover();
    stack.fail("UsersTable", Some("TransactWriteItems"), Failure::AnswerLost, 10);
    let second = post(&stack, "/auth/register", None, &body, "k").await;
    stack.local.aws().recover();
    let third = post(&stack, "/auth/register", None, &body, "k").await.expect(201);
    for earlier in [first, second].iter().filter(|answer| answer.status == 201) {
        assert_eq!(earlier.json(), third);
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_a_400() {
    let stack = TestStack::start().await;
    for key in ["", &"x".repeat(129), "a\tb"] {
        post(&stack, "/auth/register", None, &registration("nokey"), key)
            .await
            .problem(400, "malformed_request");
    }
}
