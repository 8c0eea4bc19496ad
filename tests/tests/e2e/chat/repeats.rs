//! A question that is asked again under the same key, over HTTP and over a WebSocket.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tally_tests::{Caller, TestStack};
use tokio::sync::Barrier;

use super::claude::{listen, stack};
use super::{FAST, SLOW, text};

/// A server that is overloaded while the flag is set. It refuses the message "long".
async fn flaky() -> (MessagesApi, Arc<AtomicBool>) {
    let is_down = Arc::new(AtomicBool::new(true));
    let down = Arc::clone(&is_down);
    let api = MessagesApi::start(move |asked| match asked.message() {
        "long" => Answer::error_saying(
            400,
            "invalid_request_error",
            "prompt is too long: 2 tokens > 1 maximum",
        ),
        _ if down.load(Ordering::Relaxed) => {
            Answer::error(529, "overloaded_error").header("x-should-retry", "false")
        }
        _ => Answer::stream(reply(&["Well"])),
    });
    (api.await, is_down)
}

async fn ask(stack: &TestStack, caller: &Caller, message: &str) -> tally_tests::Answer {
    let request = stack
        .request(Method::POST, "/chat")
        .header("idempotency-key", message)
        .bearer_auth(&caller.access);
    stack.send(request.json(&json!({"message": message}))).await
}

/// The messages of the caller's only conversation, newest first, as roles and states.
async fn said(stack: &TestStack, caller: &Caller) -> Vec<(String, String)> {
    let list = stack.get("/conversations", Some(caller)).await.expect(200);
    let [conversation] = list["items"].as_array().unwrap().as_slice() else { panic!("{list}") };
    let read = stack
        .get(&format!("/conversations/{}", text(&conversation["id"])), Some(caller))
        .await
        .expect(200);
    let items = read["messages"]["items"].as_array().unwrap().iter();
    items
        .map(|message| (text(&message["role"]).to_owned(), text(&message["status"]).to_owned()))
        .collect()
}

fn states(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(role, status)| ((*role).to_owned(), (*status).to_owned())).collect()
}

#[tokio::test]
async fn an_outage_is_not_kept_under_a_key_and_a_reply_is() {
    let (api, is_down) = flaky().await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    for _ in 0..2 {
        let failed = ask(&stack, &caller, "pay").await;
        failed.problem(503, "unavailable");
        assert_eq!(failed.header("retry-after"), "1");
    }
    is_down.store(false, Ordering::Relaxed);
    let whole = ask(&stack, &caller, "pay").await.expect(200);
    let asked = api.asked();
    assert_eq!(
        asked.last().unwrap().body["messages"].as_array().unwrap().len(),
        1,
        "it was said once"
    );
    assert_eq!(ask(&stack, &caller, "pay").await.expect(200), whole);
    assert_eq!(api.asked().len(), asked.len());
    let failed = ("assistant", "failed");
    assert_eq!(
        said(&stack, &caller).await,
        states(&[("assistant", "completed"), failed, failed, ("user", "completed")])
    );
}

#[tokio::test]
async fn a_repeat_is_answered_202_while_the_reply_is_written_and_200_once_it_is_whole() {
    let barrier = Arc::new(Barrier::new(2));
    let frames = reply(&["Well", ", yes"]);
    let api =
        MessagesApi::with(vec![Answer::stream(frames.clone()).held_at(frames.len() - 2, &barrier)])
            .await;
    let stack = stack(&api, &[("AiIdleMilliseconds", "600000")]).await;
    let caller = stack.someone().await;
    let send = async |prefer: &str| {
        let request = stack
            .request(Method::POST, "/chat")
            .header("idempotency-key", "k")
            .header("prefer", prefer);
        stack.send(request.bearer_auth(&caller.access).json(&json!({"message": "Is it so?"}))).await
    };
    let first = send("respond-async").await;
    let accepted = first.expect(202);
    while stack.get(&super::path_of(&accepted), Some(&caller)).await.expect(200)["text"] == "" {}
    for _ in 0..2 {
        let again = send("respond-async").await;
        let body = again.expect(202);
        let header = |name| (again.header(name).to_owned(), first.header(name).to_owned());
        assert_eq!(
            (&body["message_id"], &body["status"]),
            (&accepted["message_id"], &json!("streaming"))
        );
        for name in ["location", "retry-after", "preference-applied"] {
            let (again, first) = header(name);
            assert_eq!(again, first, "{name}");
        }
    }
    // A request that waits gets the whole reply, and so does every later one.
    let (waited, _) = tokio::join!(send("wait=20"), barrier.wait());
    let whole = waited.expect(200);
    assert_eq!(
        (&whole["message_id"], text(&whole["reply"])),
        (&accepted["message_id"], "Well, yes")
    );
    for prefer in ["respond-async", "wait=20"] {
        assert_eq!(send(prefer).await.expect(200), whole, "{prefer}");
    }
    assert_eq!(api.asked().len(), 1);
}

#[tokio::test]
async fn a_final_refusal_is_kept_under_a_key() {
    let (api, _) = flaky().await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    for _ in 0..3 {
        ask(&stack, &caller, "long").await.problem(422, "context_too_long");
    }
    assert_eq!(api.asked().len(), 1);
    let mut socket = stack.connect(&caller).await;
    let send = json!({"action": "chat.send", "message": "long", "idempotency_key": "long"});
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        ids.insert(socket.ask(&send, "chat.started").await["message_id"].to_string());
        assert_eq!(text(&listen(&mut socket).await.1["code"]), "context_too_long");
    }
    // A key over HTTP and the same key over a WebSocket are different keys.
    assert_eq!((ids.len(), api.asked().len()), (1, 2));
}

#[tokio::test]
async fn of_many_who_try_again_at_once_one_asks() {
    let (api, is_down) = flaky().await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    ask(&stack, &caller, "pay").await.problem(503, "unavailable");
    is_down.store(false, Ordering::Relaxed);
    let answers = join_all((0..8).map(|_| ask(&stack, &caller, "pay"))).await;
    let mut replies = BTreeSet::new();
    for answer in &answers {
        match answer.status {
            200 => drop(replies.insert(text(&answer.json()["message_id"]).to_owned())),
            _ => drop(answer.problem(409, "request_in_flight")),
        }
    }
    let whole = ask(&stack, &caller, "pay").await.expect(200);
    assert!(
        replies.is_empty() || replies == BTreeSet::from([text(&whole["message_id"]).to_owned()]),
        "{replies:?}"
    );
    assert_eq!(
        said(&stack, &caller).await,
        states(&[("assistant", "completed"), ("assistant", "failed"), ("user", "completed")])
    );
}

#[tokio::test]
async fn a_message_that_is_sent_again_gets_its_reply_and_is_not_billed_again() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let send =
        json!({"action": "chat.send", "message": "Hello", "idempotency_key": "k-1", "id": "1"});
    let mut heard: Vec<(Value, String, Value)> = Vec::new();
    for connection in 0..3 {
        // The client's `id` of a message is not part of the question.
        let send = json!({
            "action": "chat.send", "message": "Hello", "idempotency_key": "k-1",
            "id": connection.to_string(),
        });
        let mut socket = stack.connect(&caller).await;
        let started = socket.ask(&send, "chat.started").await;
        let (text, end) = listen(&mut socket).await;
        heard.push((started["message_id"].clone(), text, end));
    }
    assert!(heard.iter().all(|each| *each == heard[0]), "{heard:?}");
    assert_eq!(
        said(&stack, &caller).await,
        states(&[("assistant", "completed"), ("user", "completed")])
    );

    let mut socket = stack.connect(&caller).await;
    for (change, code) in [
        (json!({"message": "Something else"}), "idempotency_key_reused"),
        (json!({"idempotency_key": ""}), "validation_failed"),
        (json!({"idempotency_key": "é"}), "validation_failed"),
        (json!({"idempotency_key": "x".repeat(129)}), "validation_failed"),
    ] {
        let mut send = send.clone();
        send.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(text(&socket.ask(&send, "error").await["code"]), code, "{change}");
    }
    // The same key of another user is a different key.
    let other = stack.someone().await;
    let mut socket = stack.connect(&other).await;
    assert_ne!(socket.ask(&send, "chat.started").await["message_id"], heard[0].0);
}

#[tokio::test]
async fn a_message_that_is_sent_again_while_its_reply_is_written_hears_all_of_it() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let send = json!({"action": "chat.send", "message": "Hello", "idempotency_key": "k"});
    let mut first = stack.connect(&caller).await;
    let mut second = stack.connect(&caller).await;
    let started = first.ask(&send, "chat.started").await;
    first.expect("chat.delta").await;
    assert_eq!(second.ask(&send, "chat.started").await["message_id"], started["message_id"]);
    let (heard, end) = listen(&mut second).await;
    let stored = stack.get(&super::path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&end["type"]), heard.as_str()), ("chat.completed", text(&stored["text"])));
}

#[tokio::test]
async fn a_message_whose_reply_met_an_outage_is_asked_again_in_its_conversation() {
    let (api, is_down) = flaky().await;
    let stack = stack(&api, &[]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let send = json!({"action": "chat.send", "message": "pay", "idempotency_key": "k"});
    let first = socket.ask(&send, "chat.started").await;
    assert_eq!(text(&listen(&mut socket).await.1["code"]), "unavailable");
    is_down.store(false, Ordering::Relaxed);
    let second = socket.ask(&send, "chat.started").await;
    assert_eq!(second["conversation_id"], first["conversation_id"]);
    assert_ne!(second["message_id"], first["message_id"]);
    assert_eq!(text(&listen(&mut socket).await.1["type"]), "chat.completed");
    assert_eq!(
        said(&stack, &caller).await,
        states(&[("assistant", "completed"), ("assistant", "failed"), ("user", "completed")])
    );
}
