//! `chat.send` and the messages that follow it.

use std::time::{Duration, Instant};

use platform::store::{Session, Sessions};
use serde_json::{Value, json};
use tally_chat::domain::MessageStatus;
use tally_local::aws::{Failure, Fault, Service};
use tally_tests::{Socket, TestStack};

use super::{FAST, SLOW, own_events, path_of, poll, text, words};

/// A reply as a client heard it: its text from the deltas, their number, and the message that ended
/// it.
struct Heard {
    text: String,
    deltas: u64,
    end: Value,
}

/// Hears a reply to its end. Deltas must be numbered from 1 without a gap.
async fn listen(socket: &mut Socket, started: &Value) -> Heard {
    let mut heard = String::new();
    let mut deltas = 0;
    loop {
        let message = socket.next().await.expect("the connection stays");
        assert_eq!(message["message_id"], started["message_id"], "{message}");
        if message["type"] != "chat.delta" {
            return Heard { text: heard, deltas, end: message };
        }
        deltas += 1;
        assert_eq!(message["sequence"], deltas, "{message}");
        assert!(message["text"] != "", "{message}");
        heard.push_str(text(&message["text"]));
    }
}

#[tokio::test]
async fn a_reply_is_streamed_to_the_connection_that_asked() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = socket
        .ask(
            &json!({"action": "chat.send", "id": "mine", "message": "Tell me more"}),
            "chat.started",
        )
        .await;
    assert_eq!(started["id"], "mine");
    assert_eq!(started["prompt"], json!({"name": "default", "version": 0}));
    assert_eq!(started.as_object().unwrap().len(), 5, "{started}");
    let heard = listen(&mut socket, &started).await;
    let spoken = heard.text.split_whitespace().count() as u64;
    assert!((50..=120).contains(&spoken), "{}", heard.text);
    // Each frame has more than one word, and the reply still comes as a stream.
    assert!((5..spoken).contains(&heard.deltas), "{} frames for {spoken} words", heard.deltas);
    let usage = json!({
        "input_tokens": 3, "output_tokens": spoken, "cache_read_tokens": 0, "cache_write_tokens": 0,
    });
    let expected = json!({
        "type": "chat.completed", "message_id": started["message_id"], "stop_reason": "end_turn", "usage": usage, "cost_usd": "0.00"
    });
    assert_eq!(heard.end, expected);

    let stored = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!(
        (text(&stored["status"]), text(&stored["text"])),
        ("completed", heard.text.as_str())
    );
    let events = own_events(&stack, &caller, "chat.").await;
    let actions: Vec<_> =
        events.iter().map(|event| (text(&event["action"]), text(&event["outcome"]))).collect();
    assert_eq!(actions, [("chat.requested", "success"), ("chat.message", "success")]);
    assert_eq!(events[0]["request_id"], events[1]["request_id"]);
}

#[tokio::test]
async fn a_conversation_goes_on_over_either_way() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let first = socket.ask(&json!({"action": "chat.send", "message": "one"}), "chat.started").await;
    let heard = listen(&mut socket, &first).await;
    let said = 1 + heard.text.split_whitespace().count() as u64;

    let next = json!({"message": "two", "conversation_id": first["conversation_id"]});
    let answer = stack.post("/chat", Some(&caller), &next).await.expect(200);
    assert_eq!(answer["usage"]["input_tokens"], said + 1);
    let said = said + 1 + words(&answer["reply"]);

    let next = json!({
        "action": "chat.send", "message": "three", "conversation_id": first["conversation_id"],
    });
    let third = socket.ask(&next, "chat.started").await;
    assert_eq!(third["conversation_id"], first["conversation_id"]);
    assert_eq!(listen(&mut socket, &third).await.end["usage"]["input_tokens"], said + 1);

    let mut intruder = stack.connect(&other).await;
    let error = intruder.ask(&next, "error").await;
    assert_eq!(error["code"], "not_found");
}

#[tokio::test]
async fn replies_to_one_connection_are_told_apart() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    for id in ["a", "b"] {
        socket.send(&json!({"action": "chat.send", "id": id, "message": "Hello"})).await;
    }
    let (mut texts, mut ended) = (std::collections::BTreeMap::<String, (u64, String)>::new(), 0);
    while ended < 2 {
        let message = socket.next().await.unwrap();
        let reply = texts.entry(text(&message["message_id"]).to_owned()).or_default();
        match text(&message["type"]) {
            "chat.started" => assert_eq!(reply.0, 0),
            "chat.delta" => {
                reply.0 += 1;
                assert_eq!(message["sequence"], reply.0);
                reply.1.push_str(text(&message["text"]));
            }
            "chat.completed" => {
                ended += 1;
                assert_eq!(message["usage"]["output_tokens"], reply.1.split_whitespace().count());
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(texts.len(), 2);
}

#[tokio::test]
async fn a_message_that_is_wrong_or_too_much_is_an_error_and_the_connection_stays() {
    let stack = TestStack::with(&[("RateLimits", "chat_session=2/1h,*=100000/1m"), FAST[1]]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let wrong = json!({
        "action": "chat.send", "id": "1", "message": "", "conversation_id": 7, "prompt": "no!",
        "variables": ["x"], "more": true,
    });
    let error = socket.ask(&wrong, "error").await;
    assert_eq!((text(&error["code"]), text(&error["id"])), ("validation_failed", "1"));
    let pointers: Vec<_> =
        error["errors"].as_array().unwrap().iter().map(|error| text(&error["pointer"])).collect();
    assert_eq!(pointers, ["/message", "/conversation_id", "/prompt", "/variables", "/more"]);
    for _ in 0..2 {
        let started =
            socket.ask(&json!({"action": "chat.send", "message": "Hi"}), "chat.started").await;
        assert_eq!(listen(&mut socket, &started).await.end["type"], "chat.completed");
    }
    let error = socket.ask(&json!({"action": "chat.send", "message": "Hi"}), "error").await;
    assert_eq!(error["code"], "rate_limited");
    // The limit applies to both ways together.
    stack
        .post("/chat", Some(&caller), &json!({"message": "Hi"}))
        .await
        .problem(429, "rate_limited");
    socket.ask(&json!({"action": "ping"}), "pong").await;
}

#[tokio::test]
async fn a_reply_goes_on_when_its_subscriber_has_disconnected() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Bye"}), "chat.started").await;
    socket.expect("chat.delta").await;
    socket.close().await;
    let end = poll(&stack, &caller, &path_of(&started)).await.pop().unwrap();
    assert_eq!((text(&end["status"]), text(&end["stop_reason"])), ("completed", "end_turn"));
    assert!((50..=120).contains(&words(&end["text"])), "{end}");
}

#[tokio::test]
async fn a_session_that_has_ended_hears_no_more_of_its_reply() {
    let stack = TestStack::with(&[FAST[0], ("LoremWordMilliseconds", "250")]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Go on"}), "chat.started").await;
    socket.expect("chat.delta").await;
    // The session ends but its connection stays open, as when a logout dies after its commit.
    let platform = stack.platform("SessionsFunction");
    let database = platform.database().unwrap();
    let now = platform.clock.now().as_second();
    let sessions = Sessions::new(&platform).unwrap();
    let list = stack.get("/auth/sessions", Some(&caller)).await.expect(200);
    let session = sessions.get(text(&list["items"][0]["id"])).await.unwrap().unwrap();
    let hash = session.refresh_hash.clone();
    database
        .commit(vec![sessions.rotate(&Session { expires_at: now, ..session }, &hash).unwrap()])
        .await
        .unwrap();
    let since = Instant::now();
    while let Ok(message) = socket.next_within(Duration::from_secs(2)).await {
        let message = message.expect("the connection stays");
        // The end has no text, so it may be sent if the connection was checked a moment ago.
        if message["type"] == "chat.completed" {
            assert_eq!(message["stop_reason"], "cancelled");
            continue;
        }
        assert_eq!(message["type"], "chat.delta");
        assert!(since.elapsed() < Duration::from_secs(9), "it hears the reply to its end");
    }
    // The reply stops as if its user had cancelled it.
    let again = stack.login(&caller.username, "Correct-Horse-9").await;
    let end = poll(&stack, &again, &path_of(&started)).await.pop().unwrap();
    assert_eq!(text(&end["status"]), "cancelled");
}

#[tokio::test]
async fn a_client_learns_that_a_worker_cannot_be_started() {
    let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";
    let stack = TestStack::of(|options| {
        options.environment.insert("CHAT_STREAM_ARN".into(), nowhere.into());
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = socket
        .ask(&json!({"action": "chat.send", "id": "1", "message": "Anyone?"}), "chat.started")
        .await;
    let heard = listen(&mut socket, &started).await;
    assert_eq!(
        (heard.deltas, text(&heard.end["type"]), text(&heard.end["code"])),
        (0, "chat.failed", "unavailable")
    );
    assert_eq!(heard.end["id"], "1");
    let stored = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!(stored["status"], MessageStatus::Failed.as_str());
}

#[tokio::test]
async fn a_reply_whose_end_cannot_be_stored_is_not_said_to_be_complete() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    socket.ask(&json!({"action": "chat.send", "message": "Hi"}), "chat.started").await;
    socket.expect("chat.delta").await;
    let worker = stack
        .local
        .deployment()
        .functions
        .iter()
        .find(|function| function.id == "ChatStreamFunction")
        .unwrap();
    stack.local.aws().fail(Fault {
        service: Service::DynamoDb,
        operation: Some("TransactWriteItems".into()),
        target: Some(worker.environment["MESSAGES_TABLE"].clone()),
        failure: Failure::Internal,
        times: usize::MAX,
    });
    let end = loop {
        let message = socket.next_within(Duration::from_secs(30)).await.unwrap().unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
    };
    assert_eq!((text(&end["type"]), text(&end["code"])), ("chat.failed", "unavailable"));
    assert!(own_events(&stack, &caller, "chat.message").await.is_empty());
}

#[tokio::test]
async fn a_reply_is_whole_although_answers_of_the_store_are_lost() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Hi"}), "chat.started").await;
    // The answers to every write of frames are lost, and those to all three tries of the first
    // write of the end.
    stack.fail("DraftsTable", Some("PutItem"), Failure::AnswerLost, usize::MAX);
    stack.fail("MessagesTable", Some("TransactWriteItems"), Failure::AnswerLost, 3);
    let heard = listen(&mut socket, &started).await;
    assert_eq!(text(&heard.end["type"]), "chat.completed");
    let stored = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!(
        (text(&stored["status"]), text(&stored["text"])),
        ("completed", heard.text.as_str())
    );
    assert_eq!(own_events(&stack, &caller, "chat.message").await.len(), 1);
}
