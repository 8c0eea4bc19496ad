//! Calls of tools that wait for their user: decisions, the end of their time, and the other ends of
//! a reply that waits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join;
use http::Method;
use platform::Platform;
use platform::clock::{Clock, Timestamp};
use platform::context::Context;
use platform::gate::{Committer, RequestInfo};
use platform::identity::Identity;
use platform::input::Fields;
use platform::plan::Reply;
use platform::problem::Code;
use serde_json::{Value, json};
use tally_chat::domain::{CallStatus, Decisions};
use tally_chat::store::{Message, Steps};
use tally_chat::{Answering, Confirmation, Confirming};
use tally_tests::{Answer, Caller, Socket, TestStack, id};

use super::sweep::{drafts, make_sweep_due, sweep};
use super::tools::{statuses, titles};
use super::worker::platform_of;
use super::{FAST, own_events, path_of, text, tools};
use crate::api_keys::new_key;
use crate::audit::texts_of;

/// An ARN that no function has. So a start of the worker is lost.
pub const NOWHERE: &str = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";

/// A message to which `lorem` answers with a call of `add_task`.
fn add(title: &str) -> String {
    format!("/tool add_task {}", json!({"title": title}))
}

/// Asks the agent `tasks` over a connection. Gives `chat.started`.
async fn ask(socket: &mut Socket, message: &str) -> Value {
    tools::ask(socket, "tasks", message).await
}

/// The reply once it waits.
async fn waiting(stack: &TestStack, caller: &Caller, started: &Value) -> Value {
    for _ in 0..400 {
        let message = stack.get(&path_of(started), Some(caller)).await.expect(200);
        if message["status"] == "awaiting_confirmation" {
            return message;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{started} does not wait");
}

/// A reply that waits for a decision about one call, as `chat.tool_call` and as its message.
async fn one_that_waits(
    stack: &TestStack,
    caller: &Caller,
    socket: &mut Socket,
) -> (Value, Value, Value) {
    let started = ask(socket, &add("Call the bank")).await;
    let call = socket.expect("chat.tool_call").await;
    let message = waiting(stack, caller, &started).await;
    (started, call, message)
}

fn decisions(calls: &[(&Value, &str)]) -> Value {
    calls.iter().map(|(id, decision)| json!({"call_id": id, "decision": decision})).collect()
}

fn confirm(started: &Value, calls: &[(&Value, &str)]) -> Value {
    json!({
        "action": "chat.confirm", "id": "d", "message_id": started["message_id"],
        "decisions": decisions(calls),
    })
}

/// Decides over HTTP.
async fn post(
    stack: &TestStack,
    caller: &Caller,
    started: &Value,
    calls: &[(&Value, &str)],
) -> Answer {
    let path = format!("{}/confirmations", path_of(started));
    stack.post(&path, Some(caller), &json!({"decisions": decisions(calls)})).await
}

/// The messages about a reply up to its end, which is the last. Answers to messages are left out.
async fn rest(socket: &mut Socket) -> Vec<Value> {
    let mut heard = Vec::new();
    loop {
        let message = socket.next().await.expect("the connection stays");
        match text(&message["type"]) {
            "chat.confirmed" | "chat.cancelling" | "chat.resumed" => {}
            "chat.completed" | "chat.failed" => {
                heard.push(message);
                return heard;
            }
            _ => heard.push(message),
        }
    }
}

/// Checks that messages about a reply are numbered without a gap, from the one after `after` on.
fn assert_numbered(heard: &[Value], after: u64) {
    let numbers: Vec<_> = heard.iter().filter_map(|message| message["sequence"].as_u64()).collect();
    let expected: Vec<_> = (after + 1..).take(numbers.len()).collect();
    assert_eq!(numbers, expected, "{heard:?}");
}

#[tokio::test]
async fn a_write_waits_for_its_user_and_is_made_once_confirmed() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, message) = one_that_waits(&stack, &caller, &mut socket).await;
    assert_eq!(
        (&call["sequence"], text(&call["tool"]), text(&call["status"]), &call["arguments"]),
        (&json!(1), "add_task", "awaiting_confirmation", &json!({"title": "Call the bank"}))
    );
    assert!(text(&call["preview"]).contains("Call the bank"), "{call}");
    let expires_at: Timestamp = text(&call["expires_at"]).parse().unwrap();
    assert!(expires_at > Clock::System.now() + Duration::from_secs(800), "{call}");
    let shown = &message["tool_calls"][0];
    for member in ["call_id", "tool", "title", "arguments", "preview", "status", "expires_at"] {
        assert_eq!(shown[member], call[member], "{member}");
    }
    assert_eq!((text(&message["text"]), text(&message["agent"]["name"])), ("", "tasks"));
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());

    let approve = confirm(&started, &[(&call["call_id"], "approve")]);
    let answer = socket.ask(&approve, "chat.confirmed").await;
    assert_eq!((text(&answer["id"]), text(&answer["status"])), ("d", "pending"));
    let heard = rest(&mut socket).await;
    assert_numbered(&heard, 1);
    assert_eq!(
        (text(&heard[0]["type"]), text(&heard[0]["status"]), &heard[0]["call_id"]),
        ("chat.tool_result", "completed", &call["call_id"])
    );
    assert_eq!(text(&heard.last().unwrap()["stop_reason"]), "end_turn");
    assert_eq!(titles(&stack, &caller).await, ["Call the bank"]);

    let message = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&message["status"]), statuses(&message)), ("completed", vec!["completed"]));
    assert_eq!(message["tool_calls"][0]["summary"], heard[0]["summary"]);
    assert_eq!(message["tool_calls"][0].get("expires_at"), None);
    let said: String = heard.iter().filter_map(|message| message["text"].as_str()).collect();
    assert_eq!(text(&message["text"]), said);

    let confirmed = own_events(&stack, &caller, "tool.confirmed").await;
    let [event] = confirmed.as_slice() else { panic!("{confirmed:?}") };
    assert_eq!(event["resource"], format!("message:{}", text(&started["message_id"])));
    assert_eq!(
        (&event["detail"]["call_ids"], &event["detail"]["tools"]),
        (&json!([call["call_id"]]), &json!(["add_task"]))
    );
    let ended = own_events(&stack, &caller, "chat.message").await.remove(0);
    let detail = &ended["detail"];
    assert_eq!(
        (&detail["agent"], &detail["steps"], &detail["tools"]),
        (&json!("tasks"), &json!(2), &json!(["add_task"]))
    );
    assert!(detail["agent_version"].as_u64().is_some_and(|version| version > 0), "{detail}");
    // The log proves by hashes what the model was sent.
    let prompt = texts_of(&stack, &caller, &ended).await["prompt"].take();
    let prompt: Value = serde_json::from_str(text(&prompt)).unwrap();
    let recorded = &prompt["steps"][0]["calls"][0];
    let arguments = platform::ids::sha256(&json!({"title": "Call the bank"}).to_string());
    assert_eq!(
        (&recorded["tool"], &recorded["status"], text(&recorded["arguments_sha256"])),
        (&json!("add_task"), &json!("completed"), arguments.as_str())
    );
    assert!(recorded["result_sha256"].is_string(), "{prompt}");
}

#[tokio::test]
async fn of_two_decisions_at_once_one_counts() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut asker = stack.connect(&caller).await;
    // These two do not receive the reply.
    let mut first = stack.connect(&caller).await;
    let mut second = stack.connect(&caller).await;
    for round in 0..5 {
        let title = format!("Task {round}");
        let started = ask(&mut asker, &add(&title)).await;
        let call = asker.expect("chat.tool_call").await;
        waiting(&stack, &caller, &started).await;
        let (approve, reject) = (
            confirm(&started, &[(&call["call_id"], "approve")]),
            confirm(&started, &[(&call["call_id"], "reject")]),
        );
        let (approved, rejected) =
            join(first.ask_amid(&approve, &[]), second.ask_amid(&reject, &[])).await;
        let won = [&approved, &rejected].map(|answer| answer["type"] == "chat.confirmed");
        assert!(won[0] != won[1], "{approved} {rejected}");
        let lost = if won[0] { &rejected } else { &approved };
        assert_eq!(text(&lost["code"]), "conflict");
        assert_eq!(text(&rest(&mut asker).await.last().unwrap()["type"]), "chat.completed");
        let message = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
        let expected = if won[0] { "completed" } else { "rejected" };
        assert_eq!(statuses(&message), [expected]);
        assert_eq!(titles(&stack, &caller).await.contains(&title), won[0]);

        // The same decision again succeeds, and another one does not. Neither has an effect.
        let (same, other) = if won[0] { (&approve, &reject) } else { (&reject, &approve) };
        let same = second.ask(same, "chat.confirmed").await;
        assert_eq!(text(&same["status"]), "completed");
        assert_eq!(text(&second.ask(other, "error").await["code"]), "conflict");
    }
    let successes = async |action| {
        let events = own_events(&stack, &caller, action).await.into_iter();
        events.filter(|event| event["outcome"] == "success").count()
    };
    assert_eq!(successes("tool.confirmed").await + successes("tool.rejected").await, 5);
}

#[tokio::test]
async fn over_http_a_reply_that_waits_is_answered_at_once_and_its_rest_is_waited_for() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let asked = json!({"message": add("Call the bank"), "agent": "tasks"});
    let accepted = stack.post("/chat", Some(&caller), &asked).await;
    let started = accepted.expect(202);
    assert_eq!(
        (text(&started["status"]), accepted.header("location")),
        ("awaiting_confirmation", path_of(&started).as_str())
    );
    let call = &started["tool_calls"][0]["call_id"];
    assert_eq!(started["tool_calls"][0]["status"], "awaiting_confirmation");
    // A new message is allowed meanwhile, and does not see the reply.
    let next = json!({"message": "Hello", "conversation_id": started["conversation_id"]});
    let next = stack.post("/chat", Some(&caller), &next).await.expect(200);
    assert_eq!(text(&next["stop_reason"]), "end_turn");

    let path = format!("{}/confirmations", path_of(&started));
    for (body, faults) in [
        (json!({}), &["/decisions"][..]),
        (json!({"decisions": []}), &["/decisions"]),
        (json!({"decisions": decisions(&[(call, "approve"), (call, "reject")])}), &["/decisions"]),
        (json!({"decisions": decisions(&[(call, "maybe")])}), &["/decisions"]),
        (json!({"decisions": decisions(&[(call, "approve")]), "arguments": {}}), &["/arguments"]),
    ] {
        stack.post(&path, Some(&caller), &body).await.invalid(faults);
    }
    let other = stack.someone().await;
    post(&stack, &other, &started, &[(call, "approve")]).await.problem(404, "not_found");
    let unknown = json!("no-such-call");
    post(&stack, &caller, &started, &[(call, "approve"), (&unknown, "approve")])
        .await
        .problem(404, "not_found");
    let elsewhere = json!({
        "conversation_id": started["message_id"], "message_id": started["message_id"],
    });
    post(&stack, &caller, &elsewhere, &[(call, "approve")]).await.problem(404, "not_found");
    // A key cannot confirm, even with every scope.
    let key = new_key(&["chat:write", "tasks:write"], Duration::from_hours(1));
    let key = stack.post("/api-keys", Some(&caller), &key).await.expect(201);
    let request = stack.request(Method::POST, &path).header("x-api-key", text(&key["key"]));
    let body = json!({"decisions": decisions(&[(call, "approve")])});
    stack.send(request.json(&body)).await.problem(403, "forbidden");
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());

    let confirmed = post(&stack, &caller, &started, &[(call, "approve")]).await.expect(200);
    assert_eq!(
        (&confirmed["message_id"], text(&confirmed["stop_reason"]), statuses(&confirmed)),
        (&started["message_id"], "end_turn", vec!["completed"])
    );
    assert_eq!(post(&stack, &caller, &started, &[(call, "approve")]).await.expect(200), confirmed);
    post(&stack, &caller, &started, &[(call, "reject")]).await.problem(409, "conflict");
    assert_eq!(titles(&stack, &caller).await, ["Call the bank"]);
}

#[tokio::test]
async fn the_reply_goes_on_once_all_of_its_calls_are_decided() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    for at_once in [false, true] {
        let (one, two) = (format!("One {at_once}"), format!("Two {at_once}"));
        let message = format!("{}\n{}", add(&one), add(&two));
        let asked = json!({"message": message, "agent": "tasks"});
        let started = stack.post("/chat", Some(&caller), &asked).await.expect(202);
        let calls = &started["tool_calls"];
        let [first, second] = [&calls[0]["call_id"], &calls[1]["call_id"]];
        let decided = if at_once {
            post(&stack, &caller, &started, &[(second, "approve"), (first, "reject")]).await
        } else {
            let waits = post(&stack, &caller, &started, &[(first, "reject")]).await.expect(202);
            assert_eq!(text(&waits["status"]), "awaiting_confirmation");
            assert_eq!(statuses(&waits), ["rejected", "awaiting_confirmation"]);
            assert!(!titles(&stack, &caller).await.contains(&two));
            post(&stack, &caller, &started, &[(second, "approve")]).await
        };
        assert_eq!(statuses(&decided.expect(200)), ["rejected", "completed"]);
        let added = titles(&stack, &caller).await;
        assert_eq!((added.contains(&one), added.contains(&two)), (false, true));
        // Both decisions have an event of their own, also if one request has both.
        let number = if at_once { 2 } else { 1 };
        for (action, call) in [("tool.confirmed", second), ("tool.rejected", first)] {
            let events = own_events(&stack, &caller, action).await;
            assert_eq!(events.len(), number, "{action}");
            assert_eq!(events.last().unwrap()["detail"]["call_ids"], json!([call]), "{action}");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_not_confirmed_in_time_expires_and_its_reply_ends() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    // It waits as long as its time is not over.
    sweep(&stack).await;
    waiting(&stack, &caller, &started).await;
    assert!(make_sweep_due(&stack, &started["message_id"]).await);
    sweep(&stack).await;
    let heard = rest(&mut socket).await;
    assert_numbered(&heard, 1);
    let [result, end] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((text(&result["status"]), &result["call_id"]), ("expired", &call["call_id"]));
    assert_eq!(
        (text(&end["type"]), text(&end["stop_reason"])),
        ("chat.completed", "confirmation_expired")
    );
    let message = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&message["status"]), statuses(&message)), ("completed", vec!["expired"]));
    assert_eq!(message["tool_calls"][0]["summary"], result["summary"]);
    for decision in ["approve", "reject"] {
        let refused = post(&stack, &caller, &started, &[(&call["call_id"], decision)]).await;
        refused.problem(409, "conflict");
    }
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());

    // It is replayed like any other, and its subscribers were told once.
    sweep(&stack).await;
    socket
        .send(&json!({
            "action": "chat.resume", "message_id": started["message_id"], "after_sequence": 0,
        }))
        .await;
    let again = rest(&mut socket).await;
    assert_eq!(again[0]["call_id"], call["call_id"]);
    assert_eq!(again[1..], heard);
    let ended = own_events(&stack, &caller, "chat.message").await;
    let [event] = ended.as_slice() else { panic!("{ended:?}") };
    assert_eq!(
        (text(&event["outcome"]), text(&event["detail"]["stop_reason"])),
        ("success", "confirmation_expired")
    );
}

/// Decides as the functions do, with settings of the test. Gives the code of a refusal.
pub async fn decide(
    stack: &TestStack,
    caller: &Caller,
    platform: &Platform,
    (started, call): (&Value, &Value),
    now: Timestamp,
) -> Result<(), Code> {
    let me = stack.get("/auth/me", Some(caller)).await.expect(200);
    let sessions = stack.get("/auth/sessions", Some(caller)).await.expect(200);
    let caller = Identity {
        user_id: id(&me["user"]),
        username: caller.username.clone(),
        session_id: id(&sessions["items"][0]),
    };
    let body = json!({"decisions": decisions(&[(call, "approve")])});
    let mut fields = Fields::json(body.as_object().unwrap().clone());
    let decisions: Decisions = fields.required("decisions").unwrap();
    let message_id = text(&started["message_id"]).to_owned();
    let context = Context::default();
    let confirmation =
        Confirmation { caller, context, conversation_id: None, message_id, decisions, now };
    let answering = Answering { answer: Arc::new(|_: &Message| Reply::new(())), follow: None };
    let plan = Confirming::new(platform).unwrap().decide(confirmation, answering).await;
    let (committer, context) = (Committer::new(platform).unwrap(), Context::default());
    let info = RequestInfo::new(&context, now, None);
    committer.commit(plan, None, &info).await.map(drop).map_err(|problem| problem.code)
}

#[tokio::test]
async fn a_decision_after_its_time_is_refused_although_the_sweep_is_late() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    let platform = platform_of(&stack, &[]);
    let expires_at: Timestamp = text(&call["expires_at"]).parse().unwrap();
    let place = (&started, &call["call_id"]);
    let refused = decide(&stack, &caller, &platform, place, expires_at).await;
    assert_eq!(refused, Err(Code::Conflict));
    let just_before = expires_at - Duration::from_secs(1);
    assert_eq!(decide(&stack, &caller, &platform, place, just_before).await, Ok(()));
    rest(&mut socket).await;
    assert_eq!(titles(&stack, &caller).await, ["Call the bank"]);
}

#[tokio::test]
async fn a_start_that_is_lost_is_made_up_for_by_the_sweep_once() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    let platform = platform_of(&stack, &[("CHAT_STREAM_ARN", NOWHERE)]);
    let now = platform.clock.now();
    let place = (&started, &call["call_id"]);
    assert_eq!(decide(&stack, &caller, &platform, place, now).await, Ok(()));
    let pending = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&pending["status"]), statuses(&pending)), ("pending", vec!["running"]));
    sweep(&stack).await;
    assert!(make_sweep_due(&stack, &started["message_id"]).await);
    sweep(&stack).await;
    let heard = rest(&mut socket).await;
    assert_numbered(&heard, 1);
    assert_eq!(text(&heard.last().unwrap()["type"]), "chat.completed");
    assert_eq!(titles(&stack, &caller).await, ["Call the bank"]);

    // A second start is not made: the reply ends as failed, and its calls with it.
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    let place = (&started, &call["call_id"]);
    assert_eq!(decide(&stack, &caller, &platform, place, now).await, Ok(()));
    let drafts = drafts(&stack);
    let of_draft = drafts.head(text(&started["message_id"])).await.unwrap().unwrap();
    assert!(drafts.give_another_start(&of_draft, now).await.unwrap());
    let of_draft = drafts.head(text(&started["message_id"])).await.unwrap().unwrap();
    assert!(!drafts.give_another_start(&of_draft, now).await.unwrap());
    assert!(make_sweep_due(&stack, &started["message_id"]).await);
    sweep(&stack).await;
    let heard = rest(&mut socket).await;
    let [result, end] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((text(&result["status"]), &result["sequence"]), ("failed", &json!(2)));
    assert_eq!((text(&end["type"]), text(&end["code"])), ("chat.failed", "unavailable"));
    let failed = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!((text(&failed["status"]), statuses(&failed)), ("failed", vec!["failed"]));
    // A worker that starts late finds the reply ended, and its call closed.
    let steps = Steps::new(&platform).unwrap().of(text(&started["message_id"])).await.unwrap();
    assert_eq!(steps[0].1[0].status, CallStatus::Failed);
    assert_eq!(titles(&stack, &caller).await, ["Call the bank"]);
}

#[tokio::test]
async fn a_reply_that_waits_can_be_stopped() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    let cancel = json!({"action": "chat.cancel", "id": "c", "message_id": started["message_id"]});
    let frames = ["chat.tool_result", "chat.completed"];
    let answer = socket.ask_amid(&cancel, &frames).await;
    assert_eq!(text(&answer["type"]), "chat.cancelling");
    let ended = loop {
        let message = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
        if message["status"] == "cancelled" {
            break message;
        }
    };
    assert_eq!((text(&ended["stop_reason"]), statuses(&ended)), ("cancelled", vec!["rejected"]));
    let approve = confirm(&started, &[(&call["call_id"], "approve")]);
    assert_eq!(text(&socket.ask_amid(&approve, &frames).await["code"]), "conflict");
    // A second request changes nothing.
    assert_eq!(text(&socket.ask_amid(&cancel, &frames).await["type"]), "chat.cancelling");
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
    let cancelled = own_events(&stack, &caller, "chat.cancelled").await;
    assert_eq!(cancelled.iter().filter(|event| event["outcome"] == "success").count(), 1);
    let rejected = own_events(&stack, &caller, "tool.").await;
    assert!(rejected.iter().all(|event| event["outcome"] == "failure"), "{rejected:?}");
}

#[tokio::test]
async fn a_reply_that_waits_ends_with_its_conversation_and_leaves_no_steps() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut socket).await;
    assert!(!stack.items("StepsTable").await.is_empty());
    let conversation = format!("/conversations/{}", text(&started["conversation_id"]));
    stack.delete(&conversation, Some(&caller)).await.expect(204);
    post(&stack, &caller, &started, &[(&call["call_id"], "approve")])
        .await
        .problem(404, "not_found");
    let drafts = drafts(&stack);
    let message_id = text(&started["message_id"]);
    // The worker of the deletion asks the reply to stop, and makes its sweep due.
    loop {
        let head = drafts.head(message_id).await.unwrap().unwrap();
        if head.cancelled_at.is_some() && head.sweep_at != head.waits_until {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(make_sweep_due(&stack, &started["message_id"]).await);
    sweep(&stack).await;
    let heard = rest(&mut socket).await;
    assert_eq!(text(&heard[0]["status"]), "rejected");
    assert_eq!(text(&heard.last().unwrap()["stop_reason"]), "cancelled");
    let ended = own_events(&stack, &caller, "chat.message").await;
    assert_eq!(text(&ended[0]["detail"]["status"]), "cancelled");
    let purge = json!({"conversation_id": started["conversation_id"]});
    stack.local.invoke("PurgeConversationsFunction", purge.to_string()).await.unwrap();
    for table in ["MessagesTable", "DraftsTable", "StepsTable"] {
        let left = stack.items(table).await;
        assert!(left.is_empty(), "{table}: {left:?}");
    }
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_connection_that_resumes_a_reply_that_waits_gets_what_there_is_and_later_the_rest() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut first = stack.connect(&caller).await;
    let (started, call, _) = one_that_waits(&stack, &caller, &mut first).await;
    let mut others = Vec::new();
    for after in [0, 1, 7] {
        let mut other = stack.connect(&caller).await;
        let resume = json!({
            "action": "chat.resume", "id": "r", "message_id": started["message_id"],
            "after_sequence": after,
        });
        other.send(&resume).await;
        let kinds: Vec<_> = if after == 0 {
            vec![other.next().await.unwrap(), other.next().await.unwrap()]
        } else {
            vec![other.next().await.unwrap()]
        };
        for message in &kinds {
            match text(&message["type"]) {
                "chat.resumed" => assert_eq!(text(&message["id"]), "r"),
                _ => assert_eq!(message["call_id"], call["call_id"]),
            }
        }
        others.push(other);
    }
    // Each of them has joined before the decision.
    let drafts = drafts(&stack);
    let message_id = text(&started["message_id"]);
    while drafts.head(message_id).await.unwrap().unwrap().subscribers.len() < 4 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let decision = confirm(&started, &[(&call["call_id"], "approve")]);
    others[0].send(&decision).await;
    let heard = rest(&mut first).await;
    assert_numbered(&heard, 1);
    for other in &mut others {
        assert_eq!(rest(other).await, heard);
    }
}

#[tokio::test]
async fn an_agent_is_named_once_and_only_those_who_may_use_it_name_it() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    for (body, field) in [
        (json!({"message": "Hi", "agent": "no-such-agent"}), "/agent"),
        // For auditors alone.
        (json!({"message": "Hi", "agent": "auditor"}), "/agent"),
        (json!({"message": "Hi", "agent": "tasks", "prompt": "default"}), "/agent"),
        (json!({"message": "Hi", "agent": "Tasks"}), "/agent"),
    ] {
        stack.post("/chat", Some(&caller), &body).await.invalid(&[field]);
    }
    let first = json!({"message": "Hi", "agent": "tasks"});
    let first = stack.post("/chat", Some(&caller), &first).await.expect(200);
    let conversation_id = &first["conversation_id"];
    let agent_of = async |answer: &Value| {
        let message = stack.get(&path_of(answer), Some(&caller)).await.expect(200);
        message["agent"]["name"].clone()
    };
    assert_eq!(agent_of(&first).await, "tasks");
    // The conversation keeps its agent, until a message names another.
    for (body, agent) in [
        (json!({"message": "And now?", "conversation_id": conversation_id}), "tasks"),
        (
            json!({"message": "Hi", "conversation_id": conversation_id, "agent": "finance"}),
            "finance",
        ),
        (json!({"message": "And now?", "conversation_id": conversation_id}), "finance"),
    ] {
        let answer = stack.post("/chat", Some(&caller), &body).await.expect(200);
        assert_eq!(agent_of(&answer).await, agent);
    }
    let prompted =
        json!({"message": "Hi", "conversation_id": conversation_id, "prompt": "default"});
    stack.post("/chat", Some(&caller), &prompted).await.invalid(&["/prompt"]);
    let admin = stack.admin().await;
    let audited = json!({"message": "Hi", "agent": "auditor"});
    stack.post("/chat", Some(&admin), &audited).await.expect(200);
}
