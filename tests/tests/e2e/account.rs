//! Changes that owners make to their account: another password, name or address, and its deletion.

use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;
use platform::store::{Session, Sessions, Users};
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use crate::api_keys::new_key;
use crate::realtime::assert_alive;
use crate::users::patch;

const PASSWORD: &str = "Correct-Horse-9";
const NEW: &str = "Another-Horse-9";

async fn change_password(stack: &TestStack, caller: &Caller, current: &str, new: &str) -> Answer {
    stack
        .post(
            "/auth/password",
            Some(caller),
            &json!({"current_password": current, "new_password": new}),
        )
        .await
}

async fn update(stack: &TestStack, caller: &Caller, change: &Value) -> Answer {
    stack.call(Method::PATCH, "/auth/me", caller, change).await
}

async fn relocate(stack: &TestStack, caller: &Caller, email: &str) -> Answer {
    update(stack, caller, &json!({"email": email, "current_password": PASSWORD})).await
}

async fn delete(stack: &TestStack, caller: &Caller, password: &str) -> Answer {
    stack.call(Method::DELETE, "/auth/me", caller, &json!({"current_password": password})).await
}

async fn login(stack: &TestStack, identifier: &str, password: &str) -> Answer {
    stack.post("/auth/login", None, &json!({"username": identifier, "password": password})).await
}

async fn refresh(stack: &TestStack, caller: &Caller) -> Answer {
    stack.post("/auth/refresh", None, &json!({"refresh_token": caller.refresh})).await
}

async fn register(stack: &TestStack, username: &str, email: &str) -> Answer {
    stack
        .post(
            "/auth/register",
            None,
            &json!({"username": username, "email": email, "password": PASSWORD}),
        )
        .await
}

/// The caller's account.
async fn me(stack: &TestStack, caller: &Caller) -> Value {
    stack.get("/auth/me", Some(caller)).await.expect(200)["user"].clone()
}

/// The address that a caller registered with.
fn email(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

/// The outcomes of the events of an action, oldest first.
async fn outcomes(stack: &TestStack, action: &str) -> Vec<Value> {
    let events = stack.events(&stack.admin().await, action).await;
    events.into_iter().map(|event| event["outcome"].clone()).collect()
}

#[tokio::test]
async fn a_session_that_is_extended_during_a_password_change_keeps_its_new_expiry() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let platform = stack.platform("PasswordFunction");
    let database = platform.database().unwrap();
    let users = Users::new(&platform).unwrap();
    let sessions = Sessions::new(&platform).unwrap();
    let user = users.find(&caller.username).await.unwrap().unwrap();
    let (id, expires_at) = user.sessions.first_key_value().unwrap();
    // A session is extended between the read and the write of the password.
    let session = sessions.get(id).await.unwrap().unwrap();
    database
        .commit(vec![users.keep_session(&Session { expires_at: expires_at + 60, ..session })])
        .await
        .unwrap();
    database.commit(vec![users.set_password(&user, "hash", Some(id))]).await.unwrap();
    let after = users.get(&user.id).await.unwrap().unwrap();
    assert_eq!(
        (after.sessions.get(id), after.password_hash.as_deref()),
        (Some(&(expires_at + 60)), Some("hash"))
    );
}

#[tokio::test]
async fn another_password_ends_every_other_session_and_this_one_goes_on() {
    let stack = TestStack::start().await;
    let other = stack.someone().await;
    let caller = stack.login(&other.username, PASSWORD).await;
    let mut lost = stack.connect(&other).await;
    let mut kept = stack.connect(&caller).await;
    let token = stack.mailed_token("/auth/password/forgot", &email(&caller)).await;

    change_password(&stack, &caller, "Wrong-Horse-9", NEW)
        .await
        .problem(401, "invalid_credentials");
    change_password(&stack, &caller, PASSWORD, "weak").await.invalid(&["/new_password"]);
    change_password(&stack, &caller, PASSWORD, &format!("{}-A9", caller.username))
        .await
        .invalid(&["/new_password"]);
    assert_alive(&mut lost).await;
    change_password(&stack, &caller, PASSWORD, NEW).await.expect(204);

    assert_eq!(lost.next().await, None);
    assert_alive(&mut kept).await;
    refresh(&stack, &other).await.problem(401, "invalid_refresh_token");
    refresh(&stack, &caller).await.expect(200);
    login(&stack, &caller.username, PASSWORD).await.problem(401, "invalid_credentials");
    login(&stack, &caller.username, NEW).await.expect(200);
    // An earlier mailed token is no longer valid.
    let stale = json!({"token": token, "new_password": "Stolen-Horse-9"});
    stack.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");

    let notice = stack.local.outbox().mail(1).await;
    assert_eq!(
        (notice.to, notice.subject.as_str()),
        (vec![email(&caller)], "Your Tally password was changed")
    );
    let events = stack.events(&stack.admin().await, "auth.password_changed").await;
    let [refused, changed] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&refused["outcome"], &changed["outcome"]), (&json!("failure"), &json!("success")));
    assert_eq!(changed["detail"]["ended_sessions"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&changed["actor"]["username"], &refused["actor"]["username"]),
        (&json!(caller.username), &json!(caller.username))
    );
    assert!(changed["actor"]["session_id"].is_string());
    assert!(!events.iter().any(|event| event.to_string().contains("Horse")), "{events:?}");
}

#[tokio::test]
async fn of_many_who_change_a_password_at_once_one_succeeds() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let new = |number: usize| format!("Another-Horse-{number}");
    let answers = join_all((0..20).map(async |number| {
        (number, change_password(&stack, &caller, PASSWORD, &new(number)).await)
    }))
    .await;
    let (changed, refused): (Vec<_>, Vec<_>) =
        answers.into_iter().partition(|(_, answer)| answer.status == 204);
    assert_eq!((changed.len(), refused.len()), (1, 19));
    for (_, answer) in refused {
        answer.problem(401, "invalid_credentials");
    }
    login(&stack, &caller.username, &new(changed[0].0)).await.expect(200);
}

#[tokio::test]
async fn a_login_that_races_a_password_change_leaves_no_session_of_the_old_password() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    // Use few enough logins that none evicts a session.
    let logins = join_all((0..2).map(|_| login(&stack, &caller.username, PASSWORD)));
    let (changed, logins) = join(change_password(&stack, &caller, PASSWORD, NEW), logins).await;
    changed.expect(204);
    for answer in logins {
        if answer.status == 200 {
            let spend = json!({"refresh_token": answer.json()["refresh_token"]});
            stack.post("/auth/refresh", None, &spend).await.problem(401, "invalid_refresh_token");
        } else {
            answer.problem(401, "invalid_credentials");
        }
    }
    refresh(&stack, &caller).await.expect(200);
}

#[tokio::test]
async fn a_name_is_set_and_taken_away() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    for (sent, name) in [
        (json!(" Anna Berg "), json!("Anna Berg")),
        (json!(null), json!(null)),
        (json!("李小龍"), json!("李小龍")),
        (json!(" "), json!(null)),
    ] {
        let answer = update(&stack, &caller, &json!({"full_name": sent})).await.expect(200);
        assert_eq!(answer["user"]["full_name"], name, "{sent}");
        assert_eq!(me(&stack, &caller).await, answer["user"]);
    }
    assert_eq!(outcomes(&stack, "account.updated").await, ["success"; 4]);
    // An empty field has the same meaning at registration.
    let body = json!({
        "username": "nameless", "email": "nameless@example.com", "password": PASSWORD,
        "full_name": "",
    });
    assert_eq!(
        stack.post("/auth/register", None, &body).await.expect(201)["user"]["full_name"],
        json!(null)
    );
}

#[tokio::test]
async fn what_is_no_change_of_an_account_is_refused_by_field() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let before = me(&stack, &caller).await;
    let long = "x".repeat(2_000);
    for (change, faults) in [
        (json!({}), &["/full_name"][..]),
        (json!({"full_name": 1}), &["/full_name"]),
        (json!({"full_name": "x".repeat(101)}), &["/full_name"]),
        (json!({"full_name": "a\u{0}b"}), &["/full_name"]),
        (json!({"full_name": "a\nb"}), &["/full_name"]),
        (json!({"email": "new@example.com"}), &["/current_password"]),
        (json!({"email": null, "current_password": PASSWORD}), &["/email"]),
        (json!({"current_password": PASSWORD}), &["/email"]),
        (
            json!({"email": "new@example.com\r\nBcc: \
                             all@example.com", "current_password": PASSWORD}),
            &["/email"],
        ),
        (
            json!({"email": "email#new@example", "current_password": [PASSWORD]}),
            &["/email", "/current_password"],
        ),
        (json!({"email": "new@example.com", "current_password": long}), &["/current_password"]),
        (
            json!({"full_name": "Anna", "email": "new@example.com", "current_password": PASSWORD}),
            &["/full_name"],
        ),
        (
            json!({"full_name": "Anna", "roles": ["admin"], "is_active": true}),
            &["/is_active", "/roles"],
        ),
        (
            json!({"full_name": "Anna", "version": 1, "username": "admin"}),
            &["/username", "/version"],
        ),
    ] {
        update(&stack, &caller, &change).await.invalid(faults);
    }
    let deletion = |body: &'static str, kind: &'static str| {
        let request = stack.request(Method::DELETE, "/auth/me").bearer_auth(&caller.access);
        stack.send(request.header("content-type", kind).body(body))
    };
    deletion("", "application/json").await.problem(400, "malformed_json");
    deletion("{", "application/json").await.problem(400, "malformed_json");
    deletion("current_password=x", "application/x-www-form-urlencoded")
        .await
        .problem(415, "unsupported_media_type");
    deletion("{}", "application/json").await.invalid(&["/current_password"]);
    deletion(r#"{"current_password": "x", "id": "y"}"#, "application/json").await.invalid(&["/id"]);
    assert_eq!(me(&stack, &caller).await, before);
}

#[tokio::test]
async fn an_account_moves_to_another_address_and_frees_the_old_one() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let old = email(&caller);
    let new = format!("New.{}@example.com", caller.username);
    let token = stack.mailed_token("/auth/password/forgot", &old).await;

    let wrong = json!({"email": new, "current_password": "Wrong-Horse-9"});
    update(&stack, &caller, &wrong).await.problem(401, "invalid_credentials");
    relocate(&stack, &caller, "DEMO@example.com").await.problem(409, "account_exists");
    let moved = relocate(&stack, &caller, &new).await.expect(200);
    assert_eq!(moved["user"]["email"], new);
    assert_eq!(me(&stack, &caller).await, moved["user"]);

    // Sessions go on. A token that was mailed to the old address is not valid.
    refresh(&stack, &caller).await.expect(200);
    let stale = json!({"token": token, "new_password": NEW});
    stack.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");
    login(&stack, &new.to_uppercase(), PASSWORD).await.expect(200);
    login(&stack, &old, PASSWORD).await.problem(401, "invalid_credentials");
    register(&stack, "heir", &old).await.expect(201);
    register(&stack, "late", &new.to_lowercase()).await.problem(409, "account_exists");
    // The same address in another case is no change.
    assert_eq!(
        relocate(&stack, &caller, &new.to_lowercase()).await.expect(200)["user"]["email"],
        new.to_lowercase()
    );
    register(&stack, "late", &new).await.problem(409, "account_exists");

    let notice = stack.local.outbox().mail(1).await;
    assert_eq!((notice.to, notice.subject.as_str()), (vec![old], "Your Tally address was changed"));
    assert_eq!(
        outcomes(&stack, "auth.email_changed").await,
        ["failure", "failure", "success", "success"]
    );
    assert_eq!(outcomes(&stack, "account.updated").await, [] as [Value; 0]);
}

#[tokio::test]
async fn of_twenty_who_want_one_address_one_gets_it() {
    let stack = TestStack::start().await;
    let mut callers = Vec::new();
    for _ in 0..20 {
        callers.push(stack.someone().await);
    }
    let answers =
        join_all(callers.iter().map(|caller| relocate(&stack, caller, "wanted@example.com"))).await;
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(200), statuses(409)), (1, 19), "{answers:?}");
    for (caller, answer) in callers.iter().zip(&answers) {
        if answer.status == 409 {
            answer.problem(409, "account_exists");
            // Each refused caller still has the old address.
            login(&stack, &email(caller), PASSWORD).await.expect(200);
        }
    }
}

#[tokio::test]
async fn an_account_that_moves_to_many_addresses_at_once_holds_one() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let address = |number: usize| format!("place{number}@example.com");
    let answers =
        join_all((0..5).map(async |number| relocate(&stack, &caller, &address(number)).await))
            .await;
    for answer in answers {
        answer.expect(200);
    }
    let holds = me(&stack, &caller).await["email"].clone();
    for (number, place) in (0..5).map(address).chain([email(&caller)]).enumerate() {
        let status = register(&stack, &format!("visitor_{number}"), &place).await.status;
        assert_eq!(status, if holds == place { 409 } else { 201 }, "{place}");
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_name_and_address_are_free() {
    let stack = TestStack::start().await;
    let other = stack.someone().await;
    let caller = stack.login(&other.username, PASSWORD).await;
    let user_id = id(&me(&stack, &caller).await);
    let mut first = stack.connect(&other).await;
    let mut second = stack.connect(&caller).await;
    let key = stack
        .post("/api-keys", Some(&caller), &new_key(&["profits:read"], Duration::from_hours(1)))
        .await
        .expect(201);
    let by_key = || {
        stack.send(
            stack
                .request(Method::GET, "/profits")
                .header("x-api-key", key["key"].as_str().unwrap()),
        )
    };
    by_key().await.expect(200);
    let token = stack.mailed_token("/auth/password/forgot", &email(&caller)).await;

    delete(&stack, &caller, "Wrong-Horse-9").await.problem(401, "invalid_credentials");
    assert_alive(&mut first).await;
    delete(&stack, &caller, PASSWORD).await.expect(204);

    assert_eq!((first.next().await, second.next().await), (None, None));
    for caller in [&other, &caller] {
        refresh(&stack, caller).await.problem(401, "invalid_refresh_token");
        stack.get("/auth/me", Some(caller)).await.problem(401, "invalid_token");
        delete(&stack, caller, PASSWORD).await.problem(401, "invalid_token");
    }
    by_key().await.problem(401, "invalid_token");
    login(&stack, &caller.username, PASSWORD).await.problem(401, "invalid_credentials");
    let stale = json!({"token": token, "new_password": NEW});
    stack.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");

    let heir = register(&stack, &caller.username, &email(&caller)).await.expect(201);
    assert_ne!(id(&heir["user"]), user_id);
    let notice = stack.local.outbox().mail(1).await;
    assert_eq!(
        (notice.to, notice.subject.as_str()),
        (vec![email(&caller)], "Your Tally account was deleted")
    );
    // The audit log keeps the events, under an id that no account has any more.
    let admin = stack.admin().await;
    let events = stack.events(&admin, "account.deleted").await;
    let deleted = events.iter().find(|event| event["outcome"] == "success").unwrap();
    assert_eq!(
        (&deleted["resource"], &deleted["actor"]["user_id"]),
        (&json!(format!("user:{user_id}")), &json!(user_id))
    );
    assert_eq!(deleted["detail"]["ended_sessions"].as_array().unwrap().len(), 2);
    stack.get(&format!("/users/{user_id}"), Some(&admin)).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_last_administrator_stays_also_when_two_go_at_once() {
    let stack = TestStack::start().await;
    let admin = stack.admin().await;
    delete(&stack, &admin, "SecureAdmin123!").await.problem(409, "last_admin");
    stack.get("/users", Some(&admin)).await.expect(200);
    let mut pair = Vec::new();
    for _ in 0..2 {
        let caller = stack.someone().await;
        patch(&stack, &admin, &id(&me(&stack, &caller).await), &json!({"roles": ["admin"]}))
            .await
            .expect(200);
        pair.push(caller);
    }
    let admin_id = id(&me(&stack, &admin).await);
    patch(&stack, &pair[0], &admin_id, &json!({"roles": ["auditor"]})).await.expect(200);

    let answers =
        join(delete(&stack, &pair[0], PASSWORD), delete(&stack, &pair[1], PASSWORD)).await;
    let (gone, stays) = if answers.0.status == 204 {
        (answers.0, (&pair[1], answers.1))
    } else {
        (answers.1, (&pair[0], answers.0))
    };
    gone.expect(204);
    stays.1.problem(409, "last_admin");
    stack.get("/users", Some(stays.0)).await.expect(200);
    assert_eq!(
        outcomes(&stack, "account.deleted")
            .await
            .iter()
            .filter(|outcome| **outcome == "success")
            .count(),
        1
    );
}

#[tokio::test]
async fn guesses_at_the_current_password_are_counted_together_wherever_they_are_made() {
    let stack = TestStack::with(&[("RateLimits", "account=3/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let wrong = "Wrong-Horse-9";
    change_password(&stack, &caller, wrong, NEW).await.problem(401, "invalid_credentials");
    let guess = json!({"email": "new@example.com", "current_password": wrong});
    update(&stack, &caller, &guess).await.problem(401, "invalid_credentials");
    delete(&stack, &caller, wrong).await.problem(401, "invalid_credentials");
    for answer in [
        change_password(&stack, &caller, PASSWORD, NEW).await,
        relocate(&stack, &caller, "new@example.com").await,
        delete(&stack, &caller, PASSWORD).await,
    ] {
        answer.problem(429, "rate_limited");
    }
    // Another user has a separate count of guesses.
    change_password(&stack, &stack.someone().await, wrong, NEW)
        .await
        .problem(401, "invalid_credentials");
}
