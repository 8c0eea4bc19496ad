//! Conversations that begin before their first message, their agents, and their working state.

use std::collections::BTreeMap;

use chat_stream::tools::{Forget, Remember};
use futures_util::future::join;
use http::Method;
use platform::clock::Clock;
use platform::context::Context;
use platform::gate::{Committer, RequestInfo};
use platform::identity::{Credential, Principal};
use platform::input::Fields;
use platform::{Platform, Problem};
use serde_json::{Map, Value, json};
use tally_access::sources::{Source, Sources};
use tally_chat::Notebook;
use tally_tests::{Answer, Caller, TestStack, id};
use tally_tools::{Given, Tool};

use super::{LONG_AGO_MS, Shelf, rename, say, titles, walk};
use crate::chat::{FAST, own_events, text};

/// Begins a conversation. Returns its id.
async fn begin(stack: &TestStack, caller: &Caller, body: &Value) -> String {
    id(&stack.post("/conversations", Some(caller), body).await.expect(201))
}

fn path_of_state(conversation: &str) -> String {
    format!("/conversations/{conversation}/state")
}

async fn set(
    stack: &TestStack,
    caller: &Caller,
    conversation: &str,
    values: &Value,
    version: u64,
) -> Answer {
    let body = json!({"values": values, "version": version});
    stack.call(Method::PUT, &path_of_state(conversation), caller, &body).await
}

async fn state(stack: &TestStack, caller: &Caller, conversation: &str) -> Value {
    stack.get(&path_of_state(conversation), Some(caller)).await.expect(200)
}

/// The items of a conversation and of its state.
async fn items_of(stack: &TestStack, conversation: &str) -> Vec<Value> {
    let mut items = stack.items("ConversationsTable").await;
    items.retain(|item| item["id"]["S"].as_str().unwrap().starts_with(conversation));
    items
}

#[tokio::test]
async fn a_state_is_set_over_the_version_that_is_known() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let place = begin(&stack, &caller, &json!({"title": "Close"})).await;
    assert_eq!(state(&stack, &caller, &place).await, json!({"values": {}, "version": 0}));
    let first = json!({"company": "Alpha", "note": "two\nlines & <b>"});
    let answer = set(&stack, &caller, &place, &first, 0).await.expect(200);
    assert_eq!(answer, json!({"values": first, "version": 1}));
    assert_eq!(state(&stack, &caller, &place).await, answer);
    for stale in [0, 2] {
        set(&stack, &caller, &place, &json!({}), stale).await.problem(409, "conflict");
    }
    let second = json!({"year": "2023"});
    set(&stack, &caller, &place, &second, 1).await.expect(200);
    stack.delete(&path_of_state(&place), Some(&caller)).await.expect(204);
    let gone = json!({"values": {}, "version": 3});
    assert_eq!(state(&stack, &caller, &place).await, gone);
    // A second deletion changes nothing.
    stack.delete(&path_of_state(&place), Some(&caller)).await.expect(204);
    assert_eq!(state(&stack, &caller, &place).await, gone);
    // The version goes on, so the one that was known before is stale.
    set(&stack, &caller, &place, &first, 1).await.problem(409, "conflict");
    set(&stack, &caller, &place, &first, 3).await.expect(200);

    // The state is no conversation, and leaves no event of the owner's.
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["Close"]);
    assert_eq!(own_events(&stack, &caller, "conversation.").await, [] as [Value; 0]);
}

#[tokio::test]
async fn of_two_that_set_a_state_at_once_one_does() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let place = begin(&stack, &caller, &json!({})).await;
    for version in 0..5 {
        let (one, two) = (json!({"by": "one"}), json!({"by": "two"}));
        let (one, two) = join(
            set(&stack, &caller, &place, &one, version),
            set(&stack, &caller, &place, &two, version),
        )
        .await;
        let (won, lost) = if one.status == 200 { (one, two) } else { (two, one) };
        lost.problem(409, "conflict");
        assert_eq!(state(&stack, &caller, &place).await, won.expect(200));
    }
}

#[tokio::test]
async fn a_state_has_sixteen_keys_and_8_kb() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let place = begin(&stack, &caller, &json!({})).await;
    let keys = |number: usize| -> Value {
        (0..number).map(|number| (format!("key_{number}"), json!("x"))).collect()
    };
    let of = |bytes: usize| {
        let whole = "x".repeat(2_000);
        json!({"a": whole, "b": whole, "c": whole, "d": whole, "e": "x".repeat(bytes)})
    };
    for (version, values) in [keys(16), of(156), json!({"k": "€".repeat(2_000)})].iter().enumerate()
    {
        set(&stack, &caller, &place, values, version as u64).await.expect(200);
    }
    for values in [
        keys(17),
        of(157),
        json!({"k": "€".repeat(2_001)}),
        json!({"k": ""}),
        json!({"k": "a\u{7}"}),
        json!({"k": 1}),
        json!({"k": {"a": "b"}}),
        json!({"Key": "x"}),
        json!({"k".repeat(41): "x"}),
        json!([]),
        json!(null),
    ] {
        set(&stack, &caller, &place, &values, 3).await.invalid(&["/values"]);
    }
    for (body, faults) in [
        (json!({"values": {}}), &["/version"][..]),
        (json!({"version": 3}), &["/values"]),
        (json!({"values": {}, "version": -1}), &["/version"]),
        (json!({"values": {}, "version": 3, "more": 1}), &["/more"]),
    ] {
        stack.call(Method::PUT, &path_of_state(&place), &caller, &body).await.invalid(faults);
    }
    assert_eq!(state(&stack, &caller, &place).await["version"], 3);
}

#[tokio::test]
async fn a_state_of_another_user_is_not_there() {
    let stack = TestStack::with(&FAST).await;
    let (caller, admin) = (stack.someone().await, stack.admin().await);
    let place = begin(&stack, &caller, &json!({})).await;
    set(&stack, &caller, &place, &json!({"a": "1"}), 0).await.expect(200);
    let unknown = "019a0000-0000-7000-8000-000000000000";
    for (who, place) in [(&admin, place.as_str()), (&caller, unknown), (&caller, "me")] {
        let path = path_of_state(place);
        stack.get(&path, Some(who)).await.problem(404, "not_found");
        set(&stack, who, place, &json!({}), 1).await.problem(404, "not_found");
        stack.delete(&path, Some(who)).await.problem(404, "not_found");
    }
    assert_eq!(state(&stack, &caller, &place).await["values"], json!({"a": "1"}));
}

#[tokio::test]
async fn a_state_goes_with_its_conversation() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let [deleted, left] = [begin(&stack, &caller, &json!({})).await, {
        let answer = say(&stack, &caller, "Hello", None).await;
        text(&answer["conversation_id"]).to_owned()
    }];
    for place in [&deleted, &left] {
        set(&stack, &caller, place, &json!({"a": "1"}), 0).await.expect(200);
        assert_eq!(items_of(&stack, place).await.len(), 2);
    }
    stack.delete(&format!("/conversations/{deleted}"), Some(&caller)).await.expect(204);
    assert_eq!(items_of(&stack, &deleted).await, [] as [Value; 0]);
    stack.get(&path_of_state(&deleted), Some(&caller)).await.problem(404, "not_found");
    set(&stack, &caller, &deleted, &json!({}), 1).await.problem(404, "not_found");
    assert_eq!(items_of(&stack, &deleted).await, [] as [Value; 0]);

    // The purge of an account deletes the rest.
    let password = json!({"current_password": "Correct-Horse-9"});
    stack.call(Method::DELETE, "/auth/me", &caller, &password).await.expect(204);
    while !items_of(&stack, &left).await.is_empty() {}
}

/// Lets the last message of a conversation be old, and its state.
async fn age(stack: &TestStack, conversation: &str) {
    for mut item in items_of(stack, conversation).await {
        let is_state = item["id"]["S"] != conversation;
        let attribute = if is_state { "set_at" } else { "updated_at" };
        item[attribute] = json!({"N": LONG_AGO_MS.to_string()});
        stack.put_item("ConversationsTable", &item).await;
    }
}

#[tokio::test]
async fn an_idle_conversation_has_no_state_and_a_message_wakes_it_without_one() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let place = begin(&stack, &caller, &json!({"title": "Close"})).await;
    set(&stack, &caller, &place, &json!({"a": "1"}), 0).await.expect(200);
    let status = async || {
        let one = stack.get(&format!("/conversations/{place}"), Some(&caller)).await.expect(200);
        let (found, _) = walk(&stack, &caller, "/conversations", "").await;
        assert_eq!(found[0]["status"], one["status"]);
        text(&one["status"]).to_owned()
    };
    assert_eq!(status().await, "active");

    age(&stack, &place).await;
    assert_eq!(status().await, "idle");
    let empty = json!({"values": {}, "version": 1});
    assert_eq!(state(&stack, &caller, &place).await, empty);
    let refused = set(&stack, &caller, &place, &json!({"b": "2"}), 1).await;
    assert!(text(&refused.problem(409, "conflict")["detail"]).contains("idle"));
    // A new title is no message.
    rename(&stack, &caller, &place, &json!({"title": "Old"})).await.expect(200);
    assert_eq!(status().await, "idle");

    say(&stack, &caller, "Back again", Some(&place)).await;
    assert_eq!(status().await, "active");
    assert_eq!(state(&stack, &caller, &place).await, empty);
    let kept = json!({"b": "2"});
    set(&stack, &caller, &place, &kept, 1).await.expect(200);
    say(&stack, &caller, "And once more", Some(&place)).await;
    assert_eq!(state(&stack, &caller, &place).await, json!({"values": kept, "version": 2}));
    let one = stack.get(&format!("/conversations/{place}"), Some(&caller)).await.expect(200);
    assert_eq!(text(&one["title"]), "Old");

    // The deletion of a state that no longer counts deletes what is stored.
    age(&stack, &place).await;
    stack.delete(&path_of_state(&place), Some(&caller)).await.expect(204);
    let items = items_of(&stack, &place).await;
    let stored = items.iter().find(|item| item["id"]["S"] != place.as_str()).unwrap();
    assert_eq!(stored["values"], json!({"M": {}}));
}

#[tokio::test]
async fn two_messages_at_once_wake_a_conversation() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let place = begin(&stack, &caller, &json!({"title": "Close"})).await;
    set(&stack, &caller, &place, &json!({"a": "1"}), 0).await.expect(200);
    age(&stack, &place).await;
    join(say(&stack, &caller, "One", Some(&place)), say(&stack, &caller, "Two", Some(&place)))
        .await;
    let one = stack.get(&format!("/conversations/{place}"), Some(&caller)).await.expect(200);
    assert_eq!(
        (text(&one["status"]), one["messages"]["items"].as_array().unwrap().len()),
        ("active", 4)
    );
    assert_eq!(state(&stack, &caller, &place).await["values"], json!({}));
}

#[tokio::test]
async fn a_conversation_begins_without_a_message_and_is_named_by_the_first() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let create = async |body: Option<Value>| {
        let request = stack.request(Method::POST, "/conversations").bearer_auth(&caller.access);
        let request = request.header("idempotency-key", "k");
        stack.send(body.iter().fold(request, reqwest::RequestBuilder::json)).await
    };
    let first = create(None).await;
    let begun = first.expect(201);
    assert_eq!(first.header("location"), format!("/conversations/{}", id(&begun)));
    assert_eq!((text(&begun["title"]), text(&begun["status"])), ("", "active"));
    assert_eq!((begun.get("agent"), &begun["updated_at"]), (None, &begun["created_at"]));
    assert_eq!(create(None).await.expect(201), begun);
    create(Some(json!({"title": "Other"}))).await.problem(422, "idempotency_key_reused");

    let place = id(&begun);
    let export = format!("/conversations/{place}/export?format=markdown");
    assert!(stack.get(&export, Some(&caller)).await.text.starts_with("# Untitled\n"));
    let answer = say(&stack, &caller, "How did Alpha do?", Some(&place)).await;
    assert_eq!(text(&answer["conversation_id"]), place);
    say(&stack, &caller, "And Beta?", Some(&place)).await;
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["How did Alpha do?"]);

    let named = begin(&stack, &caller, &json!({"title": "Close"})).await;
    say(&stack, &caller, "Hello", Some(&named)).await;
    let (found, _) = walk(&stack, &caller, "/conversations", "").await;
    assert_eq!(titles(&found), ["Close", "How did Alpha do?"]);
    for (body, fault) in [
        (json!({"title": ""}), "/title"),
        (json!({"title": "two\nlines"}), "/title"),
        (json!({"agent": "No Such"}), "/agent"),
        (json!({"message": "Hello"}), "/message"),
    ] {
        stack.post("/conversations", Some(&caller), &body).await.invalid(&[fault]);
    }
}

#[tokio::test]
async fn a_conversation_has_an_agent_that_its_owner_may_use() {
    let stack = TestStack::with(&FAST).await;
    let (admin, demo) = (stack.admin().await, stack.demo().await);
    let off = json!({"title": "Off", "enabled": false});
    stack.call(Method::PUT, "/agents/off", &admin, &off).await.expect(201);
    for agent in ["auditor", "off", "no-such"] {
        let body = json!({"agent": agent});
        stack.post("/conversations", Some(&demo), &body).await.invalid(&["/agent"]);
    }
    let place = begin(&stack, &demo, &json!({"agent": "finance"})).await;
    let agent = async || {
        let one = stack.get(&format!("/conversations/{place}"), Some(&demo)).await.expect(200);
        one.get("agent").cloned()
    };
    assert_eq!(agent().await, Some(json!("finance")));
    for agent in ["auditor", "off", "no-such"] {
        rename(&stack, &demo, &place, &json!({"agent": agent})).await.invalid(&["/agent"]);
    }
    let both = json!({"agent": "tasks", "title": "Tasks"});
    let changed = rename(&stack, &demo, &place, &both).await.expect(200);
    assert_eq!((text(&changed["agent"]), text(&changed["title"])), ("tasks", "Tasks"));
    rename(&stack, &demo, &place, &json!({"title": "More tasks"})).await.expect(200);
    assert_eq!(agent().await, Some(json!("tasks")));
    let changed = rename(&stack, &demo, &place, &json!({"agent": null})).await.expect(200);
    assert_eq!((changed.get("agent"), text(&changed["title"])), (None, "More tasks"));
    assert_eq!(agent().await, None);
    // An administrator who is an auditor may use that agent.
    begin(&stack, &admin, &json!({"agent": "auditor"})).await;
}

/// The user of a shelf, in a session.
fn principal(shelf: &Shelf, caller: &Caller) -> Principal {
    Principal {
        user_id: shelf.user_id.clone(),
        username: caller.username.clone(),
        credential: Credential::SessionId("019a0000-0000-7000-8000-000000000001".into()),
    }
}

/// Calls a tool as the worker of a reply does that came from these sources.
async fn call<T: Tool>(
    platform: &Platform,
    caller: &Principal,
    place: &str,
    (arguments, seen): (&Value, &Sources),
) -> Result<Value, Problem> {
    let arguments: &Map<String, Value> = arguments.as_object().unwrap();
    let now = Clock::System.now();
    let given = Given { caller, now, arguments, conversation_id: Some(place), seen: Some(seen) };
    let input = Fields::json(arguments.clone()).read::<T::Input>()?;
    let tool = T::new(platform).unwrap();
    let context = Context::default();
    let info = RequestInfo::new(&context, now, Some(T::ABOUT.action));
    let committer = Committer::new(platform).unwrap();
    let plan = tool.handle(given, input).await;
    let reply = committer.commit(plan, Some(caller), &info).await?;
    Ok(serde_json::to_value(reply.into_output().output).unwrap())
}

#[tokio::test]
async fn a_model_keeps_notes_and_forgets_them() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let platform = stack.platform("ChatStreamFunction");
    let principal = principal(&shelf, &caller);
    let place = begin(&stack, &caller, &json!({})).await;
    let none = Sources::default();
    let remember = async |key: &str, value: &str| {
        let arguments = json!({"key": key, "value": value});
        call::<Remember>(&platform, &principal, &place, (&arguments, &none)).await
    };
    let forget = async |key: &str| {
        let arguments = json!({"key": key});
        call::<Forget>(&platform, &principal, &place, (&arguments, &none)).await.unwrap()
    };
    // The second call with the same arguments changes nothing.
    for _ in 0..2 {
        let noted = remember("company", "Alpha").await.unwrap();
        assert_eq!(noted, json!({"key": "company", "version": 1}));
    }
    // Replies of one conversation may keep notes at once, and none is lost.
    let (one, two) = join(remember("one", "1"), remember("two", "2")).await;
    let versions = BTreeMap::from([one, two].map(|noted| {
        let noted = noted.unwrap();
        (noted["version"].as_u64().unwrap(), noted)
    }));
    assert_eq!(versions.keys().copied().collect::<Vec<_>>(), [2, 3]);
    let values = json!({"company": "Alpha", "one": "1", "two": "2"});
    assert_eq!(state(&stack, &caller, &place).await, json!({"values": values, "version": 3}));
    assert_eq!(forget("one").await["version"], 4);
    assert_eq!(forget("one").await["version"], 4);

    for number in 0..14 {
        remember(&format!("key_{number}"), "x").await.unwrap();
    }
    let full = remember("another", "x").await.unwrap_err();
    assert_eq!(full.errors[0].pointer.as_deref(), Some("/key"));
    remember("key_0", "y").await.unwrap();
    for number in 0..3 {
        remember(&format!("key_{number}"), &"x".repeat(2_000)).await.unwrap();
    }
    let full = remember("key_3", &"x".repeat(2_000)).await.unwrap_err();
    assert_eq!(full.errors[0].pointer.as_deref(), Some("/value"));
    for (key, value) in [("Key", "x"), ("", "x"), ("key", ""), ("key", "a\u{7}")] {
        assert_eq!(remember(key, value).await.unwrap_err().errors.len(), 1, "{key:?} {value:?}");
    }
    let notes = Notebook::new(&platform).unwrap();
    let text = notes.notes(&shelf.user_id, &place, Clock::System.now()).await.unwrap();
    assert!(text.text().contains(r#""company":"Alpha""#), "{}", text.text());

    let events = own_events(&stack, &caller, "tool.called").await;
    let of_place = json!(format!("conversation:{place}"));
    assert!(!events.is_empty() && events.iter().all(|event| event["resource"] == of_place));
    assert!(!json!(events).to_string().contains("Alpha"), "{events:?}");

    // There is no note of a conversation that is gone, or another user's.
    let arguments = json!({"key": "a", "value": "1"});
    let stranger =
        Principal { user_id: "019a0000-0000-7000-8000-000000000002".into(), ..principal };
    let refused = call::<Remember>(&platform, &stranger, &place, (&arguments, &none)).await;
    assert_eq!(refused.unwrap_err(), Problem::not_found());
}

#[tokio::test]
async fn notes_keep_the_columns_that_the_model_had_seen() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let platform = stack.platform("ChatStreamFunction");
    let principal = principal(&shelf, &caller);
    let place = begin(&stack, &caller, &json!({})).await;
    // The workbook is gone, so no user may read the column any more.
    let gone = |number: usize| format!("019a0000-0000-7000-8000-{number:012x}");
    let source = Source {
        workbook_id: gone(1),
        sheet_id: gone(2),
        column_ids: vec![gone(3)],
        results_only: false,
    };
    let (seen, none) = (Sources::of(&[source]).unwrap(), Sources::default());
    let arguments = json!({"key": "salary", "value": "730619253"});
    call::<Remember>(&platform, &principal, &place, (&arguments, &seen)).await.unwrap();
    let plain = json!({"key": "year", "value": "2023"});
    call::<Remember>(&platform, &principal, &place, (&plain, &none)).await.unwrap();
    let withheld = json!({"values": {}, "withheld": true, "version": 2});
    assert_eq!(state(&stack, &caller, &place).await, withheld);
    let notes = Notebook::new(&platform).unwrap();
    let now = Clock::System.now();
    assert_eq!(notes.notes(&shelf.user_id, &place, now).await.unwrap().text(), "");
    // Values of the owner's own have no sources. The same text tells nothing of the withheld one.
    let own = json!({"salary": "730619253"});
    let answer = set(&stack, &caller, &place, &own, 2).await.expect(200);
    assert_eq!(answer, json!({"values": own, "version": 3}));
    assert_eq!(state(&stack, &caller, &place).await, answer);

    // Without the last note that had sources, there are none left.
    call::<Remember>(&platform, &principal, &place, (&arguments, &seen)).await.unwrap();
    assert_eq!(state(&stack, &caller, &place).await["withheld"], true);
    let key = json!({"key": "salary"});
    call::<Forget>(&platform, &principal, &place, (&key, &none)).await.unwrap();
    assert_eq!(state(&stack, &caller, &place).await, json!({"values": {}, "version": 5}));
}
