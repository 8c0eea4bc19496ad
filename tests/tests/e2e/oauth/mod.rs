//! The API for clients that know only OAuth 2.0. Tests with real clients are in
//! .ci/check-oauth-clients.

mod introspection;
mod password;
mod revocation;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack};

use crate::tokens::forger::{Forger, part};
use crate::tokens::with;

/// Posts a form without credentials.
async fn form(stack: &TestStack, path: &str, fields: &[(&str, &str)]) -> Answer {
    stack.send(stack.request(Method::POST, path).form(fields)).await
}

/// The answer of the token endpoint to a password.
async fn password_grant(stack: &TestStack, username: &str, password: &str) -> Answer {
    form(
        stack,
        "/auth/token",
        &[("grant_type", "password"), ("username", username), ("password", password)],
    )
    .await
}

/// The refresh token of an answer.
fn refresh_token(answer: &Value) -> &str {
    answer["refresh_token"].as_str().unwrap()
}

/// Texts that are no token of a live session, though most are signed with the right key for this
/// caller.
async fn worthless(stack: &TestStack, caller: &Caller) -> Vec<(&'static str, String)> {
    let access_key = Forger::access(&stack.secret("AccessRing").await["current"]);
    let refresh_key = Forger::refresh(&stack.secret("RefreshRing").await["current"]);
    let access = part(&caller.access, 1);
    let refresh = part(&caller.refresh, 1);
    let other = stack.someone().await;
    let now = access["iat"].as_i64().unwrap();
    let expired = json!({"iat": now - 1000, "exp": now - 40});
    let ticket = stack.post("/auth/ws-ticket", Some(&other), &json!({})).await.expect(201);
    vec![
        ("a letter", "x".into()),
        ("letters of others", "é\u{202e}' OR '1'='1".into()),
        ("three parts", "not.a.token".into()),
        ("three objects", "e30.e30.e30".into()),
        ("8 KB", "a".repeat(8192)),
        ("8 KB of dots", ".".repeat(8192)),
        ("a ticket", ticket["ticket"].as_str().unwrap().to_owned()),
        ("an access token not signed", format!("{}.", caller.access.rsplit_once('.').unwrap().0)),
        ("an access token that has expired", access_key.token(&with(&access, expired.clone()))),
        ("a refresh token that has expired", refresh_key.token(&with(&refresh, expired))),
        (
            "an access token by the ring of the others",
            refresh_key.sign(access_key.header().to_string(), access.to_string()),
        ),
        ("what an access token says, as a refresh token", refresh_key.token(&access)),
        ("what a refresh token says, as an access token", access_key.token(&refresh)),
        ("another issuer's", access_key.token(&with(&access, json!({"iss": "other"})))),
        (
            "of no session",
            access_key
                .token(&with(&access, json!({"sid": "019a0000-0000-7000-8000-000000000000"}))),
        ),
        (
            "of another user's session",
            refresh_key.token(&with(&refresh, json!({"sub": part(&other.access, 1)["sub"]}))),
        ),
    ]
}

#[tokio::test]
async fn the_metadata_names_what_there_is_and_no_more() {
    let stack = TestStack::with(&[("PasswordGrant", "off")]).await;
    let url = stack.local.url();
    let metadata = stack.get("/.well-known/oauth-authorization-server", None).await.expect(200);
    let expected = json!({
        "issuer": url,
        "token_endpoint": format!("{url}/auth/token"),
        "revocation_endpoint": format!("{url}/auth/revoke"),
        "introspection_endpoint": format!("{url}/auth/introspect"),
        "grant_types_supported": ["refresh_token"],
        "response_types_supported": [],
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "service_documentation": format!("{url}/docs"),
    });
    assert_eq!(metadata, expected);
    let on = TestStack::start()
        .await
        .get("/.well-known/oauth-authorization-server", None)
        .await
        .expect(200);
    assert_eq!(on["grant_types_supported"], json!(["refresh_token", "password"]));
}

#[tokio::test]
async fn a_refresh_grant_rotates_as_a_refresh_does() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let spend = async |token: &str| {
        form(&stack, "/auth/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
            .await
    };
    let answer = spend(&caller.refresh).await;
    let second = answer.expect(200);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!((&second["token_type"], &second["expires_in"]), (&json!("bearer"), &json!(900)));
    // Both endpoints serve the same session: the predecessor gets the same successor here too.
    assert_eq!(
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
            .await
            .expect(200),
        second
    );
    let third = stack
        .post("/auth/refresh", None, &json!({"refresh_token": refresh_token(&second)}))
        .await
        .expect(200);
    // A token that is spent for good ends the session.
    spend(&caller.refresh).await.problem(400, "invalid_grant");
    spend(refresh_token(&third)).await.problem(400, "invalid_grant");
    let admin = stack.admin().await;
    assert_eq!(stack.events(&admin, "auth.refresh_reuse").await.len(), 1);
}

#[tokio::test]
async fn what_a_client_sends_beside_its_grant_is_let_be() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &caller.refresh),
        ("client_id", "excel"),
        ("scope", "a b"),
        ("x", ""),
    ];
    // Libraries send a public client's id by HTTP Basic, with an empty secret.
    let request =
        stack.request(Method::POST, "/auth/token").basic_auth("excel", Some("")).form(&fields);
    stack.send(request).await.expect(200);
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_words_of_the_rfc() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    for (fields, error) in [
        (&[][..], "invalid_request"),
        (&[("grant_type", "refresh_token")], "invalid_request"),
        (
            &[("grant_type", "refresh_token"), ("refresh_token", "a"), ("refresh_token", "b")],
            "invalid_request",
        ),
        (&[("grant_type", "refresh_token"), ("refresh_token", "not.a.token")], "invalid_grant"),
        (&[("grant_type", "refresh_token"), ("refresh_token", &caller.access)], "invalid_grant"),
        (&[("grant_type", "client_credentials")], "unsupported_grant_type"),
        (
            &[("grant_type", "Refresh_Token"), ("refresh_token", &caller.refresh)],
            "unsupported_grant_type",
        ),
    ] {
        let problem = form(&stack, "/auth/token", fields).await.problem(400, error);
        assert_eq!(problem["error"], error);
        assert_eq!(problem["error_description"], problem["detail"]);
    }
    let not_a_form = stack
        .post(
            "/auth/token",
            None,
            &json!({"grant_type": "refresh_token", "refresh_token": caller.refresh}),
        )
        .await;
    not_a_form.problem(415, "unsupported_media_type");
    let not_text = stack
        .request(Method::POST, "/auth/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(vec![0xff]);
    stack.send(not_text).await.problem(400, "invalid_request");
    // None of these requests has spent the token.
    form(
        &stack,
        "/auth/token",
        &[("grant_type", "refresh_token"), ("refresh_token", &caller.refresh)],
    )
    .await
    .expect(200);
}
