//! The limit of all calls of a user, on any route, and the counts of calls that are not admitted.

use std::time::Duration;

use http::Method;
use platform::Platform;
use platform::clock::Timestamp;
use platform::context::Context;
use platform::database::s;
use platform::fingerprinter::Fingerprinter;
use platform::gate::{RateLimiter, RequestInfo};
use platform::ids;
use platform::limits::{Key, Policy, Quota, attempt_subject, bucket_of};
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack};

use crate::api_keys::new_key;
use crate::coverage::request;

#[tokio::test]
async fn a_user_is_limited_on_every_route_and_with_every_credential() {
    // One row trusts the token, one reads the session, one needs a role, and one leaves an event of
    // a failure.
    let routes = [
        ("GET", "/auth/me"),
        ("GET", "/auth/sessions"),
        ("GET", "/users"),
        ("DELETE", "/conversations/019a0000-0000-7000-8000-000000000000"),
    ];
    for (method, path) in routes {
        let stack = TestStack::with(&[("RateLimits", "user=2/1h,*=100000/1m")]).await;
        let admin = stack.admin().await;
        let demo = stack.demo().await;
        let call = async |caller: &Caller| {
            stack
                .send(
                    stack
                        .request(method.parse::<Method>().unwrap(), path)
                        .bearer_auth(&caller.access),
                )
                .await
        };
        for _ in 0..2 {
            assert_ne!(call(&admin).await.status, 429, "{path}");
        }
        // Another session counts for the same user. Another user has a separate count.
        let again = stack.admin().await;
        for caller in [&admin, &again] {
            let refused = call(caller).await;
            refused.problem(429, "rate_limited");
            assert!(
                refused.header("ratelimit-policy").contains("\"user\";q=2;w=3600"),
                "{refused:?}"
            );
        }
        assert_ne!(call(&demo).await.status, 429, "{path}");
    }
}

#[tokio::test]
async fn a_key_counts_for_its_owner() {
    let stack = TestStack::with(&[("RateLimits", "user=3/1h,*=100000/1m")]).await;
    let demo = stack.demo().await;
    let key = stack
        .post("/api-keys", Some(&demo), &new_key(&["profits:read"], Duration::from_hours(1)))
        .await
        .expect(201);
    let read = async || {
        stack
            .send(
                stack
                    .request(Method::GET, "/profits")
                    .header("x-api-key", key["key"].as_str().unwrap()),
            )
            .await
    };
    for left in [1, 0] {
        let answer = read().await;
        answer.expect(200);
        assert!(
            answer.header("ratelimit").starts_with(&format!("\"user\";r={left};")),
            "{answer:?}"
        );
    }
    read().await.problem(429, "rate_limited");
    stack.get("/profits", Some(&demo)).await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_call_with_a_token_of_an_ended_session_is_not_counted() {
    let stack = TestStack::with(&[("RateLimits", "user=3/1h,*=100000/1m")]).await;
    let ended = stack.demo().await;
    let caller = stack.demo().await;
    stack.post("/auth/logout", Some(&ended), &json!({})).await.expect(204);
    for _ in 0..5 {
        stack.get("/auth/sessions", Some(&ended)).await.problem(401, "invalid_token");
    }
    for _ in 0..2 {
        stack.get("/auth/sessions", Some(&caller)).await.expect(200);
    }
    stack.get("/auth/sessions", Some(&caller)).await.problem(429, "rate_limited");
}

#[tokio::test]
async fn a_call_whose_caller_cannot_be_read_is_not_counted() {
    let stack = TestStack::with(&[("RateLimits", "user=2/1h,*=100000/1m")]).await;
    let admin = stack.admin().await;
    let new = new_key(&["profits:read"], Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&admin), &new).await.expect(201);
    let key = Caller { access: key["key"].as_str().unwrap().to_owned(), ..admin.clone() };
    // The session, the owner of a key, the roles.
    for (table, path, caller) in [
        ("SessionsTable", "/auth/sessions", &admin),
        ("UsersTable", "/profits", &key),
        ("UsersTable", "/users", &admin),
    ] {
        stack.fail(table, Some("GetItem"), Failure::Internal, usize::MAX);
        for _ in 0..2 {
            let call = request(&stack, Method::GET, path, Some(caller), None);
            stack.send(call).await.problem(503, "unavailable");
        }
        stack.local.aws().recover();
    }
    stack.get("/auth/sessions", Some(&admin)).await.expect(200);
    stack.get("/auth/sessions", Some(&admin)).await.problem(429, "rate_limited");
}

/// Sum of all counters in the table of limits.
async fn counted(stack: &TestStack) -> i64 {
    let mut sum = 0;
    for item in stack.items("LimitsTable").await {
        for (name, value) in item.as_object().unwrap() {
            if name.starts_with('b') {
                sum += value["N"].as_str().map_or(0, |number| number.parse().unwrap());
            }
        }
    }
    sum
}

/// Makes a counter fail, because its value is no number.
async fn spoil(platform: &Platform, policy: &Policy, quota: Quota, subject: &str, now: Timestamp) {
    let table = platform.config.require("LIMITS_TABLE").unwrap();
    let item = [
        ("subject".to_owned(), s(format!("{}#{}", policy.name, ids::sha256(subject)))),
        (format!("b{}", bucket_of(quota, now)), s("spoiled")),
    ];
    platform.database().unwrap().put(table, item.into()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_one_counter_fails_counts_for_no_other() {
    const POLICIES: [Policy; 3] = [Policy::LOGIN_ADDRESS, Policy::LOGIN, Policy::LOGIN_LOCK];
    let stack = TestStack::start().await;
    let platform = stack.platform("LoginFunction");
    let limiter = RateLimiter::new(&platform, "POST /auth/login".into()).unwrap();
    let fingerprinter = Fingerprinter::new(&platform).unwrap();
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    for spoiled in [Some(0), Some(1), Some(2), None] {
        let address = format!("203.0.113.{}", spoiled.unwrap_or(9));
        let identifier = fingerprinter.identifier(&address).await.unwrap();
        let attempt = attempt_subject(&address, &identifier);
        let counters = [
            (limiter.quota(&POLICIES[0]), address.as_str()),
            (limiter.quota(&POLICIES[1]), attempt.as_str()),
            (limiter.quota(&POLICIES[2]).anywhere(), identifier.as_str()),
        ];
        if let Some(spoiled) = spoiled {
            let (quota, subject) = counters[spoiled];
            spoil(&platform, &POLICIES[spoiled], quota, subject, now).await;
        }
        let context = Context { address: address.clone(), ..Context::default() };
        let info = RequestInfo::new(&context, now, None);
        let key = Key::Named(identifier.clone());
        let judged = limiter.limit_request(&POLICIES, None, Some(&key), None, &info).await;
        let status = judged.err().map(|refused| refused.problem.status.as_u16());
        let expected = if spoiled.is_some() { (Some(503), 0) } else { (None, 3) };
        assert_eq!((status, counted(&stack).await), expected, "{spoiled:?}");
    }
}

#[tokio::test]
async fn a_count_that_cannot_be_reverted_keeps_no_other() {
    const POLICIES: [Policy; 3] = [Policy::LOGIN_ADDRESS, Policy::MAIL_ADDRESS, Policy::MAIL_TOKEN];
    let stack = TestStack::with(&[("RateLimits", "login_address=1/1h,*=100000/1m")]).await;
    let platform = stack.platform("LoginFunction");
    let limiter = RateLimiter::new(&platform, "POST /auth/login".into()).unwrap();
    let context = Context { address: "203.0.113.7".into(), ..Context::default() };
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let info = RequestInfo::new(&context, now, None);
    assert!(limiter.limit_request(&POLICIES, None, None, None, &info).await.is_ok());
    // The second call is counted three times. Then one of the three reverts fails.
    stack.fail("LimitsTable", Some("UpdateItem"), Failure::Passed, 3);
    stack.fail("LimitsTable", Some("UpdateItem"), Failure::Internal, 1);
    let refused = limiter.limit_request(&POLICIES, None, None, None, &info).await.unwrap_err();
    assert_eq!(refused.problem.status.as_u16(), 429);
    assert_eq!(counted(&stack).await, 3 + 1);
}

#[tokio::test]
async fn a_search_counts_and_a_list_does_not() {
    let stack = TestStack::with(&[
        ("RateLimits", "search=1/1h,*=100000/1m"),
        ("LoremWordMilliseconds", "0"),
    ])
    .await;
    let caller = stack.someone().await;
    let reply = stack.post("/chat", Some(&caller), &json!({"message": "Hello"})).await.expect(200);
    stack.get("/conversations?query=hello", Some(&caller)).await.expect(200);
    stack.get("/conversations?query=hello", Some(&caller)).await.problem(429, "rate_limited");
    let export = format!("/conversations/{}/export", reply["conversation_id"].as_str().unwrap());
    stack.get(&export, Some(&caller)).await.problem(429, "rate_limited");
    stack.get("/conversations", Some(&caller)).await.expect(200);
}

#[tokio::test]
async fn a_limit_for_all_others_lifts_no_lockout() {
    let stack = TestStack::with(&[("RateLimits", "*=100000/1m")]).await;
    let login = async || {
        stack.post("/auth/login", None, &json!({"username": "demo", "password": "wrong"})).await
    };
    for _ in 0..5 {
        login().await.problem(401, "invalid_credentials");
    }
    login().await.problem(429, "rate_limited");
}
