//! Replies whose worker died or never began. The sweep ends them.

use std::time::Duration;

use assistant::domain::{Cost, MessageRole, Usage};
use platform::clock::{Clock, Timestamp};
use platform::ids;
use serde_json::{Value, json};
use tally_access::sources::Sources;
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Drafts, Head, Message, Messages, Overdue, Spent};
use tally_chat::{Ending, Endings};
use tally_local::aws::Failure;
use tally_prompts::domain::{Pinned, Values};
use tally_tests::messages_api::{Answer, MessagesApi};
use tally_tests::{Caller, TestStack};

use super::{FAST, SLOW, ask_async, claude, own_events, path_of, text};
use crate::audit::texts_of;

/// Makes a reply overdue, with this many output tokens spent.
pub async fn grow_old(stack: &TestStack, message_id: &Value, output_tokens: u64) {
    let usage = Usage { output_tokens, ..Usage::default() };
    let spent = Spent { model: "lorem".into(), usage, cost_usd: Cost::default() };
    assert!(
        drafts(stack)
            .checkpoint(text(message_id), &spent, in_seconds(-1).as_second(), &[])
            .await
            .unwrap()
            .is_some()
    );
}

/// If a reply has ended and a subscriber has yet to be told, makes its sweep due. Returns whether
/// that is so.
pub async fn make_sweep_due(stack: &TestStack, message_id: &Value) -> bool {
    let found = waiting(stack, in_seconds(3_600)).await;
    let Some(found) = found.into_iter().find(|found| found.message_id == text(message_id)) else {
        return false;
    };
    drafts(stack).put_off(&found, in_seconds(-1).as_second()).await.unwrap()
}

/// Replies whose sweep is due before this time.
async fn waiting(stack: &TestStack, before: Timestamp) -> Vec<Overdue> {
    let drafts = drafts(stack);
    let mut waiting = Vec::new();
    for shard in 0..Drafts::SHARDS {
        let mut after = None;
        loop {
            let page = drafts.overdue(shard, before, after.as_ref()).await.unwrap();
            let Some(last) = page.last() else { break };
            after = Some(last.clone());
            waiting.extend(page);
        }
    }
    waiting
}

pub fn drafts(stack: &TestStack) -> Drafts {
    let platform = stack.platform("ExpireRepliesFunction");
    Drafts::new(&platform).unwrap()
}

fn in_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_second(Clock::System.now().as_second() + seconds).unwrap()
}

pub async fn sweep(stack: &TestStack) {
    stack.local.invoke("ExpireRepliesFunction", "{}").await.unwrap();
}

async fn read(stack: &TestStack, caller: &Caller, started: &Value) -> Value {
    stack.get(&path_of(started), Some(caller)).await.expect(200)
}

#[tokio::test]
async fn a_reply_whose_worker_died_ends_as_failed_with_what_there_was() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Until death"}), "chat.started").await;
    let mut said = String::new();
    while said.split_whitespace().count() < 20 {
        said.push_str(text(&socket.expect("chat.delta").await["text"]));
    }
    stack.local.functions().kill("ChatStreamFunction").unwrap();

    // The reply stays as long as its time has not come, because a worker may be writing it.
    sweep(&stack).await;
    assert_eq!(read(&stack, &caller, &started).await["status"], "streaming");
    grow_old(&stack, &started["message_id"], 17).await;
    for _ in 0..2 {
        sweep(&stack).await;
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
    let message = read(&stack, &caller, &started).await;
    assert_eq!(
        (text(&message["status"]), &message["usage"]["output_tokens"]),
        ("failed", &json!(17))
    );
    let kept = text(&message["text"]);
    assert!(!kept.is_empty() && said.starts_with(kept), "{kept:?} of {said:?}");
    let events = own_events(&stack, &caller, "chat.message").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((text(&event["outcome"]), text(&event["detail"]["model"])), ("failure", "lorem"));
    // The event has the texts that are on record.
    let asked = r#"{"prompt":{"name":"default","version":0,"sha256":null},"shown":null,"turn":"Until death"}"#;
    let texts = texts_of(&stack, &caller, event).await;
    assert_eq!(texts, json!({"prompt": asked, "reply": kept}));

    // A client that comes back later hears the same.
    socket
        .send(&json!({
            "action": "chat.resume", "message_id": started["message_id"], "after_sequence": 0,
        }))
        .await;
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

/// Asks for a reply whose worker dies before it acquires it.
async fn ask_in_vain(stack: &TestStack, caller: &Caller) -> Value {
    stack.fail("MessagesTable", Some("UpdateItem"), Failure::HeldBefore, 1);
    let asked = ask_async(stack, caller, &json!({"message": "Anyone?"})).await.expect(202);
    stack.local.aws().held().await;
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    asked
}

#[tokio::test]
async fn a_reply_that_no_worker_began_ends_as_failed() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let asked = ask_in_vain(&stack, &caller).await;
    sweep(&stack).await;
    assert_eq!(read(&stack, &caller, &asked).await["status"], "pending");
    grow_old(&stack, &asked["message_id"], 0).await;
    sweep(&stack).await;
    let message = read(&stack, &caller, &asked).await;
    assert_eq!((text(&message["status"]), text(&message["text"])), ("failed", ""));
    // A worker that starts late finds the reply ended.
    let start = super::start_of(&stack, &caller, &asked).await;
    let start = serde_json::to_vec(&start).unwrap();
    stack.local.invoke("ChatStreamFunction", start).await.unwrap();
    assert_eq!(read(&stack, &caller, &asked).await, message);
    let events = own_events(&stack, &caller, "chat.message").await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.get("texts"), None, "no model was asked: {event}");
}

#[tokio::test]
async fn a_reply_that_was_to_stop_ends_as_cancelled_though_its_worker_died() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Until death"}), "chat.started").await;
    socket.expect("chat.delta").await;
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    socket.send(&json!({"action": "chat.cancel", "message_id": started["message_id"]})).await;
    while drafts(&stack)
        .head(text(&started["message_id"]))
        .await
        .unwrap()
        .unwrap()
        .cancelled_at
        .is_none()
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    grow_old(&stack, &started["message_id"], 5).await;
    sweep(&stack).await;
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
    };
    assert_eq!((text(&end["type"]), text(&end["stop_reason"])), ("chat.completed", "cancelled"));
    assert_eq!(read(&stack, &caller, &started).await["status"], "cancelled");
}

#[tokio::test]
async fn a_worker_that_lives_says_so_and_one_that_was_declared_dead_stops() {
    let api = MessagesApi::with(vec![Answer::silence()]).await;
    let stack = claude::stack(&api, &[("AiFirstTokenMilliseconds", "600000")]).await;
    let caller = stack.someone().await;
    let asked = ask_async(&stack, &caller, &json!({"message": "Think"})).await.expect(202);
    api.was_asked(1).await;
    let drafts = drafts(&stack);
    let id = text(&asked["message_id"]);
    let alive_until = async || drafts.head(id).await.unwrap().unwrap().sweep_at.unwrap();
    // The worker renews this time. It must be well within 90 s, because the sweep runs once a
    // minute.
    let first = alive_until().await;
    assert!(first <= Clock::System.now().as_second() + 25, "{first}");
    while alive_until().await == first {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    sweep(&stack).await;
    assert_eq!(read(&stack, &caller, &asked).await["status"], "streaming");

    // Simulate a store that has not answered the worker for as long. Then the sweep ends the reply.
    let spent = drafts.head(id).await.unwrap().unwrap().spent.unwrap();
    drafts.checkpoint(id, &spent, in_seconds(-1).as_second(), &[]).await.unwrap().unwrap();
    sweep(&stack).await;
    let failed = read(&stack, &caller, &asked).await;
    assert_eq!(
        (text(&failed["status"]), &failed["cost_usd"]),
        ("failed", &json!(spent.cost_usd.to_string()))
    );
    api.hung_up(1).await;
    assert_eq!(read(&stack, &caller, &asked).await, failed);
    assert_eq!(own_events(&stack, &caller, "chat.message").await.len(), 1);
}

#[tokio::test]
async fn a_call_whose_worker_dies_as_it_is_sent_is_billed() {
    let api = MessagesApi::with(vec![Answer::silence()]).await;
    let stack = claude::stack(&api, &[]).await;
    let caller = stack.someone().await;
    let asked =
        ask_async(&stack, &caller, &json!({"message": "A".repeat(9_000)})).await.expect(202);
    api.was_asked(1).await;
    stack.local.functions().kill("ChatStreamFunction").unwrap();
    let drafts = drafts(&stack);
    let id = text(&asked["message_id"]);
    let spent = drafts
        .head(id)
        .await
        .unwrap()
        .unwrap()
        .spent
        .expect("it stands there before the call is sent");
    drafts.checkpoint(id, &spent, in_seconds(-1).as_second(), &[]).await.unwrap().unwrap();
    sweep(&stack).await;
    let failed = read(&stack, &caller, &asked).await;
    // Two tokens for three bytes, and a few for the prompt.
    let tokens = failed["usage"]["input_tokens"].as_u64().unwrap();
    assert!((6_001..8_000).contains(&tokens), "{failed}");
    let budget = stack.get("/users/me/budget", Some(&caller)).await.expect(200);
    assert_eq!((&budget["spent_usd"], text(&budget["held_usd"])), (&failed["cost_usd"], "0.00"));
}

#[tokio::test]
async fn an_end_that_every_subscriber_got_is_not_sent_again() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Once"}), "chat.started").await;
    while socket.next().await.unwrap()["type"] == "chat.delta" {}
    // The worker is about to note that all have been told.
    while !waiting(&stack, in_seconds(3_600)).await.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!make_sweep_due(&stack, &started["message_id"]).await);
    sweep(&stack).await;
    socket.ask(&json!({"action": "ping"}), "pong").await;
}

#[tokio::test]
async fn replies_that_cannot_be_ended_keep_no_other_waiting() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let platform = stack.platform("ExpireRepliesFunction");
    let messages = Messages::new(&platform).unwrap();
    // Make a hundred such replies that no user has asked for. They are older than the one that can
    // be ended.
    let made_at = in_seconds(-600);
    for _ in 0..100 {
        let conversation_id = ids::new_id(made_at);
        let id = ids::new_id(made_at);
        let head = Head {
            message_id: id.clone(),
            user_id: "u-1".into(),
            conversation_id: conversation_id.clone(),
            subscribers: [].into(),
            revision: 1,
            sweep_at: Some(made_at.as_second()),
            spent: None,
            cancelled_at: None,
            waits_until: None,
            restarted: false,
            ended_at: None,
            missed: [].into(),
            expires_at: None,
        };
        let orphan = Message {
            conversation_id,
            id,
            user_id: "u-1".into(),
            role: MessageRole::Assistant,
            text: String::new(),
            status: MessageStatus::Pending,
            created_at: made_at.as_millisecond(),
            answers: None,
            stop_reason: None,
            usage: None,
            cost_usd: None,
            failure: None,
            hold: None,
            origin: None,
            context: None,
            sources: Sources::default(),
            prompt: Pinned::default(),
            variables: Values::default(),
            agent: None,
            terms: None,
            steps: 0,
            tool_calls: Vec::new(),
            decisions: 0,
            claim: None,
        };
        let writes = vec![messages.add(&orphan).unwrap(), drafts(&stack).begin(&head).unwrap()];
        platform.database().unwrap().commit(writes).await.unwrap();
    }
    let asked = ask_in_vain(&stack, &caller).await;
    grow_old(&stack, &asked["message_id"], 0).await;

    // The sweep reports that it could not do everything.
    let failed = stack.local.invoke("ExpireRepliesFunction", "{}").await.unwrap_err();
    assert!(failed.to_string().contains("internal_error"), "{failed}");
    assert_eq!(read(&stack, &caller, &asked).await["status"], "failed");
    // They are put off for as long as they are old.
    assert_eq!(waiting(&stack, in_seconds(0)).await, []);
    assert_eq!(waiting(&stack, in_seconds(500)).await, []);
    assert_eq!(waiting(&stack, in_seconds(3_700)).await.len(), 100);
    sweep(&stack).await;
}

#[tokio::test]
async fn a_reply_that_is_taken_up_after_all_is_not_ended_as_overdue() {
    let stack = TestStack::with(&SLOW).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started =
        socket.ask(&json!({"action": "chat.send", "message": "Still there"}), "chat.started").await;
    socket.expect("chat.delta").await;
    let platform = stack.platform("ExpireRepliesFunction");
    let drafts = Drafts::new(&platform).unwrap();
    let messages = Messages::new(&platform).unwrap();
    let head = drafts.head(text(&started["message_id"])).await.unwrap().unwrap();
    let reply =
        messages.get(text(&started["conversation_id"]), &head.message_id).await.unwrap().unwrap();
    let failed = Message { status: MessageStatus::Failed, ..reply };
    // This is the state as a sweep saw it before the worker acquired the reply.
    let overdue = head.sweep_at.map(|sweep_at| sweep_at - 1);
    let from = MessageStatus::Streaming;
    let revision = head.revision;
    let subscribers = head.subscribers_at_end();
    let ending = Ending {
        reply: &failed,
        from,
        model: None,
        asked: None,
        revision,
        overdue,
        subscribers,
        frames: None,
    };
    assert!(!Endings::new(&platform).unwrap().end_anyway(ending).await.unwrap());
    let end = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "chat.delta" {
            break message;
        }
    };
    assert_eq!(text(&end["type"]), "chat.completed");
}
