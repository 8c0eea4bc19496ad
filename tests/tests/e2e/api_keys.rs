//! API keys: their permissions, and that each key is shown only once.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use platform::clock::{Clock, rfc3339};
use platform::identity::Scope;
use platform::routes::{Access, ROUTES};
use platform::store::API_KEYS_PER_USER;
use serde_json::{Value, json};
use tally_tests::fake_tenant::FakeTenant;
use tally_tests::{Answer, Caller, TestStack};

/// The body of a request for a new key.
pub fn new_key(scopes: &[&str], lasts: Duration) -> Value {
    json!({
        "name": "Nightly import", "scopes": scopes,
        "expires_at": rfc3339(Clock::System.now() + lasts),
    })
}

const DAY: Duration = Duration::from_hours(24);

/// A new key of this user, valid for a day.
async fn key(stack: &TestStack, owner: &Caller, scopes: &[&str]) -> Value {
    stack.post("/api-keys", Some(owner), &new_key(scopes, DAY)).await.expect(201)
}

/// A request with a key.
async fn call(stack: &TestStack, method: &str, path: &str, key: &Value) -> Answer {
    let method: Method = method.parse().unwrap();
    stack.send(stack.request(method, path).header("x-api-key", key["key"].as_str().unwrap())).await
}

#[tokio::test]
async fn a_key_does_what_its_scope_says_and_nothing_else() {
    // Without single sign-on its routes are not found.
    let stack = TestStack::with_sso(&FakeTenant::start(), &[]).await;
    let admin = stack.admin().await;
    for scope in Scope::ALL.map(Scope::as_str) {
        let key = key(&stack, &admin, &[scope]).await;
        for route in ROUTES.iter().filter(|route| route.access != Access::Public) {
            let parameters = ["{id}", "{message_id}", "{user_id}", "{sheet_id}"];
            let names =
                [("{n}", "1"), ("{name}", "default"), ("{version}", "0"), ("{label}", "staging")];
            let path = route.path.to_owned();
            let path =
                names.iter().fold(path, |path, (parameter, name)| path.replace(parameter, name));
            let path = parameters.iter().fold(path, |path, parameter| {
                path.replace(parameter, "019a0000-0000-7000-8000-000000000000")
            });
            let answer = call(&stack, route.method, &path, &key).await;
            let is_admitted = route.access == Access::AnyKey
                || route.scope.is_some_and(|needed| needed.as_str() == scope);
            if is_admitted {
                assert!(
                    ![401, 403].contains(&answer.status),
                    "{scope} {}: {answer:?}",
                    route.key()
                );
            } else {
                answer.problem(403, "forbidden");
            }
        }
    }
}

#[tokio::test]
async fn a_key_goes_as_far_as_its_owner() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let key = key(&stack, &demo, &["audit:read", "profits:read"]).await;
    call(&stack, "GET", "/profits", &key).await.expect(200);
    call(&stack, "GET", "/audit?actor=me", &key).await.expect(200);
    call(&stack, "GET", "/audit", &key).await.problem(403, "forbidden");

    let admin = stack.admin().await;
    let read = stack.events(&admin, "profits.read").await.pop().unwrap();
    assert_eq!(
        (&read["actor"]["key_id"], &read["actor"]["username"]),
        (&key["id"], &json!("demo"))
    );
    assert_eq!(read["actor"]["session_id"], Value::Null);
}

#[tokio::test]
async fn a_key_is_shown_once_listed_used_and_deleted() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let admin = stack.admin().await;
    let made = key(&stack, &demo, &["profits:read"]).await;
    assert_eq!(made["last_used_at"], Value::Null);
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with("tly_") && text.len() == 93, "{text}");

    call(&stack, "GET", "/profits", &made).await.expect(200);
    let listed = stack.get("/api-keys", Some(&demo)).await;
    let items = listed.expect(200)["items"].clone();
    assert_eq!(items[0]["id"], made["id"]);
    assert!(items[0]["last_used_at"].as_str().is_some_and(|time| time.ends_with('Z')), "{items}");
    assert!(!listed.text.contains(&text[37..]), "{listed:?}");
    assert_eq!(stack.get("/api-keys", Some(&admin)).await.expect(200)["items"], json!([]));

    // Another user's key is not found.
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    stack
        .send(stack.request(Method::DELETE, &path).bearer_auth(&admin.access))
        .await
        .problem(404, "not_found");
    let delete = || stack.send(stack.request(Method::DELETE, &path).bearer_auth(&demo.access));
    delete().await.expect(204);
    delete().await.problem(404, "not_found");
    call(&stack, "GET", "/profits", &made).await.problem(401, "invalid_token");

    let events = stack.events(&admin, "apikey.").await;
    let actions: Vec<_> = events
        .iter()
        .map(|event| (event["action"].as_str().unwrap(), event["outcome"].as_str().unwrap()))
        .collect();
    let expected = [
        ("apikey.created", "success"),
        ("apikey.deleted", "failure"),
        ("apikey.deleted", "success"),
        ("apikey.deleted", "failure"),
    ];
    assert_eq!(actions, expected);
    assert!(
        !events.iter().any(|event| event.to_string().contains(&text[37..])),
        "an event holds a key"
    );
}

#[tokio::test]
async fn keys_are_listed_page_by_page() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(key(&stack, &demo, &["profits:read"]).await["id"].clone());
    }
    let mut seen = Vec::new();
    let mut path = "/api-keys?limit=2".to_owned();
    loop {
        let page = stack.get(&path, Some(&demo)).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api-keys?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, made);
}

#[tokio::test]
async fn a_key_that_is_not_good_is_refused() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let good = key(&stack, &demo, &["profits:read"]).await;
    let text = good["key"].as_str().unwrap();
    let other = key(&stack, &demo, &["profits:read"]).await;
    // These include the id of one key with the secret of another.
    let mixed = format!("{}{}", &text[..37], &other["key"].as_str().unwrap()[37..]);
    for wrong in ["", "tly_", "nonsense", &text[..92], &mixed, &text.to_uppercase()] {
        call(&stack, "GET", "/profits", &json!({"key": wrong})).await.problem(401, "invalid_token");
    }
    let both =
        stack.request(Method::GET, "/profits").bearer_auth(&demo.access).header("x-api-key", text);
    stack.send(both).await.problem(400, "malformed_request");
    for (change, pointer) in [
        (json!({"scopes": []}), "/scopes"),
        (json!({"scopes": ["users:write"]}), "/scopes"),
        (json!({"name": ""}), "/name"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"expires_at": rfc3339(Clock::System.now() + DAY * 366)}), "/expires_at"),
        (json!({"expires_at": "tomorrow"}), "/expires_at"),
    ] {
        let mut body = new_key(&["profits:read"], DAY);
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let refused =
            stack.post("/api-keys", Some(&demo), &body).await.problem(422, "validation_failed");
        assert_eq!(refused["errors"][0]["pointer"], pointer, "{refused}");
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let short = stack
        .post("/api-keys", Some(&demo), &new_key(&["profits:read"], Duration::from_secs(2)))
        .await
        .expect(201);
    call(&stack, "GET", "/profits", &short).await.expect(200);
    let expires_at = platform::clock::parse_rfc3339(short["expires_at"].as_str().unwrap()).unwrap();
    while Clock::System.now() < expires_at {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    call(&stack, "GET", "/profits", &short).await.problem(401, "invalid_token");
}

#[tokio::test]
async fn an_account_has_as_many_keys_as_it_may_and_an_ended_one_makes_room() {
    let stack = TestStack::start().await;
    let demo = stack.demo().await;
    let create = async |lasts: Duration| {
        stack.post("/api-keys", Some(&demo), &new_key(&["profits:read"], lasts)).await
    };
    let short = create(Duration::from_secs(2)).await.expect(201);
    let mut answers = join_all((0..30).map(|_| create(DAY))).await;
    answers.sort_by_key(|answer| answer.status);
    for refused in answers.split_off(API_KEYS_PER_USER - 1) {
        refused.problem(409, "too_many_api_keys");
    }
    let made = answers[0].expect(201);
    // An expired key makes room for another, and so does a deleted one.
    let expires_at = platform::clock::parse_rfc3339(short["expires_at"].as_str().unwrap()).unwrap();
    while Clock::System.now() < expires_at {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    create(DAY).await.expect(201);
    create(DAY).await.problem(409, "too_many_api_keys");
    stack
        .delete(&format!("/api-keys/{}", made["id"].as_str().unwrap()), Some(&demo))
        .await
        .expect(204);
    create(DAY).await.expect(201);
    create(DAY).await.problem(409, "too_many_api_keys");
}

#[tokio::test]
async fn a_key_ends_with_a_password_that_is_reset_and_not_with_one_that_its_owner_changes() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let before = key(&stack, &caller, &["profits:read"]).await;
    let change = json!({"current_password": "Correct-Horse-9", "new_password": "Another-Horse-9"});
    stack.post("/auth/password", Some(&caller), &change).await.expect(204);
    call(&stack, "GET", "/profits", &before).await.expect(200);

    let token = stack
        .mailed_token("/auth/password/forgot", &format!("{}@example.com", caller.username))
        .await;
    let reset = json!({"token": token, "new_password": "Third-Horse-9"});
    stack.post("/auth/password/reset", None, &reset).await.expect(204);
    call(&stack, "GET", "/profits", &before).await.problem(401, "invalid_token");
    let caller = stack.login(&caller.username, "Third-Horse-9").await;
    assert_eq!(stack.get("/api-keys", Some(&caller)).await.expect(200)["items"], json!([]));
    call(&stack, "GET", "/profits", &key(&stack, &caller, &["profits:read"]).await)
        .await
        .expect(200);
    let event = stack.events(&stack.admin().await, "auth.password_reset").await.pop().unwrap();
    assert_eq!(event["detail"]["ended_api_keys"], json!([before["id"]]));
}
