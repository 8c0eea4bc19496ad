//! The erasure of a user: who may ask for it and confirm it, and what it leaves.

use std::collections::BTreeSet;
use std::time::Duration;

use ::texts::{TextError, Texts};
use futures_util::future::join_all;
use http::Method;
use platform::audit::{AuditDetails, Outcome};
use platform::clock::{Clock, parse_rfc3339};
use platform::context::Context;
use platform::identity::Identity;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, TestStack, id};

use super::sealed_log::SealedLog;
use super::tampering::verify;
use super::{DAY_MS, ask, write};
use crate::api_keys::new_key;
use crate::chat::{FAST, SLOW, path_of, text};
use crate::files;
use crate::job_api;
use crate::job_samples::analysis;
use crate::personal_data::holders;

const PASSWORD: &str = "Correct-Horse-9";

pub async fn request_erasure(stack: &TestStack, admin: &Caller, user_id: &str) -> Answer {
    let request = stack.request(Method::POST, &format!("/users/{user_id}/erase"));
    stack.send(request.bearer_auth(&admin.access)).await
}

pub async fn confirm_erasure(stack: &TestStack, admin: &Caller, user_id: &str) -> Answer {
    let request = stack.request(Method::POST, &format!("/users/{user_id}/erase/confirm"));
    stack.send(request.bearer_auth(&admin.access)).await
}

async fn erasure(stack: &TestStack, admin: &Caller, user_id: &str) -> Answer {
    stack.get(&format!("/users/{user_id}/erase"), Some(admin)).await
}

pub async fn own_id(stack: &TestStack, caller: &Caller) -> String {
    id(&stack.get("/auth/me", Some(caller)).await.expect(200)["user"])
}

/// Another administrator, made by one.
pub async fn second_admin(stack: &TestStack, admin: &Caller) -> Caller {
    let second = stack.someone().await;
    let path = format!("/users/{}", own_id(stack, &second).await);
    stack.call(Method::PATCH, &path, admin, &json!({"roles": ["admin"]})).await.expect(200);
    second
}

/// The texts of an event as an auditor is shown them.
async fn shown_texts(stack: &TestStack, auditor: &Caller, event: &Value) -> Vec<Value> {
    let path = format!("/audit/{}?texts=true", id(event));
    let shown = stack.get(&path, Some(auditor)).await.expect(200);
    assert_eq!(shown["hash"], event["hash"]);
    shown["texts"].as_array().unwrap().clone()
}

async fn assert_readable(stack: &TestStack, auditor: &Caller, event: &Value) {
    let texts = shown_texts(stack, auditor, event).await;
    assert!(texts.len() == 2 && texts.iter().all(|text| text["text"].is_string()), "{texts:?}");
}

async fn assert_unreadable(stack: &TestStack, auditor: &Caller, event: &Value) {
    for text in shown_texts(stack, auditor, event).await {
        assert_eq!((&text["unreadable"], text.get("text")), (&json!("erased"), None));
    }
}

/// Runs a worker for a user. Says whether it succeeded.
pub async fn start(stack: &TestStack, function: &str, user_id: &str) -> bool {
    let payload = json!({"user_id": user_id}).to_string();
    stack.local.invoke(function, payload).await.is_ok()
}

/// Makes what an erasure waits for long ago: the end of the key, and the purge jobs.
async fn age(stack: &TestStack, user_id: &str) {
    for (table, attribute) in [("DataKeysTable", "erased_at"), ("SweepsTable", "deleted_at")] {
        for mut item in stack.items(table).await {
            let is_younger = item[attribute].is_object() && item[attribute]["N"] != "1";
            if item["user_id"]["S"] == user_id && is_younger {
                item[attribute] = json!({"N": "1"});
                stack.put_item(table, &item).await;
            }
        }
    }
}

/// Runs the workers of an erasure, as their schedules do, until nothing is left to do. A run may be
/// cut.
pub async fn finish(stack: &TestStack, user_id: &str) {
    loop {
        let items = stack.items("ErasuresTable").await;
        let item = items.iter().find(|item| item["user_id"]["S"] == user_id).unwrap();
        if !item["completed_at"].is_null() {
            return;
        }
        start(stack, "EraseFunction", user_id).await;
        age(stack, user_id).await;
        start(stack, "PurgeConversationsFunction", user_id).await;
    }
}

/// Fails unless nothing of an erased user is left but events and a few items with the id.
pub async fn assert_erased(stack: &TestStack, user_id: &str, said: &[&str]) {
    // `$disconnect` and mail come after the end of a session.
    let items = loop {
        let items = stack.all_items().await;
        let later = ["ConnectionsTable", "ErrandsTable"];
        let found = holders(&items, &[user_id.to_owned()]);
        if later.iter().all(|table| !found.contains(table)) {
            break items;
        }
    };
    let said: Vec<_> = said.iter().map(|said| said.to_lowercase()).collect();
    assert_eq!(holders(&items, &said), BTreeSet::new());
    let kept = [
        "AuditSequenceTable",
        "AuditTable",
        "DataKeysTable",
        "ErasuresTable",
        // For two days at most.
        "IdempotencyTable",
        "LimitsTable",
    ];
    let found = holders(&items, &[user_id.to_owned()]);
    assert!(found.is_subset(&kept.into()), "{found:?}");
    let keys = stack.items("DataKeysTable").await;
    let key = keys.iter().find(|key| key["user_id"]["S"] == user_id).unwrap();
    let attributes: BTreeSet<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(attributes, ["erased_at", "user_id"].into());
}

/// Number of events of an action that succeeded for a user.
pub async fn done(stack: &TestStack, auditor: &Caller, action: &str, user_id: &str) -> usize {
    let resource = format!("user:{user_id}");
    let events = stack.events(auditor, action).await;
    let is_it =
        |event: &&Value| event["resource"] == resource.as_str() && event["outcome"] == "success";
    events.iter().filter(is_it).count()
}

#[tokio::test]
async fn two_administrators_erase_a_user_and_leave_no_more_than_events() {
    const SAID: &str = "Quarterly secret";
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let (person, other) = (stack.someone().await, stack.someone().await);
    let (user_id, other_id) = (own_id(&stack, &person).await, own_id(&stack, &other).await);
    let mut events = Vec::new();
    let mut answers = Vec::new();
    for (caller, user_id) in [(&person, &user_id), (&other, &other_id)] {
        let said = if caller.username == person.username { SAID } else { "Keep this" };
        let (answer, event) = ask(&stack, caller, said).await;
        answers.push(answer);
        events.push(event);
        stack.post("/tasks", Some(caller), &json!({"title": said})).await.expect(201);
        let file = files::text(said).announcement();
        stack.post("/files", Some(caller), &file).await.expect(201);
        let job = analysis(&stack, caller, said).await.expect(202);
        job_api::ended(&stack, caller, &job).await;
        let key = new_key(&["chat:write"], Duration::from_hours(24));
        stack.post("/api-keys", Some(caller), &key).await.expect(201);
        let path = format!("/users/{user_id}/budget");
        stack.call(Method::PUT, &path, &first, &json!({"monthly_usd": "5"})).await.expect(200);
    }
    let log = SealedLog::of(&stack).await;
    let size = log.check(&stack).await.entries.len();

    let asked = request_erasure(&stack, &first, &user_id).await.expect(202);
    assert_eq!(asked["status"], "awaiting_confirmation");
    assert_eq!(asked["requested_by"], own_id(&stack, &first).await);
    assert_eq!(asked.get("complete_after"), None);
    assert_eq!(erasure(&stack, &second, &user_id).await.expect(200), asked);
    // Nothing is destroyed before the confirmation. The audit function has the plain key now.
    start(&stack, "EraseFunction", &user_id).await;
    assert_readable(&stack, &first, &events[0]).await;
    let of_other = async || {
        let items = stack.all_items().await.into_iter();
        let tables = ["AuditTable", "AuditSequenceTable", "DraftsTable", "LimitsTable"];
        let own = items.filter(|(table, item)| {
            !tables.contains(table) && item.to_string().contains(&other_id)
        });
        let mut own: Vec<_> = own.map(|(table, item)| format!("{table} {item}")).collect();
        own.sort_unstable();
        own
    };
    let before = of_other().await;

    let running = confirm_erasure(&stack, &second, &user_id).await.expect(202);
    assert_eq!(running["status"], "running");
    finish(&stack, &user_id).await;
    let complete = erasure(&stack, &first, &user_id).await.expect(200);
    assert_eq!(complete["status"], "complete");
    let after = parse_rfc3339(text(&complete["complete_after"])).unwrap().as_millisecond();
    let days = (after - Clock::System.now().as_millisecond()) / DAY_MS;
    assert_eq!(days, 34, "35 days, from a moment ago on");

    assert_erased(&stack, &user_id, &[SAID, text(&answers[0]["reply"])]).await;
    stack.get("/auth/sessions", Some(&person)).await.problem(401, "invalid_token");
    let credentials = json!({"username": person.username, "password": PASSWORD});
    stack.post("/auth/login", None, &credentials).await.problem(401, "invalid_credentials");
    // The event stays as it was, and its texts say why they are gone.
    assert_unreadable(&stack, &first, &events[0]).await;
    let pieces = stack.items("AuditTextsTable").await;
    assert!(pieces.iter().all(|piece| piece["event_id"]["S"] != events[0]["id"]));
    // A name stays in events alone.
    let username = &person.username;
    let traces = [format!("\"{username}\""), format!("#{username}\""), format!("{username}@")];
    let named = holders(&stack.all_items().await, &traces);
    let of_audit = ["AuditSequenceTable", "AuditTable", "LimitsTable"].into();
    assert!(named.is_subset(&of_audit), "{named:?}");

    assert_eq!(of_other().await, before);
    assert_readable(&stack, &first, &events[1]).await;
    stack.get(&path_of(&answers[1]), Some(&other)).await.expect(200);
    stack.local.drained("AuditSealFunction").await.unwrap();
    assert!(log.check(&stack).await.entries.len() > size);
    assert_eq!(verify(&stack, &first).await["ok"], true);
    assert_eq!(stack.events(&first, "audit.tampered").await, Vec::<Value>::new());
    for (action, by) in [
        ("account.erase_requested", &first),
        ("account.erase_confirmed", &second),
        ("account.deleted", &second),
        ("account.erased", &second),
    ] {
        assert_eq!(done(&stack, &first, action, &user_id).await, 1, "{action}");
        let event = stack.events(&first, action).await.pop().unwrap();
        assert_eq!(event["actor"]["username"], by.username.as_str(), "{action}");
    }
}

#[tokio::test]
async fn one_administrator_alone_erases_no_user() {
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let subject = second_admin(&stack, &first).await;
    let user_id = own_id(&stack, &subject).await;
    let unknown = "019a0000-0000-7000-8000-000000000000";
    request_erasure(&stack, &first, unknown).await.problem(404, "not_found");
    request_erasure(&stack, &first, "me").await.problem(404, "not_found");
    for user_id in [unknown, user_id.as_str()] {
        confirm_erasure(&stack, &first, user_id).await.problem(404, "not_found");
        erasure(&stack, &first, user_id).await.problem(404, "not_found");
    }

    // Of many requests at once, one asks.
    let asked = join_all((0..4).map(|_| request_erasure(&stack, &first, &user_id))).await;
    let mut statuses: Vec<_> = asked.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409]);
    request_erasure(&stack, &second, &user_id).await.problem(409, "conflict");
    confirm_erasure(&stack, &first, &user_id).await.problem(403, "forbidden");
    confirm_erasure(&stack, &subject, &user_id).await.problem(403, "forbidden");
    stack.get("/auth/sessions", Some(&subject)).await.expect(200);

    let confirmed = join_all((0..4).map(|_| confirm_erasure(&stack, &second, &user_id))).await;
    let mut statuses: Vec<_> = confirmed.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409, 409, 409]);
    finish(&stack, &user_id).await;
    confirm_erasure(&stack, &second, &user_id).await.problem(409, "conflict");
    assert_eq!(done(&stack, &first, "account.erased", &user_id).await, 1);
    // The erased administrator counts no more.
    let admins = stack.items("UsersTable").await;
    let admins = admins.iter().find(|item| item["key"]["S"] == "admins").unwrap();
    assert!(!admins.to_string().contains(&user_id), "{admins}");
}

#[tokio::test]
async fn a_request_that_was_not_confirmed_within_a_day_is_as_if_not_made() {
    let stack = TestStack::start().await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let user_id = own_id(&stack, &stack.demo().await).await;
    let asked = request_erasure(&stack, &first, &user_id).await.expect(202);
    let left = parse_rfc3339(text(&asked["expires_at"])).unwrap().as_millisecond();
    let left = left - Clock::System.now().as_millisecond();
    assert!(left <= DAY_MS && left > DAY_MS - 600_000, "{left}");
    let lapse = async || {
        let mut item = stack.items("ErasuresTable").await.remove(0);
        let now = Clock::System.now().as_millisecond();
        item["expires_at"] = json!({"N": now.to_string()});
        stack.put_item("ErasuresTable", &item).await;
    };
    lapse().await;
    confirm_erasure(&stack, &second, &user_id).await.problem(404, "not_found");
    erasure(&stack, &first, &user_id).await.problem(404, "not_found");
    // The second may ask now, and the first confirms.
    request_erasure(&stack, &second, &user_id).await.expect(202);
    confirm_erasure(&stack, &first, &user_id).await.expect(202);
    finish(&stack, &user_id).await;
    let complete = erasure(&stack, &first, &user_id).await.expect(200);
    // The first erasure stays complete, however often a later request lapses.
    for _ in 0..2 {
        request_erasure(&stack, &first, &user_id).await.expect(202);
        lapse().await;
        assert_eq!(erasure(&stack, &first, &user_id).await.expect(200), complete);
        confirm_erasure(&stack, &second, &user_id).await.problem(409, "conflict");
    }
}

#[tokio::test]
async fn an_old_session_neither_asks_nor_confirms() {
    let stack = TestStack::start().await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let user_id = own_id(&stack, &stack.demo().await).await;
    let began = async |admin: &Caller, milliseconds_ago: i64| {
        let began_at = Clock::System.now().as_millisecond() - milliseconds_ago;
        for mut item in stack.items("SessionsTable").await {
            if item["username"]["S"] == admin.username.as_str() {
                item["began_at"] = json!({"N": began_at.to_string()});
                stack.put_item("SessionsTable", &item).await;
            }
        }
    };
    began(&first, 300_000).await;
    let refused = request_erasure(&stack, &first, &user_id).await;
    refused.problem(401, "reauthentication_required");
    assert_eq!(
        refused.header("www-authenticate"),
        "Bearer error=\"insufficient_user_authentication\", max_age=\"300\""
    );
    // A refresh makes no session recent. A read needs no recent one.
    let spent = json!({"refresh_token": first.refresh});
    let pair = stack.post("/auth/refresh", None, &spent).await.expect(200);
    let first = Caller { access: text(&pair["access_token"]).to_owned(), ..first };
    request_erasure(&stack, &first, &user_id).await.problem(401, "reauthentication_required");
    erasure(&stack, &first, &user_id).await.problem(404, "not_found");
    began(&first, 240_000).await;
    request_erasure(&stack, &first, &user_id).await.expect(202);

    began(&second, 300_000).await;
    confirm_erasure(&stack, &second, &user_id).await.problem(401, "reauthentication_required");
    let second = stack.login(&second.username, PASSWORD).await;
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
}

#[tokio::test]
async fn a_user_is_erased_after_the_account_has_gone() {
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let (person, silent) = (stack.someone().await, stack.someone().await);
    let (user_id, silent_id) = (own_id(&stack, &person).await, own_id(&stack, &silent).await);
    let (_, event) = ask(&stack, &person, "A last word").await;
    for caller in [&person, &silent] {
        let password = json!({"current_password": PASSWORD});
        stack.call(Method::DELETE, "/auth/me", caller, &password).await.expect(204);
    }
    // The texts stay with their events until then.
    assert_readable(&stack, &first, &event).await;
    // There is neither an account nor a key.
    request_erasure(&stack, &first, &silent_id).await.problem(404, "not_found");
    request_erasure(&stack, &first, &user_id).await.expect(202);
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
    finish(&stack, &user_id).await;
    assert_erased(&stack, &user_id, &["A last word"]).await;
    assert_unreadable(&stack, &first, &event).await;
    assert_eq!(done(&stack, &first, "account.deleted", &user_id).await, 1);
}

#[tokio::test]
async fn what_a_backup_brings_back_is_erased_again() {
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = stack.someone().await;
    let user_id = own_id(&stack, &person).await;
    let (_, event) = ask(&stack, &person, "Once more").await;
    let tables = ["ConversationsTable", "MessagesTable", "DataKeysTable", "AuditTextsTable"];
    let mut backup = Vec::new();
    for table in tables {
        backup.extend(stack.items(table).await.into_iter().map(|item| (table, item)));
    }
    assert!(backup.len() >= 6, "{backup:?}");
    for times in 1..=2 {
        request_erasure(&stack, &first, &user_id).await.expect(202);
        confirm_erasure(&stack, &second, &user_id).await.expect(202);
        finish(&stack, &user_id).await;
        assert_erased(&stack, &user_id, &["Once more"]).await;
        assert_unreadable(&stack, &first, &event).await;
        assert_eq!(done(&stack, &first, "account.erased", &user_id).await, times);
        for (table, item) in &backup {
            stack.put_item(table, item).await;
        }
        assert_readable(&stack, &first, &event).await;
    }
}

#[tokio::test]
async fn a_reply_that_is_being_written_ends_and_brings_nothing_back() {
    const SAID: &str = "At length, please";
    let stack = TestStack::with(&SLOW).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = stack.someone().await;
    let user_id = own_id(&stack, &person).await;
    let mut socket = stack.connect(&person).await;
    socket.ask(&json!({"action": "chat.send", "message": SAID}), "chat.started").await;
    socket.expect("chat.delta").await;
    request_erasure(&stack, &first, &user_id).await.expect(202);
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
    finish(&stack, &user_id).await;
    assert_erased(&stack, &user_id, &[SAID]).await;
    assert_eq!(stack.items("AuditTextsTable").await, Vec::<Value>::new());
    let ended = stack.events(&first, "chat.message").await;
    assert_eq!(ended.len(), 1, "{ended:?}");
}

/// A function may have the plain key for five minutes after the end of the key.
#[tokio::test]
async fn texts_that_a_warm_process_has_written_late_are_deleted_too() {
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = stack.someone().await;
    let user_id = own_id(&stack, &person).await;
    let writer = || Texts::new(&stack.platform("ChatStreamFunction")).unwrap();
    let warm = writer();
    warm.prepare(&user_id).await.unwrap();
    request_erasure(&stack, &first, &user_id).await.expect(202);
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
    assert!(start(&stack, "EraseFunction", &user_id).await);

    let late = warm.store(&user_id, &[("reply", "Too late")]).await.unwrap();
    let caller = Identity {
        user_id: user_id.clone(),
        username: person.username.clone(),
        session_id: late.event_id.clone(),
    };
    let details = AuditDetails::action("chat.message").texts(late);
    let (context, now) = (Context::default(), Clock::System.now());
    let event = details.event(None, Outcome::Success, Some(&caller.into()), &context, now, 0);
    let event = event.unwrap();
    write(&stack, std::slice::from_ref(&event)).await;
    // No function makes another key, and none that reads the table uses the old one.
    let refused = writer().store(&user_id, &[("reply", "Never")]).await;
    assert!(matches!(refused, Err(TextError::Erased)), "{refused:?}");
    assert_unreadable(&stack, &first, &json!(event)).await;

    finish(&stack, &user_id).await;
    assert_eq!(stack.items("AuditTextsTable").await, Vec::<Value>::new());
    assert_erased(&stack, &user_id, &[]).await;
}

#[tokio::test]
async fn workers_at_once_erase_a_user_once() {
    let stack = TestStack::with(&FAST).await;
    let first = stack.admin().await;
    let second = second_admin(&stack, &first).await;
    let person = stack.someone().await;
    let user_id = own_id(&stack, &person).await;
    ask(&stack, &person, "Twice").await;
    request_erasure(&stack, &first, &user_id).await.expect(202);
    confirm_erasure(&stack, &second, &user_id).await.expect(202);
    let runs = || join_all((0..4).map(|_| start(&stack, "EraseFunction", &user_id)));
    assert_eq!(runs().await, [true; 4]);
    join_all((0..3).map(|_| finish(&stack, &user_id))).await;
    assert_erased(&stack, &user_id, &["Twice"]).await;
    for action in ["account.deleted", "account.erased"] {
        assert_eq!(done(&stack, &first, action, &user_id).await, 1, "{action}");
        assert_eq!(stack.events(&first, action).await.len(), 1, "{action}");
    }
}
