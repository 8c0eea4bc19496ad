//! Fifty replies streamed at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;
use tally_local::template;
use tally_tests::messages_api::{Answer, MessagesApi, reply};
use tokio::sync::Barrier;

use super::{claude, path_of, poll, text};

/// Replies at once: five users with two sessions of five connections each.
const MANY: usize = 50;

/// Number of parts of a reply before all replies are being written, and after that.
const PARTS: (usize, usize) = (5, 40);

/// The parts of the reply to a message. No two are the same.
fn parts(message: &str) -> Vec<String> {
    (0..PARTS.0 + PARTS.1).map(|number| format!("{message}:{number} ")).collect()
}

#[tokio::test]
async fn fifty_replies_at_once_come_whole_and_in_order_each_to_whom_it_is_for() {
    // A reply goes on when all the others have got as far and every client has heard its beginning.
    // So all are written at the same time and come in more than one piece, even on a slow machine.
    let barrier = Arc::new(Barrier::new(2 * MANY));
    let held = barrier.clone();
    let api = MessagesApi::start(move |asked| {
        let parts = parts(asked.message());
        let frames = reply(&parts.iter().map(String::as_str).collect::<Vec<_>>());
        Answer::stream(frames).held_at(3 + PARTS.0, &held).paced(Duration::from_millis(20))
    });
    let api = api.await;
    let stack = claude::world_of(&api, |options| {
        options.processes.per_function = MANY;
        // A slow machine can keep a worker from saying that it is alive. Nothing ends its reply
        // then.
        let deployment = template::load(&options.source("http://127.0.0.1:1")).unwrap();
        let functions = deployment.functions.into_iter().map(|function| function.binary);
        options.only = Some(functions.filter(|binary| binary != "expire-replies").collect());
        options.sets.extend(
            ["AiFirstTokenMilliseconds", "AiIdleMilliseconds"]
                .map(|name| (name.to_owned(), "300000".to_owned())),
        );
    });
    let stack = &stack.await;
    let mut chats = Vec::new();
    for _ in 0..MANY / 10 {
        let caller = stack.someone().await;
        for caller in [stack.login(&caller.username, "Correct-Horse-9").await, caller] {
            for _ in 0..5 {
                let message = format!("chat-{}", chats.len());
                let mut socket = stack.connect(&caller).await;
                let started = socket
                    .ask(&json!({"action": "chat.send", "message": message}), "chat.started")
                    .await;
                chats.push((message, caller.clone(), socket, started));
            }
        }
    }
    assert_eq!(
        chats
            .iter()
            .map(|(.., started)| text(&started["message_id"]))
            .collect::<BTreeSet<_>>()
            .len(),
        MANY
    );
    let barrier = &barrier;
    join_all(chats.into_iter().map(|(message, caller, mut socket, started)| async move {
        let mut heard = String::new();
        let mut deltas = 0;
        let end = loop {
            let next = socket
                .next_within(Duration::from_mins(2))
                .await
                .unwrap_or_else(|_| panic!("{message} goes no further"));
            let next = next.expect("the connection stays");
            assert_eq!(next["message_id"], started["message_id"], "{next}");
            if next["type"] != "chat.delta" {
                break next;
            }
            deltas += 1;
            assert_eq!(next["sequence"], deltas, "{next}");
            heard.push_str(text(&next["text"]));
            if deltas == 1 {
                barrier.wait().await;
            }
        };
        assert_eq!(
            (text(&end["type"]), heard.as_str()),
            ("chat.completed", parts(&message).concat().as_str()),
            "{end}"
        );
        let stored = poll(stack, &caller, &path_of(&started)).await.pop().unwrap();
        assert_eq!((text(&stored["status"]), text(&stored["text"])), ("completed", heard.as_str()));
    }))
    .await;
}
