//! The limit of all calls of a user, on any route.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tally_tests::{Caller, TestStack};

use crate::api_keys::new_key;

#[tokio::test]
async fn a_user_is_limited_whatever_they_ask_for_and_whatever_they_show() {
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
async fn a_token_of_a_session_that_has_ended_counts_for_nobody() {
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
