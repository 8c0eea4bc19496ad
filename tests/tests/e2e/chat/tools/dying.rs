//! Calls of tools whose worker, session or rights end in between: each call is made once or not at
//! all, with its event.

use std::sync::Arc;

use assistant::domain::{Cost, StopReason, Usage};
use assistant::{Event, Events, Provider, Request, ToolUse};
use futures_util::stream::{self, StreamExt as _};
use platform::Platform;
use platform::identity::{Credential, Principal};
use serde_json::{Value, json};
use tally_access::sources::{Source, Sources};
use tally_chat::domain::{CallStatus, Frame};
use tally_chat::store::{CallRecord, Frames, Message, Messages, Step, Steps};
use tally_local::aws::Failure;
use tally_tests::{Caller, TestStack, id};
use tokio::sync::Notify;

use super::{PASSWORD, agent, ask, decide, ended, hear, statuses, titles};
use crate::chat::sweep::{drafts, grow_old, sweep};
use crate::chat::worker::{pending_of, platform_of, write};
use crate::chat::{FAST, own_events, path_of, text};

#[tokio::test]
async fn a_worker_that_is_killed_after_a_confirmation_has_made_the_call_once_or_not_at_all() {
    for (moment, made) in [(Failure::HeldBefore, 0), (Failure::HeldAfter, 1)] {
        let stack = TestStack::with(&FAST).await;
        let caller = stack.someone().await;
        let mut socket = stack.connect(&caller).await;
        let started = ask(&mut socket, "tasks", r#"/tool add_task {"title": "Once"}"#).await;
        let asked = hear(&mut socket, 1).await;
        stack.fail("TasksTable", Some("TransactWriteItems"), moment, 1);
        let approved = [(&asked[0], "approve")];
        let decided = decide(&stack, &caller, &started, &approved);
        let kill = async {
            stack.local.aws().held().await;
            stack.local.functions().kill("ChatStreamFunction").unwrap();
        };
        let (decided, ()) = futures_util::join!(decided, kill);
        assert!(decided.status < 300, "{decided:?}");
        grow_old(&stack, &started["message_id"], 1).await;
        sweep(&stack).await;
        let message = ended(&stack, &caller, &started).await;
        let status = if made == 1 { "completed" } else { "failed" };
        assert_eq!((text(&message["status"]), statuses(&message)), ("failed", vec![status]));
        assert_eq!(titles(&stack, &caller).await.len(), made, "{moment:?}");
        let created = own_events(&stack, &caller, "task.created").await;
        assert_eq!(created.len(), made, "{moment:?}: {created:?}");
        // The conversation goes on.
        let next = json!({"message": "And?", "conversation_id": started["conversation_id"]});
        stack.post("/chat", Some(&caller), &next).await.expect(200);
    }
}

#[tokio::test]
async fn a_call_whose_answer_was_lost_is_made_once_and_its_reply_goes_on() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = ask(&mut socket, "tasks", r#"/tool add_task {"title": "Once"}"#).await;
    let asked = hear(&mut socket, 1).await;
    // More often than the platform tries again.
    stack.fail("TasksTable", Some("TransactWriteItems"), Failure::AnswerLost, 20);
    decide(&stack, &caller, &started, &[(&asked[0], "approve")]).await;
    let message = ended(&stack, &caller, &started).await;
    assert_eq!((text(&message["status"]), statuses(&message)), ("completed", vec!["completed"]));
    assert_eq!(titles(&stack, &caller).await, ["Once"]);
    assert_eq!(own_events(&stack, &caller, "task.created").await.len(), 1);
}

#[tokio::test]
async fn a_call_is_not_made_once_the_session_that_asked_has_ended() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = ask(&mut socket, "tasks", r#"/tool add_task {"title": "Late"}"#).await;
    let asked = hear(&mut socket, 1).await;
    let other = stack.login(&caller.username, PASSWORD).await;
    stack.post("/auth/logout", Some(&caller), &json!({})).await;
    decide(&stack, &other, &started, &[(&asked[0], "approve")]).await;
    let message = ended(&stack, &other, &started).await;
    assert_eq!(text(&message["stop_reason"]), "cancelled");
    assert_eq!(titles(&stack, &other).await, Vec::<String>::new());
}

/// A provider that asks for a call once the test says so, and then answers.
#[derive(Clone)]
struct Held {
    asked: Arc<Notify>,
    goes_on: Arc<Notify>,
}

impl Provider for Held {
    fn model(&self) -> &'static str {
        "held"
    }

    fn call(&self, request: Request) -> Events {
        let used = Usage { input_tokens: 1, ..Usage::default() };
        let begins = stream::iter([Ok(Event::Usage(used))]);
        if request.turns.len() > 1 {
            let ends = [Ok(Event::Text("Done.".into())), Ok(Event::Stop(StopReason::EndTurn))];
            return begins.chain(stream::iter(ends)).boxed();
        }
        let Self { asked, goes_on } = self.clone();
        let wait = async move {
            asked.notify_one();
            goes_on.notified().await;
            let input = json!({"title": "By a zombie"});
            Ok(Event::ToolUse(ToolUse { id: "call_1".into(), name: "add_task".into(), input }))
        };
        let stop = stream::iter([Ok(Event::Stop(StopReason::ToolUse))]);
        begins.chain(stream::once(wait)).chain(stop).boxed()
    }

    fn cost(&self, _: &str, _: &Usage) -> Cost {
        Cost::default()
    }
}

/// The caller as the worker knows them: in their session.
pub async fn principal(stack: &TestStack, caller: &Caller) -> Principal {
    let me = stack.get("/auth/me", Some(caller)).await.expect(200);
    let sessions = stack.get("/auth/sessions", Some(caller)).await.expect(200);
    Principal {
        user_id: id(&me["user"]),
        username: caller.username.clone(),
        credential: Credential::SessionId(id(&sessions["items"][0])),
    }
}

/// A reply as it is stored.
async fn stored(platform: &Platform, reply: &Message) -> Message {
    let messages = Messages::new(platform).unwrap();
    messages.get(&reply.conversation_id, &reply.id).await.unwrap().unwrap()
}

/// A reply of an agent that asks for no confirmation of this call. No worker has been started.
async fn pending(stack: &TestStack, caller: &Caller) -> Message {
    agent(stack, "bold", &json!({"confirm": "destructive"})).await;
    let body = json!({"message": "Add it.", "agent": "bold"});
    let principal = principal(stack, caller).await;
    pending_of(&platform_of(stack, &[]), principal, &body).await
}

#[tokio::test]
async fn a_worker_that_was_declared_dead_makes_no_call() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let reply = pending(&stack, &caller).await;
    let platform = platform_of(&stack, &[]);
    let held = Held { asked: Arc::default(), goes_on: Arc::default() };
    let declare_dead = async {
        held.asked.notified().await;
        let message_id = Value::from(reply.id.as_str());
        // The worker says that it is alive from time to time, so the sweep may have to try again.
        loop {
            grow_old(&stack, &message_id, 1).await;
            sweep(&stack).await;
            if stored(&platform, &reply).await.status.as_str() == "failed" {
                break;
            }
        }
        held.goes_on.notify_one();
    };
    tokio::join!(write(&platform, held.clone(), &reply), declare_dead);
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
    assert!(Steps::new(&platform).unwrap().of(&reply.id).await.unwrap().is_empty());
    assert_eq!(own_events(&stack, &caller, "task.").await.len(), 0);
}

#[tokio::test]
async fn a_stop_while_the_model_writes_makes_none_of_its_calls() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let reply = pending(&stack, &caller).await;
    let platform = platform_of(&stack, &[]);
    let held = Held { asked: Arc::default(), goes_on: Arc::default() };
    let stop = async {
        held.asked.notified().await;
        let cancel = drafts(&stack).cancel(&reply.id, &reply.user_id, platform.clock.now());
        platform.database().unwrap().commit(vec![cancel]).await.unwrap();
    };
    tokio::join!(write(&platform, held.clone(), &reply), stop);
    let end = stored(&platform, &reply).await;
    assert_eq!((end.status.as_str(), end.tool_calls.len()), ("cancelled", 0));
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_call_that_needs_no_confirmation_is_made_by_the_worker_that_asked() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let reply = pending(&stack, &caller).await;
    let platform = platform_of(&stack, &[]);
    let held = Held { asked: Arc::default(), goes_on: Arc::default() };
    held.goes_on.notify_one();
    write(&platform, held, &reply).await;
    let end = stored(&platform, &reply).await;
    assert_eq!((end.status.as_str(), end.text.as_str(), end.steps), ("completed", "Done.", 2));
    assert_eq!(titles(&stack, &caller).await, ["By a zombie"]);
    // Its steps are kept for a worker that would go on.
    let steps = Steps::new(&platform).unwrap().of(&reply.id).await.unwrap();
    let [(step, calls)] = &steps[..] else { panic!("{steps:?}") };
    assert_eq!((step.number, step.blocks.len()), (1, 1));
    let result = calls[0].result.as_deref().unwrap();
    assert!(result.contains("By a zombie"), "{result}");
}

#[tokio::test]
async fn a_reply_whose_worker_dies_keeps_the_sources_of_its_results() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let reply = pending(&stack, &caller).await;
    let platform = platform_of(&stack, &[]);
    let (messages, steps) = (Messages::new(&platform).unwrap(), Steps::new(&platform).unwrap());
    let Message { conversation_id, id, .. } = &reply;
    let acquired = messages.acquire(conversation_id, id, "worker").await.unwrap().unwrap();
    assert!(messages.begin_step(&acquired, 1).await.unwrap());
    let now = platform.clock.now();
    let said = Frames {
        message_id: id.clone(),
        sequence: 1,
        frames: vec![Frame::Text("Let me see.".into())],
        sources: Sources::default(),
    };
    drafts(&stack).save(&said, now).await.unwrap();
    // The column is gone, so no user may read it any more.
    let gone = |number: usize| format!("019a0000-0000-7000-8000-{number:012x}");
    let source = Source {
        workbook_id: gone(1),
        sheet_id: gone(2),
        column_ids: vec![gone(3)],
        results_only: false,
    };
    let sources = Sources::of(&[source]).unwrap();
    assert!(messages.note_sources(conversation_id, id, &sources).await.unwrap());
    let step = Step { message_id: id.clone(), number: 1, blocks: Vec::new() };
    let call = CallRecord {
        message_id: id.clone(),
        step: 1,
        position: 0,
        call_id: "call_1".into(),
        tool: "read_cells".into(),
        title: "Read cells".into(),
        arguments: json!({}),
        preview: String::new(),
        status: CallStatus::Completed,
        result: Some("730619253".into()),
        summary: Some("730619253".into()),
    };
    let writes = steps.add(&step, &[call], now).unwrap();
    platform.database().unwrap().commit(writes).await.unwrap();

    // The worker has died before the draft had these sources.
    let started = json!({"conversation_id": conversation_id, "message_id": id});
    let read = async || stack.get(&path_of(&started), Some(&caller)).await;
    assert_eq!(read().await.expect(200)["withheld"], true);
    grow_old(&stack, &started["message_id"], 1).await;
    sweep(&stack).await;
    let failed = read().await;
    assert!(!failed.text.contains("730619253"), "{failed:?}");
    let failed = failed.expect(200);
    assert_eq!((text(&failed["status"]), &failed["withheld"]), ("failed", &json!(true)));
    assert_eq!(stored(&platform, &reply).await.tool_calls.len(), 1);
}
