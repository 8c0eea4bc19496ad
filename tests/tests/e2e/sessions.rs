//! The list of a user's sessions, and the end of one of them.

use futures_util::future::join_all;
use http::Method;
use platform::store::{Session, Sessions};
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack, id};

const PASSWORD: &str = "Correct-Horse-9";

async fn list(stack: &TestStack, caller: &Caller) -> Vec<Value> {
    let body = stack.get("/auth/sessions", Some(caller)).await.expect(200);
    body["items"].as_array().unwrap().clone()
}

/// The id of a caller's own session.
async fn current(stack: &TestStack, caller: &Caller) -> String {
    id(list(stack, caller).await.iter().find(|session| session["current"] == true).unwrap())
}

#[tokio::test]
async fn a_user_sees_where_they_are_signed_in() {
    let stack = TestStack::start().await;
    let first = stack.someone().await;
    let elsewhere = stack.from_address([127, 0, 0, 7]);
    let login = elsewhere.request(Method::POST, "/auth/login").header("user-agent", "Excel/16");
    elsewhere
        .send(login.json(&json!({"username": first.username, "password": PASSWORD})))
        .await
        .expect(200);
    stack.demo().await;

    let sessions = list(&stack, &first).await;
    let [second, oldest] = &sessions[..] else { panic!("{sessions:?}") };
    assert_eq!((&oldest["address"], &oldest["current"]), (&json!("127.0.0.1"), &json!(true)));
    assert_eq!(
        (&second["address"], &second["user_agent"], &second["current"]),
        (&json!("127.0.0.7"), &json!("Excel/16"), &json!(false))
    );
    assert!(second["created_at"].as_str() > oldest["created_at"].as_str());
    assert_eq!(oldest["last_used_at"], oldest["created_at"]);
    assert_eq!(oldest.as_object().unwrap().len(), 6, "{oldest}");

    // A refresh counts as a use, and makes no other session.
    stack.post("/auth/refresh", None, &json!({"refresh_token": first.refresh})).await.expect(200);
    let refreshed = list(&stack, &first).await;
    assert!(refreshed[1]["last_used_at"].as_str() > oldest["last_used_at"].as_str());
    assert_eq!((&refreshed[0], &refreshed[1]["created_at"]), (second, &oldest["created_at"]));
}

#[tokio::test]
async fn a_session_that_has_run_out_is_no_more() {
    let stack = TestStack::start().await;
    let idle = stack.demo().await;
    let caller = stack.demo().await;
    let idle_id = current(&stack, &idle).await;
    let platform = stack.platform("SessionsFunction");
    let database = platform.database().unwrap();
    let now = platform.clock.now().as_second();
    let sessions = Sessions::new(&platform).unwrap();
    let session = sessions.get(&idle_id).await.unwrap().unwrap();
    let hash = session.refresh_hash.clone();
    let run_out = sessions.rotate(&Session { expires_at: now, ..session }, &hash).unwrap();
    database.commit(vec![run_out]).await.unwrap();

    let left = list(&stack, &caller).await;
    assert_eq!(left.iter().map(id).collect::<Vec<_>>(), [current(&stack, &caller).await]);
    stack.get("/auth/sessions", Some(&idle)).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_session_is_ended_once_with_its_connections() {
    let stack = TestStack::start().await;
    let lost = stack.demo().await;
    let caller = stack.demo().await;
    let auditor = stack.admin().await;
    let mut open = stack.connect(&lost).await;
    let mut kept = stack.connect(&caller).await;
    let lost_id = current(&stack, &lost).await;
    let path = format!("/auth/sessions/{lost_id}");

    let answers = join_all((0..8).map(|_| stack.delete(&path, Some(&caller)))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 204) {
        answer.problem(404, "not_found");
    }
    assert_eq!(open.next().await, None);
    stack
        .post("/auth/refresh", None, &json!({"refresh_token": lost.refresh}))
        .await
        .problem(401, "invalid_refresh_token");
    crate::realtime::assert_alive(&mut kept).await;

    let events = stack.events(&auditor, "auth.session_ended").await;
    assert!(events.iter().all(|event| event["resource"] == format!("session:{lost_id}")
        && event["actor"]["username"] == "demo"));
    assert_eq!(events.iter().filter(|event| event["outcome"] == "success").count(), 1);
    assert_eq!(events.iter().filter(|event| event["outcome"] == "failure").count(), 7);

    // The caller's session can be ended like the others.
    let own = format!("/auth/sessions/{}", current(&stack, &caller).await);
    stack.delete(&own, Some(&caller)).await.expect(204);
    assert_eq!(kept.next().await, None);
    stack.delete(&own, Some(&caller)).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn a_user_can_neither_end_nor_detect_another_users_session() {
    let stack = TestStack::start().await;
    let victim = stack.someone().await;
    let stranger = stack.demo().await;
    let theirs = format!("/auth/sessions/{}", current(&stack, &victim).await);
    let unknown = "/auth/sessions/019a0000-0000-7000-8000-000000000000";
    let attempt = async |path: &str| {
        let request = stack.request(Method::DELETE, path).bearer_auth(&stranger.access);
        let (answer, calls) = stack.round_trips(stack.send(request)).await;
        (answer.problem(404, "not_found")["detail"].clone(), calls)
    };
    assert_eq!(attempt(&theirs).await, attempt(unknown).await);
    for path in ["/auth/sessions/me", "/auth/sessions/019A0000-0000-7000-8000-000000000000"] {
        stack.delete(path, Some(&stranger)).await.problem(404, "not_found");
    }
    assert_eq!(list(&stack, &victim).await.len(), 1);
}

#[tokio::test]
async fn what_the_database_leaves_over_is_asked_for_again() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    stack.fail("SessionsTable", Some("BatchGetItem"), Failure::Unprocessed, 2);
    assert_eq!(list(&stack, &caller).await.len(), 1);
    stack.fail("SessionsTable", Some("BatchGetItem"), Failure::Unprocessed, usize::MAX);
    stack.get("/auth/sessions", Some(&caller)).await.problem(503, "unavailable");
}
