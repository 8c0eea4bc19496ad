//! Parts that fail. A refused request has no effect, other requests go on, and no effect happens
//! twice.

use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use platform::routes::{Access, ROUTES, Route};
use serde_json::{Value, json};
use tally_local::aws::{Failure, Fault, Service};
use tally_tests::fake_tenant::{FakeTenant, Person};
use tally_tests::{Answer, Caller, TestStack};

use crate::chat::FAST;
use crate::coverage;

/// The failure lasts until the test ends it.
const FOR_EVER: usize = usize::MAX;

const PASSWORD: &str = "Correct-Horse-9";

fn registration(username: &str) -> Value {
    json!({"username": username, "email": format!("{username}@example.com"), "password": PASSWORD})
}

async fn register(stack: &TestStack, username: &str) -> Answer {
    stack.post("/auth/register", None, &registration(username)).await
}

async fn login(stack: &TestStack, username: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": username, "password": password})).await
}

async fn refresh(stack: &TestStack, token: &Value) -> Answer {
    stack.post("/auth/refresh", None, &json!({"refresh_token": token})).await
}

async fn chat(stack: &TestStack, caller: &Caller) -> Answer {
    stack.post("/chat", Some(caller), &json!({"message": "Hello"})).await
}

/// Number of events of an action that the request of this answer has left.
async fn left(stack: &TestStack, action: &str, answer: &Answer) -> usize {
    let auditor = stack.admin().await;
    let path = format!("/audit?action={action}&request_id={}", answer.header("x-request-id"));
    stack.get(&path, Some(&auditor)).await.expect(200)["items"].as_array().unwrap().len()
}

#[tokio::test]
async fn without_limits_passwords_and_tokens_are_not_tried_and_the_rest_goes_on() {
    for failure in [Failure::Internal, Failure::Throttled] {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        stack.fail("LimitsTable", Some("UpdateItem"), failure, FOR_EVER);
        let refused = [
            register(&stack, "unlucky").await,
            login(&stack, "demo", "SecureDemo123!").await,
            login(&stack, "demo", "wrong").await,
            refresh(&stack, &caller.refresh.as_str().into()).await,
        ];
        for answer in &refused {
            answer.problem(503, "unavailable");
        }
        chat(&stack, &caller).await.expect(200);
        socket.ask(&json!({"action": "ping"}), "pong").await;
        stack.get("/profits", Some(&caller)).await.expect(200);
        // A denial that can't be counted is still a denial.
        stack.get("/audit", Some(&caller)).await.problem(403, "forbidden");

        stack.local.aws().recover();
        register(&stack, "unlucky").await.expect(201);
        // The refused token has not been spent.
        refresh(&stack, &caller.refresh.as_str().into()).await.expect(200);
    }
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    for failure in [Failure::Internal, Failure::Throttled] {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let sessions = [stack.demo().await, stack.demo().await, stack.demo().await];
        stack.fail("AuditTable", None, failure, FOR_EVER);
        let token: Value = caller.refresh.as_str().into();
        let refused = [
            register(&stack, "unrecorded").await,
            login(&stack, "demo", "SecureDemo123!").await,
            refresh(&stack, &token).await,
            stack.post("/auth/ws-ticket", Some(&caller), &json!({})).await,
            stack.post("/auth/logout", Some(&caller), &json!({})).await,
            stack.get("/profits", Some(&caller)).await,
            chat(&stack, &caller).await,
        ];
        let connection = stack
            .handshake("", &[("authorization", &format!("Bearer {}", caller.access))])
            .await
            .err()
            .unwrap();
        assert_eq!(
            (connection.status, &connection.body["code"]),
            (503, &"unavailable".into()),
            "{connection:?}"
        );

        stack.local.aws().recover();
        let auditor = stack.admin().await;
        for answer in &refused {
            answer.problem(503, "unavailable");
            let path = format!("/audit?request_id={}", answer.header("x-request-id"));
            assert_eq!(
                stack.get(&path, Some(&auditor)).await.expect(200)["items"],
                json!([]),
                "{answer:?}"
            );
        }
        // The account was not made. The oldest session, the token and the last session are still valid.
        register(&stack, "unrecorded").await.expect(201);
        refresh(&stack, &sessions[0].refresh.as_str().into()).await.expect(200);
        refresh(&stack, &token).await.expect(200);
        chat(&stack, &caller).await.expect(200);
        assert_eq!(stack.events(&auditor, "chat.message").await.len(), 1);
    }
}

#[tokio::test]
async fn a_denial_keeps_its_status_when_it_cannot_be_recorded() {
    let stack =
        TestStack::with(&[("RateLimits", "login=2/1h,login_lock=100000/1m,*=100000/1m")]).await;
    let caller = stack.demo().await;
    stack.fail("AuditTable", None, Failure::Internal, FOR_EVER);
    stack.get("/audit", Some(&caller)).await.problem(403, "forbidden");
    stack.get("/audit", None).await.problem(401, "unauthenticated");
    let stranger = Caller { access: "not.a.token".into(), ..caller };
    stack.get("/profits", Some(&stranger)).await.problem(401, "invalid_token");
    login(&stack, "demo", "wrong").await.problem(401, "invalid_credentials");
    login(&stack, "demo", "wrong").await.problem(429, "rate_limited");
    refresh(&stack, &"not.a.token".into()).await.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn a_transaction_that_collides_is_tried_again() {
    for times in [1, 11] {
        let stack = TestStack::with(&FAST).await;
        let collide = |table| {
            stack.fail(table, Some("TransactWriteItems"), Failure::TransactionConflict, times);
        };
        collide("UsersTable");
        let colliding = register(&stack, "patient").await;
        colliding.expect(201);
        assert_eq!(left(&stack, "auth.register", &colliding).await, 1);
        let earlier =
            [login(&stack, "patient", PASSWORD).await, login(&stack, "patient", PASSWORD).await];
        collide("SessionsTable");
        let colliding = login(&stack, "patient", PASSWORD).await;
        let token = colliding.expect(200)["refresh_token"].clone();
        assert_eq!(left(&stack, "auth.login", &colliding).await, 1);
        // The login made one session, not one for each attempt: the first of the three allowed ones
        // is still there.
        refresh(&stack, &earlier[0].expect(200)["refresh_token"]).await.expect(200);
        collide("SessionsTable");
        let colliding = refresh(&stack, &token).await;
        assert_ne!(colliding.expect(200)["refresh_token"], token);
        assert_eq!(left(&stack, "auth.refresh", &colliding).await, 1);
    }
}

#[tokio::test]
async fn a_write_that_collides_with_a_transaction_is_tried_again() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let collide =
        |table, operation| stack.fail(table, Some(operation), Failure::TransactionConflict, 4);
    // A request needs its counter, and a read needs its event. So both are retried.
    collide("LimitsTable", "UpdateItem");
    register(&stack, "counted").await.expect(201);
    collide("AuditTable", "PutItem");
    stack.get("/profits", Some(&caller)).await.expect(200);
}

#[tokio::test]
async fn a_transaction_that_goes_on_colliding_is_given_up_with_nothing_written() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let sessions = [stack.demo().await, stack.demo().await, stack.demo().await];
    stack.fail("AuditTable", Some("TransactWriteItems"), Failure::TransactionConflict, FOR_EVER);
    let answers = [
        register(&stack, "colliding").await,
        login(&stack, "demo", "SecureDemo123!").await,
        refresh(&stack, &caller.refresh.as_str().into()).await,
        chat(&stack, &caller).await,
    ];
    stack.local.aws().recover();
    for (answer, action) in
        answers.iter().zip(["auth.register", "auth.login", "auth.refresh", "chat.requested"])
    {
        answer.problem(503, "unavailable");
        assert_eq!(left(&stack, action, answer).await, 0, "{action}");
    }
    register(&stack, "colliding").await.expect(201);
    refresh(&stack, &sessions[0].refresh.as_str().into()).await.expect(200);
    refresh(&stack, &caller.refresh.as_str().into()).await.expect(200);
}

#[tokio::test]
async fn where_the_database_is_silent_a_function_says_so_before_it_is_ended() {
    let tenant = FakeTenant::start();
    let stack = TestStack::with_sso(&tenant, &FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let token = format!("019a0000-0000-7000-8000-000000000000.{}", "A".repeat(43));
    let sent = |route: &Route| -> Option<Value> {
        Some(match route.key().as_str() {
            "POST /auth/register" => registration("silent"),
            "POST /auth/login" => json!({"username": "demo", "password": "SecureDemo123!"}),
            "POST /auth/refresh" => json!({"refresh_token": caller.refresh}),
            "POST /auth/token" => {
                json!({"grant_type": "refresh_token", "refresh_token": caller.refresh})
            }
            "POST /auth/revoke" => json!({"token": caller.access}),
            "POST /auth/sso" => json!({"token": tenant.token(&Person::new("silent"))}),
            "POST /auth/password/forgot" | "POST /auth/email/resend" => {
                json!({"email": "demo@example.com"})
            }
            "POST /auth/password/reset" => json!({"token": token, "new_password": PASSWORD}),
            "POST /auth/email/verify" => json!({"token": token}),
            // The caller is checked before the body.
            _ if route.access != Access::Public => json!({}),
            _ => return None,
        })
    };
    stack.local.aws().fail(Fault {
        service: Service::DynamoDb,
        operation: None,
        target: None,
        failure: Failure::HeldBefore,
        times: FOR_EVER,
    });
    let asked = ROUTES
        .iter()
        .filter(|route| !matches!(route.access, Access::Key | Access::AnyKey))
        .filter_map(|route| Some((*route, sent(route)?)));
    let answers = stream::iter(asked).map(async |(route, body)| {
        let path = route.path.split('/').map(|part| {
            if part.starts_with('{') { "019a0000-0000-7000-8000-000000000000" } else { part }
        });
        let mut path = path.collect::<Vec<_>>().join("/");
        if path == "/profits/summary" {
            path.push_str("?group_by=company");
        }
        let known = (route.access != Access::Public).then_some(&caller);
        let body = Some(body).filter(|_| route.method != "GET");
        (
            route,
            stack
                .send(coverage::request(
                    &stack,
                    route.method.parse().unwrap(),
                    &path,
                    known,
                    body.as_ref(),
                ))
                .await,
        )
    });
    let answers: Vec<_> = answers.buffer_unordered(8).collect().await;
    assert!(answers.len() > 30, "{}", answers.len());
    for (route, answer) in answers {
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (503, &json!("unavailable")),
            "{}: {answer:?}",
            route.key()
        );
    }
    // A message needs its connection, and the connection's session.
    socket.send(&json!({"action": "ping", "id": "7"})).await;
    let error = socket.next_within(Duration::from_mins(1)).await.unwrap().unwrap();
    assert_eq!(
        (&error["type"], &error["code"], &error["id"]),
        (&json!("error"), &json!("unavailable"), &json!("7")),
        "{error}"
    );
    stack.local.aws().recover();
    socket.ask(&json!({"action": "ping"}), "pong").await;
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_not_made_again() {
    let stack = TestStack::with(&FAST).await;
    let lose = |table| stack.fail(table, Some("TransactWriteItems"), Failure::AnswerLost, 2);
    lose("UsersTable");
    // It does not answer 409 for the account that the same request has made.
    let answer = register(&stack, "unheard").await;
    answer.expect(201);
    assert_eq!(left(&stack, "auth.register", &answer).await, 1);
    let earlier =
        [login(&stack, "unheard", PASSWORD).await, login(&stack, "unheard", PASSWORD).await];
    lose("SessionsTable");
    let answer = login(&stack, "unheard", PASSWORD).await;
    let token = answer.expect(200)["refresh_token"].clone();
    assert_eq!(left(&stack, "auth.login", &answer).await, 1);
    refresh(&stack, &earlier[0].expect(200)["refresh_token"]).await.expect(200);
    lose("SessionsTable");
    let answer = refresh(&stack, &token).await;
    let next = answer.expect(200)["refresh_token"].clone();
    assert_eq!(left(&stack, "auth.refresh", &answer).await, 1);
    refresh(&stack, &next).await.expect(200);
    let caller = stack.demo().await;
    lose("MessagesTable");
    let answer = chat(&stack, &caller).await;
    answer.expect(200);
    assert_eq!(left(&stack, "chat.requested", &answer).await, 1);
    assert_eq!(left(&stack, "chat.message", &answer).await, 1);
}
