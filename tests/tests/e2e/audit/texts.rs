//! `GET /audit/{id}`: who reads an event, who reads its texts, and what becomes of texts that were
//! tampered with.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use platform::clock::Clock;
use serde_json::{Map, Value, json};
use tally_local::aws::Failure;
use tally_prompts::domain::PromptName;
use tally_tests::{Caller, TestStack, id};

use crate::api_keys::new_key;
use crate::chat::{FAST, SLOW, own_events, text};
use crate::users::user_id;

/// The texts of an event in clear, by their names. They must be what the event refers to.
pub async fn texts_of(stack: &TestStack, caller: &Caller, event: &Value) -> Value {
    let path = format!("/audit/{}?texts=true", id(event));
    let shown = stack.get(&path, Some(caller)).await.expect(200);
    assert_eq!(without_texts(&shown), *event);
    let texts = shown["texts"].as_array().unwrap().iter();
    let texts = texts.map(|shown| (text(&shown["name"]).to_owned(), shown["text"].clone()));
    Value::Object(texts.collect())
}

/// An event as it is listed: its texts are references.
fn without_texts(shown: &Value) -> Value {
    let mut event = shown.clone();
    for text in event["texts"].as_array_mut().into_iter().flatten() {
        let text = text.as_object_mut().unwrap();
        text.remove("text");
        text.remove("unreadable");
    }
    event
}

/// Asks the assistant. Returns the answer and the event of the reply's end.
pub async fn ask(stack: &TestStack, caller: &Caller, message: &str) -> (Value, Value) {
    let answer = stack.post("/chat", Some(caller), &json!({"message": message})).await.expect(200);
    let event = own_events(stack, caller, "chat.message").await.pop().unwrap();
    assert_eq!(event["resource"], format!("message:{}", text(&answer["message_id"])));
    (answer, event)
}

fn prompt_of(texts: &Value) -> Value {
    serde_json::from_str(text(&texts["prompt"])).unwrap()
}

#[tokio::test]
async fn what_was_asked_and_written_is_read_back_byte_for_byte() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let said = " How much\n\"was\" it? € e\u{301} 👩‍👩‍👧 \u{202e}\\ ";
    let (answer, event) = ask(&stack, &caller, said).await;
    let names: Vec<_> =
        event["texts"].as_array().unwrap().iter().map(|shown| text(&shown["name"])).collect();
    assert_eq!(names, ["prompt", "reply"]);
    let texts = texts_of(&stack, &caller, &event).await;
    assert_eq!(texts["reply"], answer["reply"]);
    let sha256 = tally_prompts::built_in(&PromptName::default()).unwrap().sha256.clone();
    let prompt = json!({"name": "default", "version": 0, "sha256": sha256});
    let expected = json!({"prompt": prompt, "shown": [], "turn": said});
    assert_eq!(prompt_of(&texts), expected);
    assert_eq!(texts_of(&stack, &auditor, &event).await, texts);

    // The next turn names the messages before it, over a WebSocket too.
    let path = format!("/conversations/{}", text(&answer["conversation_id"]));
    let earlier = stack.get(&path, Some(&caller)).await.expect(200);
    let items = earlier["messages"]["items"].as_array().unwrap();
    let earlier: Vec<_> = items.iter().rev().map(|message| message["id"].clone()).collect();
    let mut socket = stack.connect(&caller).await;
    let message = json!({
        "action": "chat.send", "message": "And now?",
        "conversation_id": answer["conversation_id"],
    });
    socket.ask(&message, "chat.started").await;
    let mut reply = String::new();
    loop {
        let frame = socket.next().await.unwrap();
        if frame["type"] == "chat.completed" {
            break;
        }
        reply.push_str(text(&frame["text"]));
    }
    let event = own_events(&stack, &caller, "chat.message").await.pop().unwrap();
    let texts = texts_of(&stack, &caller, &event).await;
    assert_eq!(texts["reply"], reply);
    let prompt = prompt_of(&texts);
    assert_eq!((&prompt["shown"], &prompt["turn"]), (&json!(earlier), &json!("And now?")));
}

#[tokio::test]
async fn a_reply_that_was_stopped_has_the_text_until_then() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let send = json!({"action": "chat.send", "message": "Stop"});
    let started = socket.ask(&send, "chat.started").await;
    socket.expect("chat.delta").await;
    socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    while socket.next().await.unwrap()["type"] != "chat.completed" {}
    let event = own_events(&stack, &caller, "chat.message").await.pop().unwrap();
    assert_eq!(event["detail"]["status"], "cancelled");
    let message = stack.get(&crate::chat::path_of(&started), Some(&caller)).await.expect(200);
    let texts = texts_of(&stack, &caller, &event).await;
    assert_eq!(
        (&texts["reply"], prompt_of(&texts)["turn"].take()),
        (&message["text"], "Stop".into())
    );
}

#[tokio::test]
async fn an_event_is_for_its_actor_and_its_texts_for_auditors_too() {
    let stack = TestStack::with(&FAST).await;
    let root = stack.admin().await;
    let owner = stack.someone().await;
    let other = stack.someone().await;
    let [auditor, admin] = [stack.someone().await, stack.someone().await];
    for (caller, role) in [(&auditor, "auditor"), (&admin, "admin")] {
        let path = format!("/users/{}", user_id(&stack, &caller.username).await);
        stack.call(Method::PATCH, &path, &root, &json!({"roles": [role]})).await.expect(200);
    }
    let key_of = async |caller: &Caller| {
        let key = new_key(&["audit:read"], Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(caller), &key).await.expect(201);
        text(&key["key"]).to_owned()
    };
    let keys = [key_of(&owner).await, key_of(&auditor).await, key_of(&other).await];
    let (_, event) = ask(&stack, &owner, "Mine").await;
    let path = format!("/audit/{}", id(&event));
    let with_texts = format!("{path}?texts=true");
    let by_key = async |path: &str, key: &str| {
        stack.send(stack.request(Method::GET, path).header("x-api-key", key)).await
    };

    for caller in [&owner, &auditor, &admin] {
        for path in [&path, &format!("{path}?texts=false")] {
            assert_eq!(stack.get(path, Some(caller)).await.expect(200), event);
        }
    }
    for caller in [&owner, &auditor] {
        let shown = stack.get(&with_texts, Some(caller)).await.expect(200);
        assert!(shown["texts"].as_array().unwrap().iter().all(|text| text["text"].is_string()));
    }
    stack.get(&with_texts, Some(&admin)).await.problem(403, "forbidden");
    for path in [&path, &with_texts] {
        stack.get(path, Some(&other)).await.problem(404, "not_found");
    }
    for key in &keys[..2] {
        assert_eq!(by_key(&path, key).await.expect(200), event);
    }
    by_key(&path, &keys[2]).await.problem(404, "not_found");
    for key in &keys {
        by_key(&with_texts, key).await.problem(403, "forbidden");
    }
    for unknown in
        ["019a0000-0000-7000-8000-000000000000", "me", "x", "7f0c1d8e-3f63-4a3c-9d0e-5f1b9a3a7c11"]
    {
        stack.get(&format!("/audit/{unknown}"), Some(&auditor)).await.problem(404, "not_found");
    }
    stack.get(&format!("{path}?texts=yes"), Some(&owner)).await.invalid(&["texts"]);
    stack.get(&format!("{path}?text=true"), Some(&owner)).await.invalid(&["text"]);
    let capitals = format!("/audit/{}", id(&event).to_uppercase());
    assert_eq!(stack.get(&capitals, Some(&owner)).await.expect(200), event);

    // Each read of texts is an event, and so is each read of another user's event.
    let resource = format!("event:{}", id(&event));
    let left = async |action: &str| -> Vec<(String, String)> {
        let events = stack.events(&root, action).await.into_iter();
        let events = events.filter(|left| left["resource"] == resource.as_str());
        let by = |left: &Value| text(&left["actor"]["username"]).to_owned();
        let mut rows: Vec<_> =
            events.map(|left| (by(&left), text(&left["outcome"]).to_owned())).collect();
        rows.sort_unstable();
        rows
    };
    let expected = |rows: &[(&Caller, &str)]| -> Vec<(String, String)> {
        let rows = rows.iter().map(|(by, how)| (by.username.clone(), (*how).to_owned()));
        let mut rows: Vec<_> = rows.collect();
        rows.sort_unstable();
        rows
    };
    let reads = [
        (&owner, "success"),
        (&auditor, "success"),
        (&admin, "denied"),
        (&owner, "denied"),
        (&auditor, "denied"),
        (&other, "denied"),
        (&other, "failure"),
    ];
    assert_eq!(left("audit.text_read").await, expected(&reads));
    let of_others = [
        (&auditor, "success"),
        (&auditor, "success"),
        (&admin, "success"),
        (&admin, "success"),
        (&other, "failure"),
        (&auditor, "success"),
        (&other, "failure"),
    ];
    assert_eq!(left("audit.read").await, expected(&of_others));
    let read = stack.events(&root, "audit.text_read").await;
    assert_eq!(read[0]["detail"], json!({"texts": ["prompt", "reply"]}));
}

#[tokio::test]
async fn a_text_that_was_tampered_with_says_so_and_the_others_stay_readable() {
    let stack = TestStack::with(&FAST).await;
    let table = "AuditTextsTable";
    let keys = "DataKeysTable";
    for (name, expected) in [
        ("whole", [None, None]),
        ("a piece deleted", [None, Some("missing")]),
        ("a byte altered", [Some("altered"), None]),
        ("swapped", [Some("altered"), Some("altered")]),
        ("the key erased", [Some("erased"), Some("erased")]),
        ("the key deleted", [Some("missing"), Some("missing")]),
        ("the key of another user", [Some("altered"), Some("altered")]),
        ("another key", [Some("missing"), Some("missing")]),
    ] {
        let caller = stack.someone().await;
        let (_, event) = ask(&stack, &caller, "Keep this").await;
        let items = stack.items(table).await;
        let item = |piece: &str| -> Value {
            let is_it =
                |item: &&Value| item["event_id"]["S"] == event["id"] && item["piece"]["S"] == piece;
            items.iter().find(is_it).unwrap().clone()
        };
        let (prompt, reply) = (item("prompt#0"), item("reply#0"));
        let user_id = user_id(&stack, &caller.username).await;
        let wrapped = stack.items(keys).await;
        let own = |item: &&Value| item["user_id"]["S"] == user_id.as_str();
        let own_key = wrapped.iter().find(own).unwrap();
        match name {
            "a piece deleted" => {
                let key = json!({"event_id": reply["event_id"], "piece": reply["piece"]});
                stack.delete_item(table, &key).await;
            }
            "a byte altered" => {
                let mut bytes = STANDARD.decode(text(&prompt["ciphertext"]["B"])).unwrap();
                bytes[20] ^= 1;
                stack
                    .put_item(
                        table,
                        &with(&prompt, "ciphertext", &json!({"B": STANDARD.encode(bytes)})),
                    )
                    .await;
            }
            "swapped" => {
                for (one, other) in [(&prompt, &reply), (&reply, &prompt)] {
                    stack.put_item(table, &with(one, "ciphertext", &other["ciphertext"])).await;
                }
            }
            "the key erased" => {
                let erased = json!({"user_id": {"S": user_id}, "erased_at": {"N": "1"}});
                stack.put_item(keys, &erased).await;
            }
            "the key deleted" => {
                stack.delete_item(keys, &json!({"user_id": {"S": user_id}})).await;
            }
            "the key of another user" => {
                let other = wrapped
                    .iter()
                    .find(|item| !own(item) && item["wrapped_key"].is_object())
                    .unwrap();
                stack.put_item(keys, &with(own_key, "wrapped_key", &other["wrapped_key"])).await;
            }
            "another key" => {
                let other = json!({"S": "019a0000-0000-7000-8000-000000000000"});
                stack.put_item(keys, &with(own_key, "key_id", &other)).await;
            }
            _ => {}
        }
        let path = format!("/audit/{}?texts=true", id(&event));
        let shown = stack.get(&path, Some(&caller)).await.expect(200);
        assert_eq!(without_texts(&shown), event, "{name}");
        let unreadable: Vec<_> = shown["texts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|shown| {
                assert_ne!(shown.get("text").is_some(), shown.get("unreadable").is_some());
                shown["unreadable"].as_str()
            })
            .collect();
        assert_eq!(unreadable, expected, "{name}");
    }
}

/// An item with another value of an attribute.
fn with(item: &Value, attribute: &str, value: &Value) -> Value {
    let mut item: Map<String, Value> = item.as_object().unwrap().clone();
    item.insert(attribute.to_owned(), value.clone());
    item.into()
}

#[tokio::test]
async fn no_text_stands_in_a_table_of_the_audit_log_in_clear() {
    const CANARY: &str = "Canary of a quarter";
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let (answer, event) = ask(&stack, &caller, CANARY).await;
    texts_of(&stack, &caller, &event).await;
    let written: String = text(&answer["reply"]).chars().take(40).collect();
    let of_conversations = ["ConversationsTable", "MessagesTable", "DraftsTable"];
    for (table, item) in stack.all_items().await {
        if of_conversations.contains(&table) {
            continue;
        }
        let mut bytes = item.to_string().into_bytes();
        for value in item.as_object().unwrap().values() {
            let binary = value["B"].as_str().map(|text| STANDARD.decode(text).unwrap());
            bytes.extend(binary.unwrap_or_default());
        }
        for canary in [CANARY, written.as_str()] {
            let found = bytes.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(!found, "{table} has {canary:?}");
        }
    }
    for function in ["ChatStreamFunction", "AuditFunction"] {
        let log = std::fs::read_to_string(stack.local.logs().join(format!("{function}.log")));
        assert!(!log.unwrap().contains(CANARY), "{function}");
    }
}

#[tokio::test]
async fn no_text_is_shown_without_an_event_of_it() {
    const CANARY: &str = "Canary of a quarter";
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let (_, event) = ask(&stack, &caller, CANARY).await;
    let path = format!("/audit/{}", id(&event));
    stack.fail("AuditTable", Some("PutItem"), Failure::Internal, usize::MAX);
    let refused = stack.get(&format!("{path}?texts=true"), Some(&caller)).await;
    refused.problem(503, "unavailable");
    assert!(!refused.text.contains(CANARY), "{refused:?}");
    // This read of their own event leaves none.
    assert_eq!(stack.get(&path, Some(&caller)).await.expect(200), event);
}

#[tokio::test]
async fn texts_that_kms_cannot_open_now_are_unavailable_and_not_altered() {
    let unknown = "arn:aws:kms:us-east-1:123456789012:key/019a0000-0000-7000-8000-000000000000";
    let directory = tempfile::tempdir().unwrap();
    let state = || tally_local::aws::State::Directory(directory.path().to_owned());
    let stack = TestStack::of(|options| options.state = state()).await;
    let caller = stack.someone().await;
    let (_, event) = ask(&stack, &caller, "Later").await;
    let path = format!("/audit/{}?texts=true", id(&event));
    stack.local.shutdown().await;

    let stack = TestStack::of(|options| {
        options.state = state();
        options.environment.insert("TEXT_KEY_ARN".into(), unknown.into());
    });
    let stack = stack.await;
    let caller = stack.login(&caller.username, "Correct-Horse-9").await;
    stack.get(&path, Some(&caller)).await.problem(503, "unavailable");
    let left = own_events(&stack, &caller, "audit.text_read").await;
    let outcomes: Vec<_> = left.iter().map(|left| text(&left["outcome"])).collect();
    assert_eq!(outcomes, ["failure"]);
    stack.local.shutdown().await;

    // The keys and the texts outlive the stack.
    let stack = TestStack::of(|options| options.state = state()).await;
    let caller = stack.login(&caller.username, "Correct-Horse-9").await;
    assert_eq!(prompt_of(&texts_of(&stack, &caller, &event).await)["turn"], "Later");
}

#[tokio::test]
async fn events_and_texts_are_kept_for_the_days_of_the_setting() {
    const THREE_DAYS: i64 = 3 * 86_400;
    let [limits, fast] = FAST;
    let stack = TestStack::with(&[("AuditRetentionDays", "3"), limits, fast]).await;
    let caller = stack.someone().await;
    ask(&stack, &caller, "Three days").await;
    let now = Clock::System.now().as_second();
    for table in ["AuditTable", "AuditTextsTable"] {
        let items = stack.items(table).await;
        assert!(items.len() >= 2, "{table}");
        for item in items {
            let expires_at: i64 = text(&item["expires_at"]["N"]).parse().unwrap();
            let kept = expires_at - now;
            assert!(kept <= THREE_DAYS && kept > THREE_DAYS - 3_600, "{table} {kept}");
        }
    }
}
