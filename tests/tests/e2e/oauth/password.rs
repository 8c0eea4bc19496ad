//! The password grant at the token endpoint: a login in RFC 6749's terms.

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Caller, World};

use super::{form, password_grant, refresh_token};
use crate::users::user_id;

const DEMO: &str = "SecureDemo123!";

#[tokio::test]
async fn a_password_grant_signs_in_as_a_login_does() {
    let world = World::start().await;
    let admin = world.admin().await;
    let before = world.events(&admin, "auth.login").await.len();
    let fields = [("grant_type", "password"), ("username", "DEMO@example.com"), ("password", DEMO), ("client_id", "excel"), ("scope", "a")];
    let request = world.request(Method::POST, "/auth/token").basic_auth("excel", Some(""));
    let answer = world.send(request.form(&fields)).await;
    let pair = answer.expect(200);
    assert_eq!((&pair["token_type"], &pair["expires_in"]), (&json!("bearer"), &json!(900)));
    assert_eq!(answer.header("cache-control"), "no-store");
    let text = |name: &str| pair[name].as_str().unwrap().to_owned();
    let caller = Caller { username: "demo".into(), access: text("access_token"), refresh: text("refresh_token") };
    assert_eq!(world.get("/auth/me", Some(&caller)).await.expect(200)["user"]["username"], "demo");
    let events = world.events(&admin, "auth.login").await;
    assert_eq!(events.len(), before + 1);
    let event = &events[before];
    assert_eq!((&event["outcome"], &event["actor"]["username"]), (&json!("success"), &json!("demo")));
    assert_eq!(event["request_id"], answer.header("x-request-id"));
    assert_eq!(world.events(&admin, "auth.refresh").await, Vec::<Value>::new());

    // A user has three sessions at most, from any kind of login. So the first has ended.
    for _ in 0..2 {
        world.demo().await;
    }
    password_grant(&world, "demo", DEMO).await.expect(200);
    form(&world, "/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&pair))])
        .await
        .problem(400, "invalid_grant");
}

#[tokio::test]
async fn whoever_does_not_get_in_is_told_one_thing() {
    let world = World::start().await;
    let admin = world.admin().await;
    let account = format!("/users/{}", user_id(&world, "demo").await);
    let someone = world.someone().await;
    let deactivate = world.request(Method::PATCH, &account).bearer_auth(&admin.access).json(&json!({"is_active": false}));
    world.send(deactivate).await.expect(200);
    let mut answers = Vec::new();
    for (username, password) in [("demo", DEMO), (someone.username.as_str(), "wrong"), ("nobody", "wrong"), ("no name at all", DEMO)] {
        let answer = password_grant(&world, username, password).await;
        let mut problem = answer.problem(400, "invalid_grant");
        assert_eq!((&problem["error"], &problem["error_description"]), (&json!("invalid_grant"), &problem["detail"]));
        problem["request_id"] = Value::Null;
        answers.push(problem);
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let events = world.events(&admin, "auth.login").await;
    let failures: Vec<_> = events.iter().filter(|event| event["outcome"] == "failure").collect();
    assert_eq!(failures.len(), 4);
    assert!(failures.iter().all(|event| event["detail"]["identifier_hmac"].is_string() && !event.to_string().contains("no name")));
    assert_eq!(world.events(&admin, "auth.refresh").await, Vec::<Value>::new());
}

#[tokio::test]
async fn one_cannot_guess_more_often_by_guessing_in_two_places() {
    let world = World::with(&[("RateLimits", "login_lock=4/1m,*=100000/1m")]).await;
    let login = async |password: &str| world.post("/auth/login", None, &json!({"username": "demo", "password": password})).await;
    for _ in 0..2 {
        login("wrong").await.problem(401, "invalid_credentials");
        password_grant(&world, "Demo", "wrong").await.problem(400, "invalid_grant");
    }
    let locked = password_grant(&world, "demo", DEMO).await;
    locked.problem(429, "rate_limited");
    assert!((58..=60).contains(&locked.header("retry-after").parse::<u64>().unwrap()), "{locked:?}");
    login(DEMO).await.problem(429, "rate_limited");
    let admin = world.admin().await;
    assert_eq!(world.events(&admin, "auth.locked").await.len(), 1);

    // Each grant counts under its own limits only.
    let signed_in = password_grant(&world, "demo@example.com", DEMO).await;
    assert_eq!(names(signed_in.header("ratelimit-policy")), ["login", "login_lock", "login_address"]);
    let pair = signed_in.expect(200);
    let refreshed = form(&world, "/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", refresh_token(&pair))]).await;
    assert_eq!(names(refreshed.header("ratelimit-policy")), ["refresh", "refresh_address"]);
}

/// The policies of a `RateLimit-Policy` field.
fn names(policies: &str) -> Vec<&str> {
    policies.split('"').skip(1).step_by(2).collect()
}

#[tokio::test]
async fn where_it_is_off_it_is_no_grant_and_looks_at_no_password() {
    let world = World::with(&[("PasswordGrant", "off"), ("RateLimits", "*=100000/1m")]).await;
    for password in [DEMO, "wrong"] {
        let refused = password_grant(&world, "demo", password).await;
        refused.problem(400, "unsupported_grant_type");
    }
    let admin = world.admin().await;
    assert_eq!(world.events(&admin, "auth.login").await.len(), 1, "the administrator's own");
}

#[tokio::test]
async fn a_password_grant_that_is_no_such_thing_is_an_invalid_request() {
    let world = World::start().await;
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
        let problem = form(&world, "/auth/token", fields).await.problem(400, "invalid_request");
        assert_eq!(problem["error"], "invalid_request", "{fields:?}");
        assert!(!problem.to_string().contains(DEMO));
    }
    // A refresh token beside a password is ignored.
    let fields = [grant, ("username", "demo"), ("password", DEMO), ("refresh_token", "x")];
    form(&world, "/auth/token", &fields).await.expect(200);
    let in_a_url = world.request(Method::POST, &format!("/auth/token?grant_type=password&username=demo&password={DEMO}"));
    world.send(in_a_url.form(&[grant])).await.problem(400, "invalid_request");
}
