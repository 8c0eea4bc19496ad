//! Replies of agents: calls of tools, and the confirmations of their users. `lorem` uses a tool
//! where the message says `/tool NAME {json}`.

mod dying;
mod kills;
mod steps;

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tally_tests::{Answer, Caller, Socket, TestStack};

use super::{FAST, own_events, path_of, text};
use crate::api_keys::new_key;

const PASSWORD: &str = "Correct-Horse-9";

/// How long a test waits for a message.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sets an agent with every tool that tasks and notes need, and with these settings.
async fn agent(stack: &TestStack, name: &str, more: &Value) {
    let mut body = json!({
        "title": "Agent", "prompt": "agent.tasks",
        "tools": ["add_task", "list_tasks", "delete_task", "remember", "forget"],
    });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let admin = stack.admin().await;
    let set = stack.call(Method::PUT, &format!("/agents/{name}"), &admin, &body).await;
    assert!(set.status < 300, "{set:?}");
}

/// Adds a task by HTTP. Returns its id.
async fn add(stack: &TestStack, caller: &Caller, title: &str) -> String {
    tally_tests::id(&stack.post("/tasks", Some(caller), &json!({"title": title})).await.expect(201))
}

/// The titles of a user's open tasks, in the order in which they were added.
pub async fn titles(stack: &TestStack, caller: &Caller) -> Vec<String> {
    let page = stack.get("/tasks", Some(caller)).await.expect(200);
    let tasks = page["items"].as_array().unwrap().iter().rev();
    tasks.map(|task| text(&task["title"]).to_owned()).collect()
}

/// Asks an agent over a connection. Returns `chat.started`.
pub async fn ask(socket: &mut Socket, agent: &str, message: &str) -> Value {
    let message = json!({"action": "chat.send", "message": message, "agent": agent});
    socket.ask(&message, "chat.started").await
}

/// Hears a reply to its end, or until this many of its calls wait for a confirmation; with 0, to
/// its end in any case. Returns the messages as they came.
async fn hear_raw(socket: &mut Socket, waiting: usize) -> Vec<String> {
    let mut heard = Vec::new();
    let mut waits = 0;
    loop {
        let frame = socket.next_frame(PATIENCE).await.expect("a message comes");
        let frame = frame.expect("the connection stays");
        let message: Value = serde_json::from_str(&frame).unwrap();
        heard.push(frame);
        waits += usize::from(message["status"] == "awaiting_confirmation");
        let is_end = matches!(text(&message["type"]), "chat.completed" | "chat.failed");
        if is_end || (waiting > 0 && waits == waiting) {
            return heard;
        }
    }
}

fn parsed(heard: &[String]) -> Vec<Value> {
    heard.iter().map(|frame| serde_json::from_str(frame).unwrap()).collect()
}

async fn hear(socket: &mut Socket, waiting: usize) -> Vec<Value> {
    parsed(&hear_raw(socket, waiting).await)
}

/// The messages of a reply in short, with neighbouring deltas as one. Fails if a number is missing
/// after `after`.
fn shape(heard: &[Value], after: u64) -> Vec<String> {
    let mut shape: Vec<String> = Vec::new();
    let mut sequence = after;
    for message in heard {
        if let Some(number) = message["sequence"].as_u64() {
            sequence += 1;
            assert_eq!(number, sequence, "{heard:?}");
        }
        let short = match text(&message["type"]) {
            "chat.delta" => "text".to_owned(),
            "chat.tool_call" => {
                format!("call {} {}", text(&message["tool"]), text(&message["status"]))
            }
            "chat.tool_result" => format!("result {}", text(&message["status"])),
            "chat.completed" => format!("end {}", text(&message["stop_reason"])),
            other => other.to_owned(),
        };
        if short != "text" || shape.last().is_none_or(|last| last != "text") {
            shape.push(short);
        }
    }
    shape
}

/// Decides about calls of a reply over HTTP.
async fn decide(
    stack: &TestStack,
    caller: &Caller,
    started: &Value,
    decisions: &[(&Value, &str)],
) -> Answer {
    let decisions: Vec<_> = decisions
        .iter()
        .map(|(call, decision)| json!({"call_id": call["call_id"], "decision": decision}))
        .collect();
    let path = format!("{}/confirmations", path_of(started));
    let request = stack.request(Method::POST, &path).bearer_auth(&caller.access);
    let request = request.header("prefer", "respond-async");
    stack.send(request.json(&json!({"decisions": decisions}))).await
}

/// Polls a reply until it has ended.
async fn ended(stack: &TestStack, caller: &Caller, started: &Value) -> Value {
    loop {
        let message = stack.get(&path_of(started), Some(caller)).await.expect(200);
        if matches!(text(&message["status"]), "completed" | "cancelled" | "failed") {
            return message;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The statuses of the calls in a message.
pub fn statuses(message: &Value) -> Vec<&str> {
    let calls = message["tool_calls"].as_array().into_iter().flatten();
    calls.map(|call| text(&call["status"])).collect()
}

#[tokio::test]
async fn a_call_that_reads_is_made_at_once_and_answered_in_the_next_step() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    add(&stack, &caller, "Pay the rent").await;
    let mut socket = stack.connect(&caller).await;
    let started = ask(&mut socket, "tasks", "/tool list_tasks {}").await;
    let heard = hear(&mut socket, 0).await;
    assert_eq!(
        shape(&heard, 0),
        ["call list_tasks running", "result completed", "text", "end end_turn"]
    );
    let (call, result) = (&heard[0], &heard[1]);
    assert_eq!((&call["arguments"], &call["call_id"]), (&json!({}), &result["call_id"]));
    assert_eq!(text(&result["summary"]), "1 item.");
    let message = ended(&stack, &caller, &started).await;
    assert_eq!(statuses(&message), ["completed"]);
    assert_eq!(message["tool_calls"][0]["summary"], result["summary"]);
    assert_eq!(
        (text(&message["agent"]["name"]), &message["agent"]["version"]),
        ("tasks", &json!(1))
    );
    let [event] = &own_events(&stack, &caller, "tool.called").await[..] else { panic!("one call") };
    let expected = json!({
        "via": "chat", "tool": "list_tasks", "call_id": call["call_id"],
        "message_id": started["message_id"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(event["detail"][name], *value, "{event}");
    }
}

#[tokio::test]
async fn a_write_waits_until_its_user_confirms_it_on_any_connection_and_is_replayed_byte_by_byte() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut first = stack.connect(&caller).await;
    let message = r#"/tool add_task {"title": "Pay the rent"}"#;
    let started = ask(&mut first, "tasks", message).await;
    let mut raw = hear_raw(&mut first, 1).await;
    let asked = parsed(&raw);
    assert_eq!(shape(&asked, 0), ["call add_task awaiting_confirmation"]);
    assert!(text(&asked[0]["preview"]).contains("Pay the rent"), "{asked:?}");
    let waiting = stack.get(&path_of(&started), Some(&caller)).await.expect(200);
    assert_eq!(
        (text(&waiting["status"]), statuses(&waiting)),
        ("awaiting_confirmation", vec!["awaiting_confirmation"])
    );
    assert_eq!(waiting["tool_calls"][0]["expires_at"], asked[0]["expires_at"]);
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());

    let again = stack.login(&caller.username, PASSWORD).await;
    let mut second = stack.connect(&again).await;
    let decision = json!({"call_id": asked[0]["call_id"], "decision": "approve"});
    let confirm = json!({
        "action": "chat.confirm", "id": "yes", "message_id": started["message_id"],
        "decisions": [decision],
    });
    second.ask(&confirm, "chat.confirmed").await;
    let rest = hear_raw(&mut first, 0).await;
    assert_eq!(shape(&parsed(&rest), 1), ["result completed", "text", "end end_turn"]);
    assert_eq!(titles(&stack, &caller).await, ["Pay the rent"]);
    let created = own_events(&stack, &caller, "task.created").await;
    let [event] = &created[..] else { panic!("{created:?}") };
    assert_eq!(
        (&event["detail"]["via"], &event["detail"]["call_id"]),
        (&json!("chat"), &asked[0]["call_id"])
    );
    assert_eq!(own_events(&stack, &caller, "tool.confirmed").await.len(), 1);

    // Another connection hears the same, frame for frame.
    raw.extend(rest);
    let mut third = stack.connect(&again).await;
    for after in [0, 1, 2] {
        let resume = json!({
            "action": "chat.resume", "message_id": started["message_id"], "after_sequence": after,
        });
        third.send(&resume).await;
        assert_eq!(hear_raw(&mut third, 0).await, raw[after..]);
    }
}

#[tokio::test]
async fn a_call_that_is_rejected_is_not_made_and_the_reply_goes_on() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = ask(&mut socket, "tasks", r#"/tool add_task {"title": "Never"}"#).await;
    let asked = hear(&mut socket, 1).await;
    let decided = decide(&stack, &caller, &started, &[(&asked[0], "reject")]).await;
    assert!(decided.status < 300, "{decided:?}");
    assert_eq!(shape(&hear(&mut socket, 0).await, 1), ["result rejected", "text", "end end_turn"]);
    assert_eq!(statuses(&ended(&stack, &caller, &started).await), ["rejected"]);
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
    assert_eq!(own_events(&stack, &caller, "task.").await.len(), 0);
}

#[tokio::test]
async fn parallel_calls_are_answered_together_once_all_are_decided() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let message = [
        r#"/tool add_task {"title": "First"}"#,
        "/tool list_tasks {}",
        r#"/tool add_task {"title": "Second"}"#,
        r#"/tool add_task {"title": "Third"}"#,
    ];
    let started = ask(&mut socket, "tasks", &message.join("\n")).await;
    let asked = hear(&mut socket, 3).await;
    let waits = "call add_task awaiting_confirmation";
    assert_eq!(
        shape(&asked, 0),
        ["call list_tasks running", "result completed", waits, waits, waits]
    );
    let [_, _, first, second, third] = &asked[..] else { panic!("{asked:?}") };
    let some = decide(&stack, &caller, &started, &[(third, "approve"), (second, "reject")]).await;
    assert!(some.status < 300, "{some:?}");
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
    let last = decide(&stack, &caller, &started, &[(first, "approve")]).await;
    assert!(last.status < 300, "{last:?}");
    let rest = hear(&mut socket, 0).await;
    assert_eq!(
        shape(&rest, 5),
        ["result rejected", "result completed", "result completed", "text", "end end_turn"]
    );
    // Writes are made in the order of the calls.
    assert_eq!(titles(&stack, &caller).await, ["First", "Third"]);
    let message = ended(&stack, &caller, &started).await;
    assert_eq!(statuses(&message), ["completed", "completed", "rejected", "completed"]);
}

#[tokio::test]
async fn an_agent_says_which_calls_wait() {
    let stack = TestStack::with(&FAST).await;
    agent(&stack, "bold", &json!({"confirm": "destructive"})).await;
    agent(&stack, "shy", &json!({"confirm": "always"})).await;
    let caller = stack.someone().await;
    let id = add(&stack, &caller, "Old").await;
    let mut socket = stack.connect(&caller).await;
    // The write after the one that waits keeps its place.
    let message = [
        r#"/tool add_task {"title": "Before"}"#,
        &format!(r#"/tool delete_task {{"id": "{id}"}}"#),
        r#"/tool add_task {"title": "After"}"#,
    ];
    let started = ask(&mut socket, "bold", &message.join("\n")).await;
    let asked = hear(&mut socket, 1).await;
    assert_eq!(
        shape(&asked, 0),
        [
            "call add_task running",
            "call add_task running",
            "result completed",
            "call delete_task awaiting_confirmation"
        ]
    );
    assert!(text(&asked[3]["preview"]).contains("Old"), "{asked:?}");
    assert_eq!(titles(&stack, &caller).await, ["Old", "Before"]);
    decide(&stack, &caller, &started, &[(&asked[3], "approve")]).await;
    let rest = hear(&mut socket, 0).await;
    assert_eq!(shape(&rest, 4), ["result completed", "result completed", "text", "end end_turn"]);
    assert_eq!(titles(&stack, &caller).await, ["Before", "After"]);

    let message = "/tool list_tasks {}\n/tool remember {\"key\": \"a\", \"value\": \"1\"}";
    let started = ask(&mut socket, "shy", message).await;
    let asked = hear(&mut socket, 1).await;
    // Notes wait for nothing.
    assert_eq!(
        shape(&asked, 0),
        ["call remember running", "result completed", "call list_tasks awaiting_confirmation"]
    );
    decide(&stack, &caller, &started, &[(&asked[2], "approve")]).await;
    let rest = hear(&mut socket, 0).await;
    assert_eq!(shape(&rest, 3), ["result completed", "text", "end end_turn"]);
}

#[tokio::test]
async fn a_call_with_wrong_arguments_fails_and_does_not_wait() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    for (message, said) in [
        (r#"/tool add_task {"title": 7}"#, "/title"),
        (r#"/tool add_task {"titel": "Pay"}"#, "/titel"),
        (r#"/tool delete_task {"id": "019a0000-0000-7000-8000-000000000000"}"#, ""),
    ] {
        let started = ask(&mut socket, "tasks", message).await;
        let heard = hear(&mut socket, 0).await;
        let shape = shape(&heard, 0);
        assert!(shape[0].ends_with(" running"), "{heard:?}");
        assert_eq!(shape[1..], ["result failed", "text", "end end_turn"], "{message}");
        assert!(text(&heard[1]["summary"]).contains(said), "{heard:?}");
        assert_eq!(statuses(&ended(&stack, &caller, &started).await), ["failed"]);
    }
    assert_eq!(own_events(&stack, &caller, "task.").await.len(), 0);
}

#[tokio::test]
async fn notes_are_kept_without_a_confirmation() {
    let stack = TestStack::with(&FAST).await;
    agent(&stack, "notes", &json!({})).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let remember = r#"/tool remember {"key": "company", "value": "Alpha"}"#;
    let started = ask(&mut socket, "notes", remember).await;
    let heard = hear(&mut socket, 0).await;
    assert_eq!(
        shape(&heard, 0),
        ["call remember running", "result completed", "text", "end end_turn"]
    );
    let path = format!("/conversations/{}/state", text(&started["conversation_id"]));
    let state = async || stack.get(&path, Some(&caller)).await.expect(200)["values"].clone();
    assert_eq!(state().await, json!({"company": "Alpha"}));
    let forget = json!({
        "action": "chat.send", "message": r#"/tool forget {"key": "company"}"#,
        "conversation_id": started["conversation_id"], "agent": "notes",
    });
    socket.ask(&forget, "chat.started").await;
    hear(&mut socket, 0).await;
    assert_eq!(state().await, json!({}));
}

#[tokio::test]
async fn an_api_key_uses_only_tools_of_its_scopes_and_its_owner_confirms() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let key = async |scopes: &[&str]| {
        let body = new_key(scopes, Duration::from_hours(1));
        let key = stack.post("/api-keys", Some(&caller), &body).await.expect(201);
        text(&key["key"]).to_owned()
    };
    let ask = async |key: &str| {
        let request = stack.request(Method::POST, "/chat").header("x-api-key", key);
        let message = r#"/tool add_task {"title": "By a service"}"#;
        stack.send(request.json(&json!({"message": message, "agent": "tasks"}))).await
    };
    // The model is not told of the tool.
    let reader = key(&["chat:write", "tasks:read"]).await;
    let answer = ask(&reader).await.expect(200);
    assert_eq!((text(&answer["stop_reason"]), statuses(&answer)), ("end_turn", vec![]));
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());

    let writer = key(&["chat:write", "tasks:write"]).await;
    let waiting = ask(&writer).await.expect(202);
    assert_eq!(text(&waiting["status"]), "awaiting_confirmation");
    let call = waiting["tool_calls"][0].clone();
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
    let decided = decide(&stack, &caller, &waiting, &[(&call, "approve")]).await;
    assert!(decided.status < 300, "{decided:?}");
    let message = ended(&stack, &caller, &waiting).await;
    assert_eq!((text(&message["status"]), statuses(&message)), ("completed", vec!["completed"]));
    assert_eq!(titles(&stack, &caller).await, ["By a service"]);
}

#[tokio::test]
async fn a_cancel_during_the_wait_rejects_the_call() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let started = ask(&mut socket, "tasks", r#"/tool add_task {"title": "Never"}"#).await;
    hear(&mut socket, 1).await;
    let cancel = json!({"action": "chat.cancel", "message_id": started["message_id"]});
    socket.send(&cancel).await;
    let heard = hear(&mut socket, 0).await;
    let heard: Vec<_> =
        heard.into_iter().filter(|message| message["type"] != "chat.cancelling").collect();
    assert_eq!(shape(&heard, 1), ["result rejected", "end cancelled"]);
    let message = ended(&stack, &caller, &started).await;
    assert_eq!((text(&message["status"]), statuses(&message)), ("cancelled", vec!["rejected"]));
    assert_eq!(titles(&stack, &caller).await, Vec::<String>::new());
}
