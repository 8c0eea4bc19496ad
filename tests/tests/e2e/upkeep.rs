//! Changes that owners make to their account: another password, name or address, and its deletion.

use std::time::Duration;

use futures_util::future::{join, join_all};
use http::Method;
use platform::store::{Session, Sessions, Users};
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, World, id};

use crate::api_keys::new_key;
use crate::realtime::assert_alive;
use crate::users::patch;

const PASSWORD: &str = "Correct-Horse-9";
const NEW: &str = "Another-Horse-9";

async fn change_password(world: &World, caller: &Caller, current: &str, new: &str) -> Answer {
    world.post("/auth/password", Some(caller), &json!({"current_password": current, "new_password": new})).await
}

async fn update(world: &World, caller: &Caller, change: &Value) -> Answer {
    world.call(Method::PATCH, "/auth/me", caller, change).await
}

async fn relocate(world: &World, caller: &Caller, email: &str) -> Answer {
    update(world, caller, &json!({"email": email, "current_password": PASSWORD})).await
}

async fn delete(world: &World, caller: &Caller, password: &str) -> Answer {
    world.call(Method::DELETE, "/auth/me", caller, &json!({"current_password": password})).await
}

async fn login(world: &World, identifier: &str, password: &str) -> Answer {
    world.post("/auth/login", None, &json!({"username": identifier, "password": password})).await
}

async fn refresh(world: &World, caller: &Caller) -> Answer {
    world.post("/auth/refresh", None, &json!({"refresh_token": caller.refresh})).await
}

async fn register(world: &World, username: &str, email: &str) -> Answer {
    world.post("/auth/register", None, &json!({"username": username, "email": email, "password": PASSWORD})).await
}

/// The caller's account.
async fn me(world: &World, caller: &Caller) -> Value {
    world.get("/auth/me", Some(caller)).await.expect(200)["user"].clone()
}

/// The address that a caller registered with.
fn email(caller: &Caller) -> String {
    format!("{}@example.com", caller.username)
}

/// The outcomes of the events of an action, oldest first.
async fn outcomes(world: &World, action: &str) -> Vec<Value> {
    let events = world.events(&world.admin().await, action).await;
    events.into_iter().map(|event| event["outcome"].clone()).collect()
}

#[tokio::test]
async fn a_session_that_goes_on_meanwhile_keeps_its_new_expiry_with_another_password() {
    let world = World::start().await;
    let caller = world.someone().await;
    let platform = world.platform("PasswordFunction");
    let database = platform.database().unwrap();
    let users = Users::new(database.clone(), &platform.config).unwrap();
    let sessions = Sessions::new(database.clone(), &platform.config).unwrap();
    let user = users.find(&caller.username).await.unwrap().unwrap();
    let (id, expires_at) = user.sessions.first_key_value().unwrap();
    // A session is extended between the read and the write of the password.
    let session = sessions.get(id).await.unwrap().unwrap();
    database.commit(vec![users.keep_session(&Session { expires_at: expires_at + 60, ..session })]).await.unwrap();
    database.commit(vec![users.set_password(&user, "hash", Some(id))]).await.unwrap();
    let after = users.get(&user.id).await.unwrap().unwrap();
    assert_eq!((after.sessions.get(id), after.password_hash.as_str()), (Some(&(expires_at + 60)), "hash"));
}

#[tokio::test]
async fn another_password_ends_every_other_session_and_this_one_goes_on() {
    let world = World::start().await;
    let other = world.someone().await;
    let caller = world.login(&other.username, PASSWORD).await;
    let (mut lost, mut kept) = (world.connect(&other).await, world.connect(&caller).await);
    let token = world.mailed_token("/auth/password/forgot", &email(&caller)).await;

    change_password(&world, &caller, "Wrong-Horse-9", NEW).await.problem(401, "invalid_credentials");
    change_password(&world, &caller, PASSWORD, "weak").await.invalid(&["/new_password"]);
    change_password(&world, &caller, PASSWORD, &format!("{}-A9", caller.username)).await.invalid(&["/new_password"]);
    assert_alive(&mut lost).await;
    change_password(&world, &caller, PASSWORD, NEW).await.expect(204);

    assert_eq!(lost.next().await, None);
    assert_alive(&mut kept).await;
    refresh(&world, &other).await.problem(401, "invalid_refresh_token");
    refresh(&world, &caller).await.expect(200);
    login(&world, &caller.username, PASSWORD).await.problem(401, "invalid_credentials");
    login(&world, &caller.username, NEW).await.expect(200);
    // An earlier mailed token is no longer valid.
    let stale = json!({"token": token, "new_password": "Stolen-Horse-9"});
    world.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");

    let notice = world.stack.outbox().mail(1).await;
    assert_eq!((notice.to, notice.subject.as_str()), (vec![email(&caller)], "Your Tally password was changed"));
    let events = world.events(&world.admin().await, "auth.password_changed").await;
    let [refused, changed] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&refused["outcome"], &changed["outcome"]), (&json!("failure"), &json!("success")));
    assert_eq!(changed["detail"]["ended_sessions"].as_array().unwrap().len(), 1);
    assert_eq!((&changed["actor"]["username"], &refused["actor"]["username"]), (&json!(caller.username), &json!(caller.username)));
    assert!(changed["actor"]["session_id"].is_string());
    assert!(!events.iter().any(|event| event.to_string().contains("Horse")), "{events:?}");
}

#[tokio::test]
async fn of_many_who_change_a_password_at_once_one_succeeds() {
    let world = World::start().await;
    let caller = world.someone().await;
    let new = |number: usize| format!("Another-Horse-{number}");
    let answers = join_all((0..20).map(async |number| (number, change_password(&world, &caller, PASSWORD, &new(number)).await))).await;
    let (changed, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, answer)| answer.status == 204);
    assert_eq!((changed.len(), refused.len()), (1, 19));
    for (_, answer) in refused {
        answer.problem(401, "invalid_credentials");
    }
    login(&world, &caller.username, &new(changed[0].0)).await.expect(200);
}

#[tokio::test]
async fn a_login_that_races_a_password_change_leaves_no_session_of_the_old_password() {
    let world = World::start().await;
    let caller = world.someone().await;
    // Use few enough logins that none evicts a session.
    let logins = join_all((0..2).map(|_| login(&world, &caller.username, PASSWORD)));
    let (changed, logins) = join(change_password(&world, &caller, PASSWORD, NEW), logins).await;
    changed.expect(204);
    for answer in logins {
        if answer.status == 200 {
            let spend = json!({"refresh_token": answer.json()["refresh_token"]});
            world.post("/auth/refresh", None, &spend).await.problem(401, "invalid_refresh_token");
        } else {
            answer.problem(401, "invalid_credentials");
        }
    }
    refresh(&world, &caller).await.expect(200);
}

#[tokio::test]
async fn a_name_is_set_and_taken_away() {
    let world = World::start().await;
    let caller = world.someone().await;
    for (sent, name) in [
        (json!(" Anna Berg "), json!("Anna Berg")),
        (json!(null), json!(null)),
        (json!("李小龍"), json!("李小龍")),
        (json!(" "), json!(null)),
    ] {
        let answer = update(&world, &caller, &json!({"full_name": sent})).await.expect(200);
        assert_eq!(answer["user"]["full_name"], name, "{sent}");
        assert_eq!(me(&world, &caller).await, answer["user"]);
    }
    assert_eq!(outcomes(&world, "account.updated").await, ["success"; 4]);
    // An empty field has the same meaning at registration.
    let body = json!({"username": "nameless", "email": "nameless@example.com", "password": PASSWORD, "full_name": ""});
    assert_eq!(world.post("/auth/register", None, &body).await.expect(201)["user"]["full_name"], json!(null));
}

#[tokio::test]
async fn what_is_no_change_of_an_account_is_refused_by_field() {
    let world = World::start().await;
    let caller = world.someone().await;
    let before = me(&world, &caller).await;
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
        (json!({"email": "new@example.com\r\nBcc: all@example.com", "current_password": PASSWORD}), &["/email"]),
        (json!({"email": "email#new@example", "current_password": [PASSWORD]}), &["/email", "/current_password"]),
        (json!({"email": "new@example.com", "current_password": long}), &["/current_password"]),
        (json!({"full_name": "Anna", "email": "new@example.com", "current_password": PASSWORD}), &["/full_name"]),
        (json!({"full_name": "Anna", "roles": ["admin"], "is_active": true}), &["/is_active", "/roles"]),
        (json!({"full_name": "Anna", "version": 1, "username": "admin"}), &["/username", "/version"]),
    ] {
        update(&world, &caller, &change).await.invalid(faults);
    }
    let deletion = |body: &'static str, kind: &'static str| {
        let request = world.request(Method::DELETE, "/auth/me").bearer_auth(&caller.access);
        world.send(request.header("content-type", kind).body(body))
    };
    deletion("", "application/json").await.problem(400, "malformed_json");
    deletion("{", "application/json").await.problem(400, "malformed_json");
    deletion("current_password=x", "application/x-www-form-urlencoded").await.problem(415, "unsupported_media_type");
    deletion("{}", "application/json").await.invalid(&["/current_password"]);
    deletion(r#"{"current_password": "x", "id": "y"}"#, "application/json").await.invalid(&["/id"]);
    assert_eq!(me(&world, &caller).await, before);
}

#[tokio::test]
async fn an_account_moves_to_another_address_and_frees_the_old_one() {
    let world = World::start().await;
    let caller = world.someone().await;
    let (old, new) = (email(&caller), format!("New.{}@example.com", caller.username));
    let token = world.mailed_token("/auth/password/forgot", &old).await;

    let wrong = json!({"email": new, "current_password": "Wrong-Horse-9"});
    update(&world, &caller, &wrong).await.problem(401, "invalid_credentials");
    relocate(&world, &caller, "DEMO@example.com").await.problem(409, "account_exists");
    let moved = relocate(&world, &caller, &new).await.expect(200);
    assert_eq!(moved["user"]["email"], new);
    assert_eq!(me(&world, &caller).await, moved["user"]);

    // Sessions go on. A token that was mailed to the old address is not valid.
    refresh(&world, &caller).await.expect(200);
    let stale = json!({"token": token, "new_password": NEW});
    world.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");
    login(&world, &new.to_uppercase(), PASSWORD).await.expect(200);
    login(&world, &old, PASSWORD).await.problem(401, "invalid_credentials");
    register(&world, "heir", &old).await.expect(201);
    register(&world, "late", &new.to_lowercase()).await.problem(409, "account_exists");
    // The same address in another case is no change.
    assert_eq!(relocate(&world, &caller, &new.to_lowercase()).await.expect(200)["user"]["email"], new.to_lowercase());
    register(&world, "late", &new).await.problem(409, "account_exists");

    let notice = world.stack.outbox().mail(1).await;
    assert_eq!((notice.to, notice.subject.as_str()), (vec![old], "Your Tally address was changed"));
    assert_eq!(outcomes(&world, "auth.email_changed").await, ["failure", "failure", "success", "success"]);
    assert_eq!(outcomes(&world, "account.updated").await, [] as [Value; 0]);
}

#[tokio::test]
async fn of_twenty_who_want_one_address_one_gets_it() {
    let world = World::start().await;
    let mut callers = Vec::new();
    for _ in 0..20 {
        callers.push(world.someone().await);
    }
    let answers = join_all(callers.iter().map(|caller| relocate(&world, caller, "wanted@example.com"))).await;
    let statuses = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((statuses(200), statuses(409)), (1, 19), "{answers:?}");
    for (caller, answer) in callers.iter().zip(&answers) {
        if answer.status == 409 {
            answer.problem(409, "account_exists");
            // Each refused caller still has the old address.
            login(&world, &email(caller), PASSWORD).await.expect(200);
        }
    }
}

#[tokio::test]
async fn an_account_that_moves_to_many_addresses_at_once_holds_one() {
    let world = World::start().await;
    let caller = world.someone().await;
    let address = |number: usize| format!("place{number}@example.com");
    let answers = join_all((0..5).map(async |number| relocate(&world, &caller, &address(number)).await)).await;
    for answer in answers {
        answer.expect(200);
    }
    let holds = me(&world, &caller).await["email"].clone();
    for (number, place) in (0..5).map(address).chain([email(&caller)]).enumerate() {
        let status = register(&world, &format!("visitor_{number}"), &place).await.status;
        assert_eq!(status, if holds == place { 409 } else { 201 }, "{place}");
    }
}

#[tokio::test]
async fn a_deleted_account_is_gone_and_its_name_and_address_are_free() {
    let world = World::start().await;
    let other = world.someone().await;
    let caller = world.login(&other.username, PASSWORD).await;
    let user_id = id(&me(&world, &caller).await);
    let (mut first, mut second) = (world.connect(&other).await, world.connect(&caller).await);
    let key = world.post("/api-keys", Some(&caller), &new_key(&["profits:read"], Duration::from_hours(1))).await.expect(201);
    let by_key = || world.send(world.request(Method::GET, "/profits").header("x-api-key", key["key"].as_str().unwrap()));
    by_key().await.expect(200);
    let token = world.mailed_token("/auth/password/forgot", &email(&caller)).await;

    delete(&world, &caller, "Wrong-Horse-9").await.problem(401, "invalid_credentials");
    assert_alive(&mut first).await;
    delete(&world, &caller, PASSWORD).await.expect(204);

    assert_eq!((first.next().await, second.next().await), (None, None));
    for caller in [&other, &caller] {
        refresh(&world, caller).await.problem(401, "invalid_refresh_token");
        world.get("/auth/me", Some(caller)).await.problem(401, "invalid_token");
        delete(&world, caller, PASSWORD).await.problem(401, "invalid_token");
    }
    by_key().await.problem(401, "invalid_token");
    login(&world, &caller.username, PASSWORD).await.problem(401, "invalid_credentials");
    let stale = json!({"token": token, "new_password": NEW});
    world.post("/auth/password/reset", None, &stale).await.problem(401, "invalid_token");

    let heir = register(&world, &caller.username, &email(&caller)).await.expect(201);
    assert_ne!(id(&heir["user"]), user_id);
    let notice = world.stack.outbox().mail(1).await;
    assert_eq!((notice.to, notice.subject.as_str()), (vec![email(&caller)], "Your Tally account was deleted"));
    // The audit log keeps the events, under an id that no account has any more.
    let admin = world.admin().await;
    let events = world.events(&admin, "account.deleted").await;
    let deleted = events.iter().find(|event| event["outcome"] == "success").unwrap();
    assert_eq!((&deleted["resource"], &deleted["actor"]["user_id"]), (&json!(format!("user:{user_id}")), &json!(user_id)));
    assert_eq!(deleted["detail"]["ended_sessions"].as_array().unwrap().len(), 2);
    world.get(&format!("/users/{user_id}"), Some(&admin)).await.problem(404, "not_found");
}

#[tokio::test]
async fn the_last_administrator_stays_also_when_two_go_at_once() {
    let world = World::start().await;
    let admin = world.admin().await;
    delete(&world, &admin, "SecureAdmin123!").await.problem(409, "last_admin");
    world.get("/users", Some(&admin)).await.expect(200);
    let mut pair = Vec::new();
    for _ in 0..2 {
        let caller = world.someone().await;
        patch(&world, &admin, &id(&me(&world, &caller).await), &json!({"roles": ["admin"]})).await.expect(200);
        pair.push(caller);
    }
    let admin_id = id(&me(&world, &admin).await);
    patch(&world, &pair[0], &admin_id, &json!({"roles": ["auditor"]})).await.expect(200);

    let answers = join(delete(&world, &pair[0], PASSWORD), delete(&world, &pair[1], PASSWORD)).await;
    let (gone, stays) = if answers.0.status == 204 { (answers.0, (&pair[1], answers.1)) } else { (answers.1, (&pair[0], answers.0)) };
    gone.expect(204);
    stays.1.problem(409, "last_admin");
    world.get("/users", Some(stays.0)).await.expect(200);
    assert_eq!(outcomes(&world, "account.deleted").await.iter().filter(|outcome| **outcome == "success").count(), 1);
}

#[tokio::test]
async fn guesses_at_the_current_password_are_counted_together_wherever_they_are_made() {
    let world = World::with(&[("RateLimits", "account=3/1h,*=100000/1m")]).await;
    let caller = world.someone().await;
    let wrong = "Wrong-Horse-9";
    change_password(&world, &caller, wrong, NEW).await.problem(401, "invalid_credentials");
    let guess = json!({"email": "new@example.com", "current_password": wrong});
    update(&world, &caller, &guess).await.problem(401, "invalid_credentials");
    delete(&world, &caller, wrong).await.problem(401, "invalid_credentials");
    for answer in [
        change_password(&world, &caller, PASSWORD, NEW).await,
        relocate(&world, &caller, "new@example.com").await,
        delete(&world, &caller, PASSWORD).await,
    ] {
        answer.problem(429, "rate_limited");
    }
    // Another user has a separate count of guesses.
    change_password(&world, &world.someone().await, wrong, NEW).await.problem(401, "invalid_credentials");
}
