//! `GET|PATCH /conversations/{id}`, and conversations of other users.

use std::time::Duration;

use http::Method;
use platform::clock::Clock;
use serde_json::json;
use tally_access::sources::Sources;
use tally_chat::domain::{Frame, MessageStatus};
use tally_chat::store::{Frames, Message};
use tally_tests::messages_api::{self, MessagesApi, reply};
use tally_tests::{Caller, TestStack};

use super::{Shelf, rename, say, walk};
use crate::api_keys::new_key;
use crate::chat::{FAST, SLOW, path_of, text};

#[tokio::test]
async fn a_conversation_is_read_backwards_from_what_was_said_last() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    let said = shelf.say(&id, (0..45).map(|number| format!("{number}"))).await;
    let path = format!("/conversations/{id}");

    let newest = stack.get(&path, Some(&caller)).await.expect(200);
    let messages = newest["messages"]["items"].as_array().unwrap();
    let texts: Vec<_> = messages.iter().map(|message| text(&message["text"])).collect();
    assert!(texts.iter().copied().eq((25..45).rev().map(|number| number.to_string())), "{texts:?}");
    assert_eq!((text(&newest["id"]), text(&newest["title"])), (id.as_str(), "Number 0"));
    // Its messages are old, so it is idle.
    assert_eq!((newest.as_object().unwrap().len(), text(&newest["status"])), (6, "idle"));
    // Each item equals the message that can be read by itself.
    let alone =
        stack.get(&format!("{path}/messages/{}", said[44]), Some(&caller)).await.expect(200);
    assert_eq!(alone, messages[0]);

    for limit in [1, 20, 44, 45, 100] {
        let (found, pages) =
            walk(&stack, &caller, &format!("{path}?limit={limit}"), "/messages").await;
        assert!(
            found
                .iter()
                .map(|message| text(&message["id"]))
                .eq(said.iter().rev().map(String::as_str)),
            "{limit}"
        );
        assert_eq!(pages, 45_usize.div_ceil(limit));
    }
}

#[tokio::test]
async fn pages_of_the_longest_messages_stay_within_what_a_function_may_answer() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    // A quotation mark in JSON text that is itself part of JSON takes four characters.
    let texts = ["\"".repeat(10_000), "€".repeat(10_000), "👩‍👩‍👧".repeat(2_000)];
    let said = shelf.say(&id, texts.iter().cycle().take(120).cloned()).await;
    let (found, pages) =
        walk(&stack, &caller, &format!("/conversations/{id}?limit=100"), "/messages").await;
    assert!(
        found.iter().map(|message| text(&message["id"])).eq(said.iter().rev().map(String::as_str))
    );
    assert!(pages > 2, "{pages} pages");
}

#[tokio::test]
async fn a_title_is_kept_as_typed_or_refused() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let id = text(&say(&stack, &caller, "Hello", None).await["conversation_id"]).to_owned();
    let title = " Gr\u{fc}\u{df}e 👩‍👩‍👧 <script>alert('&amp;')</script> ";
    let renamed = rename(&stack, &caller, &id, &json!({ "title": title })).await.expect(200);
    assert_eq!(text(&renamed["title"]), title);
    let read = stack.get(&format!("/conversations/{id}"), Some(&caller)).await.expect(200);
    assert_eq!(text(&read["title"]), title);
    for (change, faults) in [
        (json!({}), &["/title"][..]),
        (json!({"title": null}), &["/title"]),
        (json!({"title": null, "agent": null}), &["/title"]),
        (json!({"agent": "No Such"}), &["/agent"]),
        (json!({"title": ""}), &["/title"]),
        (json!({"title": "x".repeat(101)}), &["/title"]),
        (json!({"title": "two\nlines"}), &["/title"]),
        (json!({"title": 1, "updated_at": "2026-01-31T09:30:00Z"}), &["/title", "/updated_at"]),
    ] {
        rename(&stack, &caller, &id, &change).await.invalid(faults);
    }
}

#[tokio::test]
async fn a_conversation_that_is_not_ones_own_is_not_there() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let admin = stack.admin().await;
    let reply = say(&stack, &caller, "Mine", None).await;
    let id = text(&reply["conversation_id"]);
    let strangers = [
        "019a0000-0000-7000-8000-000000000000",
        "7f0c1d8e-3f63-4a3c-9d0e-5f1b9a3a7c11",
        "me",
        "019a",
    ];
    let message = path_of(&reply);
    let asks = [(&other, id), (&admin, id)]
        .into_iter()
        .chain(strangers.iter().map(|stranger| (&caller, *stranger)));
    for (who, id) in asks {
        for (method, path) in [
            (Method::GET, format!("/conversations/{id}")),
            (Method::PATCH, format!("/conversations/{id}")),
        ] {
            let request = stack.request(method.clone(), &path).bearer_auth(&who.access);
            let request = if method == Method::PATCH {
                request.json(&json!({"title": "Ours"}))
            } else {
                request
            };
            stack.send(request).await.problem(404, "not_found");
        }
    }
    for who in [&other, &admin] {
        stack.get(&message, Some(who)).await.problem(404, "not_found");
    }
    // An id in capitals is the same id (RFC 9562 section 4).
    let mine = stack
        .get(&format!("/conversations/{}", id.to_uppercase()), Some(&caller))
        .await
        .expect(200);
    assert_eq!(text(&mine["id"]), id);
    assert_eq!(
        (text(&mine["title"]), mine["messages"]["items"].as_array().unwrap().len()),
        ("Mine", 2)
    );
}

#[tokio::test]
async fn a_service_reads_its_owners_conversations_with_the_scope_for_it() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let id = text(&say(&stack, &caller, "Hello", None).await["conversation_id"]).to_owned();
    for (scope, status) in [("chat:write", 200), ("profits:read", 403)] {
        let key = stack
            .post("/api-keys", Some(&caller), &new_key(&[scope], Duration::from_hours(1)))
            .await
            .expect(201);
        let service = Caller { access: text(&key["key"]).to_owned(), ..caller.clone() };
        for path in ["/conversations".to_owned(), format!("/conversations/{id}")] {
            let answer = stack
                .send(crate::coverage::request(&stack, Method::GET, &path, Some(&service), None))
                .await;
            assert_eq!(answer.status, status, "{answer:?}");
        }
        for (method, path) in [
            (Method::GET, format!("/conversations/{id}/export")),
            (Method::DELETE, format!("/conversations/{id}")),
        ] {
            stack
                .send(crate::coverage::request(&stack, method, &path, Some(&service), None))
                .await
                .problem(403, "forbidden");
        }
    }
    stack.get(&format!("/conversations/{id}"), Some(&caller)).await.expect(200);
}

#[tokio::test]
async fn what_someone_else_said_is_not_read_before_the_404() {
    let api = MessagesApi::with(vec![messages_api::Answer::stream(reply(&["Well"]))]).await;
    let stack = crate::chat::claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let asked = say(&stack, &caller, "Mine alone", None).await;
    let path = path_of(&asked);
    let more = json!({"message": "And?", "conversation_id": asked["conversation_id"]});
    let conversation = path.split("/messages").next().unwrap();
    for (method, path, body) in [
        (Method::GET, conversation, None),
        (Method::GET, path.as_str(), None),
        (Method::POST, "/chat", Some(&more)),
    ] {
        let request = crate::coverage::request(&stack, method, path, Some(&other), body);
        let (answer, calls) = stack.round_trips(stack.send(request)).await;
        answer.problem(404, "not_found");
        assert!(!calls.iter().any(|call| call.contains("Messages")), "{path}: {calls:?}");
    }
}

#[tokio::test]
async fn a_page_of_text_that_json_escapes_fits_into_the_answer_of_a_function() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    // Each character takes 7 bytes in an answer of Lambda, so two of the messages fit.
    let said = shelf.say(&id, (0..5).map(|_| "\u{1}".repeat(340_000))).await;
    let path = format!("/conversations/{id}?limit=100");
    let first = stack.get(&path, Some(&caller)).await;
    assert_eq!(first.expect(200)["messages"]["items"].as_array().unwrap().len(), 2);
    assert!(json!(first.text).to_string().len() < 6_000_000);
    let (found, pages) = walk(&stack, &caller, &path, "/messages").await;
    assert!(
        found.iter().map(|message| text(&message["id"])).eq(said.iter().rev().map(String::as_str))
    );
    assert_eq!(pages, 3);
    stack
        .get(&format!("/conversations/{id}/messages/{}", said[0]), Some(&caller))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_reply_that_is_being_written_has_the_text_that_there_is_of_it() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "At length"}), "chat.started").await;
    while stack.get(&path_of(&started), Some(&caller)).await.expect(200)["text"] == "" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Kill the worker so that no more text comes.
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    let alone = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!(text(&alone["status"]), "streaming");
    let path = format!("/conversations/{}", text(&started["conversation_id"]));
    assert_eq!(stack.get(&path, Some(&caller)).await.expect(200)["messages"]["items"][0], alone);
    assert_eq!(
        stack.get(&format!("{path}/export"), Some(&caller)).await.expect(200)["messages"][1],
        alone
    );
    let markdown = stack.get(&format!("{path}/export?format=markdown"), Some(&caller)).await;
    assert!(
        markdown.text.contains(" (being written)\n\n> ")
            && markdown.text.contains(text(&alone["text"])),
        "{}",
        markdown.text
    );
}

#[tokio::test]
async fn replies_that_are_being_written_make_no_page_longer_than_a_function_may_answer() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let shelf = Shelf::of(&stack, &caller).await;
    let id = shelf.fill(1).await.remove(0);
    let said = shelf.say(&id, (0..30).map(|number| format!("{number}"))).await;
    // Each is as long as a reply can be.
    for said in &said {
        let streaming =
            Message { status: MessageStatus::Streaming, ..shelf.message(&id, said).await };
        shelf.commit(vec![shelf.messages.end(&streaming, MessageStatus::Completed).unwrap()]).await;
        let frames = Frames {
            message_id: said.clone(),
            sequence: 1,
            frames: vec![Frame::Text("\"".repeat(350_000))],
            sources: Sources::default(),
        };
        shelf.drafts.save(&frames, Clock::System.now()).await.unwrap();
    }
    let (found, pages) =
        walk(&stack, &caller, &format!("/conversations/{id}?limit=100"), "/messages").await;
    assert!(
        found.iter().map(|message| text(&message["id"])).eq(said.iter().rev().map(String::as_str))
    );
    assert!(
        found.iter().all(|message| text(&message["text"]).len() == 350_000) && pages == 30,
        "{pages} pages"
    );
    let exported =
        stack.get(&format!("/conversations/{id}/export"), Some(&caller)).await.expect(200);
    assert!(!exported["next_cursor"].is_null());
    assert_eq!(text(&exported["messages"][1]["text"]).len(), 350_000);
}
