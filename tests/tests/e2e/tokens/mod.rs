//! Tokens: their content, which of them are accepted, and the keys behind them.

mod attacks;
pub mod forger;
mod rotation;
mod warm;

use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use forger::{Forger, part};

async fn me(stack: &TestStack, access: &str) -> Answer {
    let caller =
        Caller { username: String::new(), access: access.to_owned(), refresh: String::new() };
    stack.get("/auth/me", Some(&caller)).await
}

async fn refresh(stack: &TestStack, token: &str) -> Answer {
    stack.post("/auth/refresh", None, &json!({"refresh_token": token})).await
}

/// These claims, with others replacing some of them.
pub fn with(claims: &Value, others: Value) -> Value {
    let (mut claims, Value::Object(others)) = (claims.clone(), others) else {
        panic!("these are no members")
    };
    claims.as_object_mut().unwrap().extend(others);
    claims
}

#[tokio::test]
async fn claims_say_what_the_contract_says() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let access = part(&caller.access, 1);
    let refresh = part(&caller.refresh, 1);
    assert_eq!(
        (&access["aud"], &access["type"], &access["username"]),
        (&json!("tally-api"), &json!("access"), &json!("demo"))
    );
    assert_eq!((&refresh["aud"], &refresh["type"]), (&json!("tally-refresh"), &json!("refresh")));
    assert_eq!(access["exp"].as_i64().unwrap() - access["iat"].as_i64().unwrap(), 900);
    assert_eq!(refresh["exp"].as_i64().unwrap() - refresh["iat"].as_i64().unwrap(), 7 * 86_400);
    assert_eq!(access["sid"], refresh["sid"]);
    // The keys are those of the rings, derived as the contract says.
    let access_ring = stack.secret("AccessRing").await;
    let refresh_ring = stack.secret("RefreshRing").await;
    assert_eq!(part(&caller.access, 0), Forger::access(&access_ring["current"]).header());
    assert_eq!(part(&caller.refresh, 0), Forger::refresh(&refresh_ring["current"]).header());
}

#[tokio::test]
async fn a_token_is_good_within_its_times_and_the_leeway() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let forger = Forger::access(&stack.secret("AccessRing").await["current"]);
    let genuine = part(&caller.access, 1);
    let now = genuine["iat"].as_i64().unwrap();
    // Unit tests beside the code check the limits to the second, with a clock that stands still.
    for (iat, exp, status) in [
        (now, now + 900, 200),
        (now - 900, now - 10, 200),
        (now + 10, now + 900, 200),
        (now - 900, now - 31, 401),
        (now + 3600, now + 4500, 401),
    ] {
        let answer =
            me(&stack, &forger.token(&with(&genuine, json!({"iat": iat, "exp": exp})))).await;
        assert_eq!(answer.status, status, "{} to {}: {answer:?}", iat - now, exp - now);
    }
}
