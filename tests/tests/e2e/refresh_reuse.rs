//! Reused refresh tokens. A reuse means that a copy exists, and no limit and no timing prevents its
//! detection.

use std::time::Duration;

use futures_util::future::join_all;
use platform::clock::Timestamp;
use platform::domain::Role;
use platform::identity::Identity;
use serde_json::{Value, json};
use tally_accounts::tokens::TokenIssuer;
use tally_tests::{Answer, Caller, TestStack};

use crate::coverage;
use crate::tokens::forger::part;

/// The endpoints for refresh tokens, and their answers to an invalid one.
const ENDPOINTS: [(&str, u16, &str); 2] =
    [("/auth/refresh", 401, "invalid_refresh_token"), ("/auth/token", 400, "invalid_grant")];

async fn spend(stack: &TestStack, path: &str, token: &str) -> Answer {
    let body = match path {
        "/auth/token" => json!({"grant_type": "refresh_token", "refresh_token": token}),
        _ => json!({"refresh_token": token}),
    };
    stack.send(coverage::request(stack, http::Method::POST, path, None, Some(&body))).await
}

/// The refresh token of an answer.
fn next(answer: &Answer) -> String {
    answer.expect(200)["refresh_token"].as_str().unwrap().to_owned()
}

/// Fails unless a caller's session is valid.
async fn assert_signed_in(stack: &TestStack, caller: &Caller) {
    stack.get("/auth/sessions", Some(caller)).await.expect(200);
}

/// Number of detected reuses.
async fn noticed(stack: &TestStack) -> usize {
    stack.events(&stack.admin().await, "auth.refresh_reuse").await.len()
}

#[tokio::test]
async fn a_thief_who_uses_the_limit_up_is_seen_all_the_same() {
    for (path, status, code) in ENDPOINTS {
        let stack = TestStack::with(&[("RateLimits", "refresh=2/1h,*=100000/1m")]).await;
        let caller = stack.someone().await;
        let second = next(&spend(&stack, path, &caller.refresh).await);
        let third = next(&spend(&stack, path, &second).await);
        // The good token has to wait but stays valid. Its predecessor gets it again each time: six
        // tabs that refresh at once do not use up the session's limit.
        spend(&stack, path, &third).await.problem(429, "rate_limited");
        for _ in 0..5 {
            assert_eq!(next(&spend(&stack, path, &second).await), third);
        }
        assert_signed_in(&stack, &caller).await;

        spend(&stack, path, &caller.refresh).await.problem(status, code);
        stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
        spend(&stack, path, &third).await.problem(429, "rate_limited");
        assert_eq!(noticed(&stack).await, 1, "{path}");
    }
}

#[tokio::test]
async fn an_address_from_which_there_is_too_much_is_not_looked_after() {
    for limits in
        ["refresh_address=2/1h,*=100000/1m", "refresh_address=2/1h,refresh=2/1h,*=100000/1m"]
    {
        let stack = TestStack::with(&[("RateLimits", limits)]).await;
        let caller = stack.someone().await;
        let second = next(&spend(&stack, "/auth/refresh", &caller.refresh).await);
        next(&spend(&stack, "/auth/refresh", &second).await);
        let (answer, calls) =
            stack.round_trips(spend(&stack, "/auth/refresh", &caller.refresh)).await;
        answer.problem(429, "rate_limited");
        // The session is read to find out which limit the token counts for. No other step follows.
        let sessions: Vec<_> = calls.iter().filter(|call| call.contains("Sessions")).collect();
        assert!(
            sessions.iter().all(|call| call.starts_with("GetItem")) && sessions.len() == 1,
            "{calls:?}"
        );
        assert_signed_in(&stack, &caller).await;
        assert_eq!(noticed(&stack).await, 0, "{limits}");
    }
}

#[tokio::test]
async fn tabs_that_refresh_at_once_count_as_one() {
    let stack = TestStack::with(&[("RateLimits", "refresh=8/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let mut token = caller.refresh;
    // Counted one by one, each round would take six of the eight.
    for round in 0..3 {
        let answers = join_all((0..6).map(|_| spend(&stack, "/auth/refresh", &token))).await;
        let pairs: Vec<_> = answers.iter().map(next).collect();
        assert!(pairs.iter().all(|pair| *pair == pairs[0]), "round {round}");
        token = pairs[0].clone();
    }
}

#[tokio::test]
async fn a_token_that_was_spent_days_ago_ends_the_session_that_lives_by_its_successors() {
    for (path, status, code) in ENDPOINTS {
        let stack = TestStack::start().await;
        let caller = stack.someone().await;
        let claims = part(&caller.refresh, 1);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let identity = Identity {
            user_id: text(&claims["sub"]),
            username: caller.username.clone(),
            session_id: text(&claims["sid"]),
        };
        // Make a token of the same session, as if the session had begun six days ago.
        let began_at = Timestamp::from_second(claims["iat"].as_i64().unwrap()).unwrap()
            - Duration::from_hours(6 * 24);
        let issuer = TokenIssuer::new(&stack.platform("RefreshFunction")).unwrap();
        let ends_at = issuer.lifetimes.session_end(began_at);
        let (pair, _) = issuer.issue(&identity, &[Role::User], ends_at, began_at).await.unwrap();

        spend(&stack, path, &pair.refresh_token).await.problem(status, code);
        stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
        assert_eq!(noticed(&stack).await, 1, "{path}");
    }
}
