//! Token revocation (RFC 7009).

use futures_util::future::join_all;
use http::Method;
use serde_json::json;
use tally_tests::TestStack;

use super::{form, refresh_token, worthless};

#[tokio::test]
async fn a_token_that_is_given_up_ends_its_session_and_connections() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for kind in ["access", "refresh"] {
        let caller = stack.someone().await;
        let other = stack.login(&caller.username, "Correct-Horse-9").await;
        let mut socket = stack.connect(&caller).await;
        let token = if kind == "access" { &caller.access } else { &caller.refresh };
        // A wrong or unknown hint has no effect.
        let answer =
            form(&stack, "/auth/revoke", &[("token", token), ("token_type_hint", "saml2")]).await;
        assert_eq!((answer.expect(200), answer.header("cache-control")), (json!({}), "no-store"));
        assert_eq!(socket.next().await, None, "{kind}");
        stack
            .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
            .await
            .problem(401, "invalid_refresh_token");
        stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
        // The user's other session goes on.
        let sessions = stack.get("/auth/sessions", Some(&other)).await.expect(200);
        assert_eq!(sessions["items"].as_array().unwrap().len(), 1, "{sessions}");
        let event = stack.events(&admin, "auth.token_revoked").await.pop().unwrap();
        assert_eq!(
            (&event["actor"]["username"], &event["detail"]),
            (&json!(caller.username), &json!({"ended": true}))
        );
        assert_eq!(
            event["resource"],
            json!(format!("session:{}", event["actor"]["session_id"].as_str().unwrap()))
        );
    }
}

#[tokio::test]
async fn what_is_no_good_token_is_given_up_all_the_same_and_ends_nothing() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    let caller = stack.demo().await;
    let ended = stack.demo().await;
    form(&stack, "/auth/revoke", &[("token", &ended.access)]).await.expect(200);
    let before = stack.events(&admin, "auth.token_revoked").await.len();
    let mut tokens = worthless(&stack, &caller).await;
    tokens.extend([
        ("of a session that has ended", ended.access),
        ("the other one of it", ended.refresh),
    ]);
    for (what, token) in &tokens {
        assert_eq!(
            form(&stack, "/auth/revoke", &[("token", token)]).await.expect(200),
            json!({}),
            "{what}"
        );
    }
    let events = stack.events(&admin, "auth.token_revoked").await;
    assert_eq!(events.len(), before + tokens.len());
    for event in &events[before..] {
        assert_eq!(
            (&event["detail"], &event["actor"], &event["resource"]),
            (&json!({"ended": false}), &json!(null), &json!(null))
        );
        assert!(
            !tokens.iter().any(|(_, token)| token.len() > 8 && event.to_string().contains(token)),
            "{event}"
        );
    }
    stack.get("/auth/sessions", Some(&caller)).await.expect(200);

    for (fields, why) in [
        (&[][..], "none"),
        (&[("token_type_hint", "access_token")], "none but a hint"),
        (&[("token", &caller.access), ("token", &caller.access)], "two"),
        (&[("token", "a\0b")], "a null character"),
    ] {
        let problem = form(&stack, "/auth/revoke", fields).await.problem(400, "invalid_request");
        assert_eq!(problem["error"], "invalid_request", "{why}");
    }
    stack
        .post("/auth/revoke", None, &json!({"token": "x"}))
        .await
        .problem(415, "unsupported_media_type");
    // A token in a URL would appear in logs.
    stack
        .send(stack.request(Method::POST, "/auth/revoke?token=x").form(&[("token", "x")]))
        .await
        .problem(422, "validation_failed");
    stack.post("/auth/refresh", None, &json!({"refresh_token": caller.refresh})).await.expect(200);
}

#[tokio::test]
async fn a_spent_refresh_token_still_ends_its_session() {
    let stack = TestStack::start().await;
    let caller = stack.demo().await;
    let next = stack
        .post("/auth/refresh", None, &json!({"refresh_token": caller.refresh}))
        .await
        .expect(200);
    form(&stack, "/auth/revoke", &[("token", &caller.refresh)]).await.expect(200);
    let answer =
        stack.post("/auth/refresh", None, &json!({"refresh_token": refresh_token(&next)})).await;
    answer.problem(401, "invalid_refresh_token");
}

#[tokio::test]
async fn a_session_ends_once_however_many_give_it_up_and_whatever_else_is_under_way() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    for round in 1..=5 {
        let caller = stack.demo().await;
        let spend = json!({"refresh_token": caller.refresh});
        let revoke = join_all(
            [&caller.access, &caller.refresh]
                .map(async |token| form(&stack, "/auth/revoke", &[("token", token)]).await),
        );
        let (answers, refreshed) =
            futures_util::join!(revoke, stack.post("/auth/refresh", None, &spend));
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        if refreshed.status == 200 {
            let next = json!({"refresh_token": refresh_token(&refreshed.json())});
            stack.post("/auth/refresh", None, &next).await.problem(401, "invalid_refresh_token");
        }
        stack.get("/auth/sessions", Some(&caller)).await.problem(401, "invalid_token");
        let events = stack.events(&admin, "auth.token_revoked").await;
        assert_eq!(
            events.iter().filter(|event| event["detail"]["ended"] == true).count(),
            round,
            "{events:?}"
        );
    }
}
