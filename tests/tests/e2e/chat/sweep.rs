//! Replies whose worker died, or never began: the sweep ends them.

use platform::domain::{Cost, Usage};
use platform::store::{Drafts, Spent};
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, World};

use super::{FAST, SLOW, ask_async, own_events, path_of, text};

/// Makes a reply one that should have ended long ago, with this much spent.
pub async fn grow_old(world: &World, message_id: &Value, output_tokens: u64) {
    let platform = world.platform("ChatSweepFunction");
    let drafts = Drafts::new(platform.database().unwrap(), &platform.config).unwrap();
    let usage = Usage { output_tokens, ..Usage::default() };
    let spent = Spent { model: "lorem".into(), usage, cost_usd: Cost::default() };
    let past = platform.clock.now().as_second() - 1;
    assert!(drafts.touch(text(message_id), &spent, past).await.unwrap().is_some());
}

pub async fn sweep(world: &World) {
    world.stack.invoke("ChatSweepFunction", "{}").await.unwrap();
}

async fn read(world: &World, caller: &Caller, started: &Value) -> Value {
    world.get(&path_of(started), Some(caller)).await.expect(200)
}

#[tokio::test]
async fn a_reply_whose_worker_died_ends_as_failed_with_what_there_was() {
    let world = World::with(&SLOW).await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    let started = socket.ask(&json!({"action": "chat.send", "message": "Until death"}), "chat.started").await;
    let mut said = String::new();
    while said.split_whitespace().count() < 20 {
        said.push_str(text(&socket.expect("chat.delta").await["text"]));
    }
    world.stack.functions().kill("ChatStreamFunction").unwrap();

    // It may be that somebody writes it, as long as its time has not come.
    sweep(&world).await;
    assert_eq!(read(&world, &caller, &started).await["status"], "streaming");
    grow_old(&world, &started["message_id"], 17).await;
    for _ in 0..2 {
        sweep(&world).await;
    }
    let failed = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
        said.push_str(text(&message["text"]));
    };
    assert_eq!((text(&failed["type"]), text(&failed["code"])), ("chat.failed", "unavailable"));
    assert_eq!(failed["message_id"], started["message_id"]);
    let message = read(&world, &caller, &started).await;
    assert_eq!((text(&message["status"]), &message["usage"]["output_tokens"]), ("failed", &json!(17)));
    let kept = text(&message["text"]);
    assert!(!kept.is_empty() && said.starts_with(kept), "{kept:?} of {said:?}");
    let events = own_events(&world, &caller, "chat.message").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((text(&event["outcome"]), text(&event["detail"]["model"])), ("failure", "lorem"));

    // Whoever comes back later hears the same.
    socket.send(&json!({"action": "chat.resume", "message_id": started["message_id"], "after_sequence": 0})).await;
    let mut again = String::new();
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
        again.push_str(text(&message["text"]));
    };
    assert_eq!((again.as_str(), end), (kept, failed));
}

#[tokio::test]
async fn a_reply_that_nobody_began_ends_as_failed() {
    let world = World::with(&FAST).await;
    let caller = world.someone().await;
    // Lambda has taken the worker's start and never comes to it.
    world.fail("MessagesTable", Some("UpdateItem"), Failure::Internal, 4);
    let asked = ask_async(&world, &caller, &json!({"message": "Anyone?"})).await.expect(202);
    sweep(&world).await;
    assert_eq!(read(&world, &caller, &asked).await["status"], "pending");
    grow_old(&world, &asked["message_id"], 0).await;
    sweep(&world).await;
    let message = read(&world, &caller, &asked).await;
    assert_eq!((text(&message["status"]), text(&message["text"])), ("failed", ""));
    // A worker that comes after all finds it ended.
    let start = serde_json::to_vec(&super::start_of(&asked)).unwrap();
    world.stack.invoke("ChatStreamFunction", start).await.unwrap();
    assert_eq!(read(&world, &caller, &asked).await, message);
    assert_eq!(own_events(&world, &caller, "chat.message").await.len(), 1);
}
