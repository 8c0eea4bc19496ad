//! Token introspection by a service (RFC 7662).

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use super::{refresh_token, worthless};
use crate::api_keys::new_key;
use crate::tokens::forger::part;
use crate::users::user_id;

/// A key of this owner with these scopes.
async fn key(stack: &TestStack, owner: &Caller, scopes: &[&str]) -> Value {
    stack
        .post("/api-keys", Some(owner), &new_key(scopes, Duration::from_hours(1)))
        .await
        .expect(201)
}

/// The answer about a token to a service with this key.
async fn ask(stack: &TestStack, key: &Value, token: &str) -> Answer {
    let request = stack
        .request(Method::POST, "/auth/introspect")
        .header("x-api-key", key["key"].as_str().unwrap());
    stack.send(request.form(&[("token", token), ("token_type_hint", "access_token")])).await
}

/// The whole answer about an invalid token.
fn not_good() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn a_good_token_is_shown_for_what_it_is() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let key = key(&stack, &admin, &["tokens:introspect"]).await;
    let answer = ask(&stack, &key, &caller.access).await;
    let access = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    let claims = part(&caller.access, 1);
    let mut expected = json!({"active": true, "token_use": "access", "token_type": "bearer"});
    for name in ["sub", "username", "sid", "jti", "iss", "aud", "iat", "exp"] {
        expected[name] = claims[name].clone();
    }
    assert_eq!(access, expected);
    // The hint was wrong.
    let refresh = ask(&stack, &key, &caller.refresh).await.expect(200);
    assert_eq!(
        (&refresh["active"], &refresh["token_use"], &refresh["token_type"]),
        (&json!(true), &json!("refresh"), &Value::Null)
    );
    assert_eq!(
        (&refresh["sub"], &refresh["sid"], &refresh["aud"]),
        (&access["sub"], &access["sid"], &json!("tally-refresh"))
    );
    let claims = part(&caller.refresh, 1);
    assert_eq!(
        refresh["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(),
        86_400,
        "unused, it idles out with its session"
    );
    let event = stack.events(&admin, "auth.token_introspected").await.pop().unwrap();
    assert_eq!(
        (&event["actor"]["key_id"], &event["detail"]),
        (&key["id"], &json!({"active": true}))
    );
    assert_eq!(event["resource"], json!(format!("session:{}", access["sid"].as_str().unwrap())));
}

#[tokio::test]
async fn of_a_token_that_is_not_good_it_says_only_that() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let key = key(&stack, &admin, &["tokens:introspect"]).await;
    let mut tokens = worthless(&stack, &caller).await;
    tokens.push(("the key itself", key["key"].as_str().unwrap().to_owned()));
    for (what, token) in &tokens {
        assert_eq!(ask(&stack, &key, token).await.expect(200), not_good(), "{what}");
    }
    let events = stack.events(&admin, "auth.token_introspected").await;
    assert_eq!(events.len(), tokens.len());
    for event in &events {
        assert_eq!(
            (&event["detail"], &event["outcome"]),
            (&json!({"active": false}), &json!("success"))
        );
        assert!(
            !tokens.iter().any(|(_, token)| token.len() > 8 && event.to_string().contains(token)),
            "{event}"
        );
    }
    let nothing = stack
        .request(Method::POST, "/auth/introspect")
        .header("x-api-key", key["key"].as_str().unwrap());
    stack
        .send(nothing.form(&[("token_type_hint", "access_token")]))
        .await
        .problem(400, "invalid_request");
}

#[tokio::test]
async fn a_token_is_as_good_as_its_session() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let key = key(&stack, &admin, &["tokens:introspect"]).await;
    let next = stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .expect(200);
    assert_eq!(
        ask(&stack, &key, &caller.refresh).await.expect(200),
        not_good(),
        "it has been spent"
    );
    for token in [&caller.access, next["access_token"].as_str().unwrap(), refresh_token(&next)] {
        assert_eq!(ask(&stack, &key, token).await.expect(200)["active"], true);
    }
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    for token in [&caller.access, next["access_token"].as_str().unwrap(), refresh_token(&next)] {
        assert_eq!(ask(&stack, &key, token).await.expect(200), not_good());
    }

    let caller = stack.demo().await;
    let account = format!("/users/{}", user_id(&stack, "demo").await);
    let deactivate = stack
        .request(Method::PATCH, &account)
        .bearer_auth(&admin.access)
        .json(&json!({"is_active": false}));
    stack.send(deactivate).await.expect(200);
    for token in [&caller.access, &caller.refresh] {
        assert_eq!(ask(&stack, &key, token).await.expect(200), not_good());
    }
}

#[tokio::test]
async fn only_a_key_with_the_scope_may_ask() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let good = key(&stack, &admin, &["tokens:introspect"]).await;
    let other = key(&stack, &admin, &["profits:read", "chat:write", "audit:read"]).await;
    ask(&stack, &other, &caller.access).await.problem(403, "forbidden");
    let altered = json!({"key": format!("{}x", good["key"].as_str().unwrap())});
    ask(&stack, &altered, &caller.access).await.problem(401, "invalid_token");
    let form =
        |request: reqwest::RequestBuilder| stack.send(request.form(&[("token", &caller.access)]));
    let request = || stack.request(Method::POST, "/auth/introspect");
    form(request()).await.problem(401, "unauthenticated");
    // A user, with any role, is no service. Neither is a client by HTTP Basic.
    form(request().bearer_auth(&admin.access)).await.problem(403, "forbidden");
    form(request().basic_auth("excel", Some("secret"))).await.problem(401, "unauthenticated");
    let both =
        request().bearer_auth(&admin.access).header("x-api-key", good["key"].as_str().unwrap());
    form(both).await.problem(400, "malformed_request");
    assert_eq!(stack.events(&admin, "auth.token_introspected").await, Vec::<Value>::new());
    stack
        .delete(&format!("/api-keys/{}", good["id"].as_str().unwrap()), Some(&admin))
        .await
        .expect(204);
    ask(&stack, &good, &caller.access).await.problem(401, "invalid_token");
}
