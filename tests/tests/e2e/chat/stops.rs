//! A reply's conversation, account, session or key ends while the reply is written. Its call then
//! stops as after a cancel.

use std::time::Duration;

use http::Method;
use platform::clock::Timestamp;
use platform::domain::Role;
use platform::identity::{Authority, Credential, Principal, Scope};
use serde_json::{Value, json};
use tally_chat::Credentials;
use tally_local::aws::Failure;
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, TestStack};

use super::{FAST, ask_async, claude, path_of, text};
use crate::api_keys::new_key;
use crate::users::user_id;

/// Waits for the event of a reply's end.
async fn end_of(stack: &TestStack, auditor: &Caller, asked: &Value) -> Value {
    let resource = format!("message:{}", text(&asked["message_id"]));
    loop {
        let events = stack.events(auditor, "chat.message").await;
        if let Some(ended) = events.into_iter().find(|event| event["resource"] == resource) {
            return ended;
        }
    }
}

#[tokio::test]
async fn a_reply_stops_when_its_conversation_its_account_or_its_session_ends() {
    let api =
        MessagesApi::with(vec![Answer::stream(reply(&["Some", " words"])).up_to(5).then_silence()])
            .await;
    let stack = claude::stack(&api, &[("AiIdleMilliseconds", "600000")]).await;
    for (number, way) in
        ["conversation", "account", "session", "deactivation"].into_iter().enumerate()
    {
        let caller = stack.someone().await;
        // An administrator has at most three sessions, so each round uses a new one.
        let id = user_id(&stack, &caller.username).await;
        let admin = stack.admin().await;
        let asked = ask_async(&stack, &caller, &json!({"message": "At length"})).await.expect(202);
        // Wait until some text has been stored.
        while stack.get(&path_of(&asked), Some(&caller)).await.expect(200)["text"] == "" {}
        match way {
            "conversation" => {
                stack
                    .delete(
                        &format!("/conversations/{}", text(&asked["conversation_id"])),
                        Some(&caller),
                    )
                    .await
                    .expect(204);
            }
            "account" => {
                let password = json!({"current_password": "Correct-Horse-9"});
                stack.call(Method::DELETE, "/auth/me", &caller, &password).await.expect(204);
            }
            "session" => {
                stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
            }
            _ => {
                stack
                    .call(
                        Method::PATCH,
                        &format!("/users/{id}"),
                        &admin,
                        &json!({"is_active": false}),
                    )
                    .await
                    .expect(200);
            }
        }
        api.hung_up(number + 1).await;
        // The reply is settled, and recorded as cancelled.
        let ended = end_of(&stack, &admin, &asked).await;
        let detail = &ended["detail"];
        assert_eq!(
            (text(&ended["outcome"]), text(&detail["status"]), text(&detail["stop_reason"])),
            ("success", "cancelled", "cancelled"),
            "{way}"
        );
        assert_eq!(detail["input_tokens"], 25, "{way}: {ended}");
        if way != "account" {
            let budget = stack.get(&format!("/users/{id}/budget"), Some(&admin)).await.expect(200);
            assert_eq!(
                (&budget["spent_usd"], text(&budget["held_usd"])),
                (&detail["cost_usd"], "0.00"),
                "{way}"
            );
        }
    }
    assert_eq!(api.asked().len(), 4);
}

#[tokio::test]
async fn a_reply_stops_when_the_api_key_ends_with_which_it_was_asked_for() {
    let api =
        MessagesApi::with(vec![Answer::stream(reply(&["Some", " words"])).up_to(5).then_silence()])
            .await;
    let stack = claude::stack(&api, &[("AiIdleMilliseconds", "600000")]).await;
    for (number, way) in ["deletion", "reset", "deactivation"].into_iter().enumerate() {
        let owner = stack.someone().await;
        let id = user_id(&stack, &owner.username).await;
        let admin = stack.admin().await;
        let key = stack
            .post("/api-keys", Some(&owner), &new_key(&["chat:write"], Duration::from_hours(1)))
            .await
            .expect(201);
        let request = stack
            .request(Method::POST, "/chat")
            .header("x-api-key", text(&key["key"]))
            .header("prefer", "respond-async");
        let asked = stack.send(request.json(&json!({"message": "At length"}))).await.expect(202);
        // The owner's session shows that the reply has begun.
        while stack.get(&path_of(&asked), Some(&owner)).await.expect(200)["text"] == "" {}
        match way {
            "deletion" => {
                stack
                    .delete(&format!("/api-keys/{}", text(&key["id"])), Some(&owner))
                    .await
                    .expect(204);
            }
            "reset" => {
                let token = stack
                    .mailed_token(
                        "/auth/password/forgot",
                        &format!("{}@example.com", owner.username),
                    )
                    .await;
                let reset = json!({"token": token, "new_password": "Another-Horse-9"});
                stack.post("/auth/password/reset", None, &reset).await.expect(204);
            }
            _ => {
                stack
                    .call(
                        Method::PATCH,
                        &format!("/users/{id}"),
                        &admin,
                        &json!({"is_active": false}),
                    )
                    .await
                    .expect(200);
            }
        }
        api.hung_up(number + 1).await;
        let ended = end_of(&stack, &admin, &asked).await;
        assert_eq!(
            (text(&ended["outcome"]), text(&ended["detail"]["status"])),
            ("success", "cancelled"),
            "{way}"
        );
        assert_eq!(
            (&ended["actor"]["key_id"], &ended["detail"]["input_tokens"]),
            (&key["id"], &json!(25)),
            "{way}: {ended}"
        );
    }
}

#[tokio::test]
async fn a_key_is_good_until_it_expires_and_for_its_owner_alone() {
    let stack = TestStack::with(&FAST).await;
    let owner = stack.someone().await;
    let id = user_id(&stack, &owner.username).await;
    let key = stack
        .post("/api-keys", Some(&owner), &new_key(&["chat:write"], Duration::from_hours(1)))
        .await
        .expect(201);
    let platform = stack.platform("ChatStreamFunction");
    let credentials = Credentials::new(&platform).unwrap();
    let are_good = async |user_id: &str, key_id: &str, at| {
        let credential = Credential::KeyId(key_id.to_owned());
        let caller =
            Principal { user_id: user_id.to_owned(), username: owner.username.clone(), credential };
        credentials.are_good(&caller, at).await.unwrap()
    };
    let key_id = text(&key["id"]);
    let now = platform.clock.now();
    let expires_at: Timestamp = text(&key["expires_at"]).parse().unwrap();
    let just_before = Timestamp::from_millisecond(expires_at.as_millisecond() - 1).unwrap();
    assert!(are_good(&id, key_id, now).await && are_good(&id, key_id, just_before).await);
    assert!(!are_good(&id, key_id, expires_at).await);
    assert!(!are_good(&user_id(&stack, "demo").await, key_id, now).await);
    assert!(!are_good("019a0000-0000-7000-8000-000000000000", key_id, now).await);
    assert!(!are_good(&id, "019a0000-0000-7000-8000-000000000000", now).await);
}

#[tokio::test]
async fn rights_are_those_of_the_moment_and_end_with_the_session_key_or_account() {
    let stack = TestStack::with(&FAST).await;
    let owner = stack.someone().await;
    let id = user_id(&stack, &owner.username).await;
    let scopes = ["chat:write", "tasks:read"];
    let key = new_key(&scopes, Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&owner), &key).await.expect(201);
    let sessions = stack.get("/auth/sessions", Some(&owner)).await.expect(200);
    let platform = stack.platform("ChatStreamFunction");
    let credentials = Credentials::new(&platform).unwrap();
    let now = platform.clock.now();
    let expires_at: Timestamp = text(&key["expires_at"]).parse().unwrap();
    let principal = |credential| {
        let (user_id, username) = (id.clone(), owner.username.clone());
        Principal { user_id, username, credential }
    };
    let in_session = principal(Credential::SessionId(text(&sessions["items"][0]["id"]).into()));
    let by_key = principal(Credential::KeyId(text(&key["id"]).into()));
    let rights = async |caller: &Principal, at| credentials.authority(caller, at).await.unwrap();
    let of = |scopes: Option<&[Scope]>, roles: &[Role]| {
        Some(Authority { scopes: scopes.map(<[Scope]>::to_vec), roles: roles.to_vec() })
    };
    let all: &[Scope] = &[Scope::ChatWrite, Scope::TasksRead];
    assert_eq!(rights(&in_session, now).await, of(None, &[Role::User]));
    assert_eq!(rights(&by_key, now).await, of(Some(all), &[Role::User]));
    assert_eq!(rights(&by_key, expires_at).await, None);
    let another = Principal { user_id: user_id(&stack, "demo").await, ..by_key.clone() };
    assert_eq!(rights(&another, now).await, None);

    // Another role holds at once, and so does its end.
    let admin = stack.admin().await;
    let path = format!("/users/{id}");
    let roles = json!({"roles": ["auditor"]});
    stack.call(Method::PATCH, &path, &admin, &roles).await.expect(200);
    assert_eq!(rights(&in_session, now).await, of(None, &[Role::User, Role::Auditor]));
    assert_eq!(rights(&by_key, now).await, of(Some(all), &[Role::User, Role::Auditor]));
    let deleted = format!("/api-keys/{}", text(&key["id"]));
    stack.delete(&deleted, Some(&owner)).await.expect(204);
    assert_eq!(rights(&by_key, now).await, None);
    assert_eq!(rights(&in_session, now).await, of(None, &[Role::User, Role::Auditor]));
    stack.call(Method::PATCH, &path, &admin, &json!({"is_active": false})).await.expect(200);
    assert_eq!(rights(&in_session, now).await, None);
}

#[tokio::test]
async fn a_hiccup_of_the_store_while_a_reply_is_acquired_costs_a_moment() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    // The client makes three requests for each attempt.
    stack.fail("MessagesTable", Some("UpdateItem"), Failure::Internal, 12);
    let answer =
        stack.post("/chat", Some(&caller), &json!({"message": "Still there?"})).await.expect(200);
    assert_eq!(answer["stop_reason"], "end_turn");
}
