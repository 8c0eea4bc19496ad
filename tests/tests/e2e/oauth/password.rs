//! The password grant at the token endpoint: a login in RFC 6749's terms.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, TestStack};

use super::{form, password_grant, refresh_token};
use crate::users::user_id;

const DEMO: &str = "SecureDemo123!";

#[tokio::test]
async fn a_password_grant_signs_in_as_a_login_does() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let before = stack.events(&admin, "auth.login").await.len();
    let fields = [
        ("grant_type", "password"),
        ("username", "DEMO@example.com"),
        ("password", DEMO),
        ("client_id", "excel"),
        ("scope", "a"),
    ];
    let request = stack.request(Method::POST, "/auth/token").basic_auth("excel", Some(""));
    let answer = stack.send(request.form(&fields)).await;
    let pair = answer.expect(200);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("bearer"), &json!(900)));
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    let caller = Caller {
        username: "demo".into(),
        access: text("access_token"),
        refresh: text("refresh_token"),
    };
    assert_eq!(stack.get("/auth/me", Some(&caller)).await.expect(200)["user"]["username"], "demo");
    let events = stack.events(&admin, "auth.login").await;
    assert_eq!(events.len(), before + 1);
    let event = &events[before];
    assert_eq!(
        (&event["outcome"], &event["actor"]["username"]),
        (&json!("success"), &json!("demo"))
    );
    assert_eq!(event["request_id"], answer.header("x-request-id"));
    assert_eq!(stack.events(&admin, "auth.refresh").await, Vec::<Value>::new());

    // A user has three sessions at most, from any kind of login. So the first has ended.
    for _ in 0..2 {
        stack.demo().await;
    }
    password_grant(&stack, "demo", DEMO).await.expect(200);
    form(
        &stack,
        "/auth/token",
        &[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&pair))],
    )
    .await
    .problem(400, "invalid_grant");
}

#[tokio::test]
async fn every_failed_password_grant_gets_one_answer() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let account = format!("/users/{}", user_id(&stack, "demo").await);
    let someone = stack.someone().await;
    let deactivate = stack
        .request(Method::PATCH, &account)
        .bearer_auth(&admin.access)
        .json(&json!({"is_active": false}));
    stack.send(deactivate).await.expect(200);
    let mut answers = Vec::new();
    for (username, password) in [
        ("demo", DEMO),
        (someone.username.as_str(), "wrong"),
        ("nobody", "wrong"),
        ("no name at all", DEMO),
    ] {
        let answer = password_grant(&stack, username, password).await;
        let mut problem = answer.problem(400, "invalid_grant");
        assert_eq!(
            (&problem["error"], &problem["error_description"]),
            (&json!("invalid_grant"), &problem["detail"])
        );
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let events = stack.events(&admin, "auth.login").await;
    let failures: Vec<_> = events.iter().filter(|event| event["outcome"] == "failure").collect();
    assert_eq!(failures.len(), 4);
    assert!(failures.iter().all(|event| event["detail"]["identifier_hmac"].is_string()
        && !event.to_string().contains("no name")));
    assert_eq!(stack.events(&admin, "auth.refresh").await, Vec::<Value>::new());
}

#[tokio::test]
async fn one_cannot_guess_more_often_by_guessing_in_two_places() {
    let stack = TestStack::with(&[("RateLimits", "login_lock=4/1m,*=100000/1m")]).await;
    let login = async |password: &str| {
        stack.post("/auth/login", None, &json!({"username": "demo", "password": password})).await
    };
    for _ in 0..2 {
        login("wrong").await.problem(401, "invalid_credentials");
        password_grant(&stack, "Demo", "wrong").await.problem(400, "invalid_grant");
    }
    let locked = password_grant(&stack, "demo", DEMO).await;
    locked.problem(429, "rate_limited");
    assert!(
        (58..=60).contains(&locked.header("retry-after").parse::<u64>().unwrap()),
        "{locked:?}"
    );
    login(DEMO).await.problem(429, "rate_limited");
    let admin = stack.admin().await;
    assert_eq!(stack.events(&admin, "auth.locked").await.len(), 1);

    // Each grant counts under its own limits only.
    let signed_in = password_grant(&stack, "demo@example.com", DEMO).await;
    assert_eq!(
        names(signed_in.header("ratelimit-policy")),
        ["login", "login_lock", "login_address"]
    );
    let pair = signed_in.expect(200);
    let refreshed = form(
        &stack,
        "/auth/token",
        &[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&pair))],
    )
    .await;
    assert_eq!(names(refreshed.header("ratelimit-policy")), ["refresh", "refresh_address"]);
}

/// The policies of a `RateLimit-Policy` field.
fn names(policies: &str) -> Vec<&str> {
    policies.split('"').skip(1).step_by(2).collect()
}

#[tokio::test]
async fn where_it_is_off_it_is_no_grant_and_looks_at_no_password() {
    let stack = TestStack::with(&[("PasswordGrant", "off"), ("RateLimits", "*=100000/1m")]).await;
    for password in [DEMO, "wrong"] {
        let refused = password_grant(&stack, "demo", password).await;
        refused.problem(400, "unsupported_grant_type");
    }
    let admin = stack.admin().await;
    assert_eq!(stack.events(&admin, "auth.login").await.len(), 1, "the administrator's own");
}

#[tokio::test]
async fn a_password_grant_that_is_no_such_thing_is_an_invalid_request() {
    let stack = TestStack::start().await;
    let grant = ("grant_type", "password");
    for fields in [
        &[grant][..],
        &[grant, ("username", "demo")],
        &[grant, ("password", DEMO)],
        &[grant, ("username", "demo"), ("username", "admin"), ("password", DEMO)],
        &[grant, grant, ("username", "demo"), ("password", DEMO)],
        &[grant, ("username", "de\0mo"), ("password", DEMO)],
        &[grant, ("refresh_token", "x")],
    ] {
        let problem = form(&stack, "/auth/token", fields).await.problem(400, "invalid_request");
        assert_eq!(problem["error"], "invalid_request", "{fields:?}");
        assert!(!problem.to_string().contains(DEMO));
    }
    // A refresh token beside a password is ignored.
    let fields = [grant, ("username", "demo"), ("password", DEMO), ("refresh_token", "x")];
    form(&stack, "/auth/token", &fields).await.expect(200);
    let in_a_url = stack.request(
        Method::POST,
        &format!("/auth/token?grant_type=password&username=demo&password={DEMO}"),
    );
    stack.send(in_a_url.form(&[grant])).await.problem(400, "invalid_request");
}
