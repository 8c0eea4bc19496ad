//! The AsyncAPI document is valid and complete, and clients and server follow it. In addition,
//! `Socket` checks every message of any test against it.

use std::collections::BTreeSet;
use std::fs;

use platform::routes::ACTIONS;
use serde_json::{Value, json};
use tally_tests::{Socket, TestStack, asyncapi, root};

use crate::chat::{FAST, SLOW, text};
use crate::job_samples;
use crate::rules::files;

/// AsyncAPI's own schema: `schemas/3.0.0.json` of the npm package `@asyncapi/specs` 6.11.1
/// (Apache-2.0) without its white space.
const SCHEMA: &str = include_str!("schema-3.0.0.json");

/// The example of a message.
fn example(document: &Value, name: &str) -> Value {
    document["components"]["messages"][name]["examples"][0]["payload"].clone()
}

/// Names of all messages, the clients' actions and the server's types.
fn names(document: &Value) -> BTreeSet<&str> {
    document["components"]["messages"].as_object().unwrap().keys().map(String::as_str).collect()
}

/// Every action that a message can name.
fn actions() -> BTreeSet<&'static str> {
    ACTIONS.iter().map(|route| route.action).filter(|action| !action.starts_with('$')).collect()
}

#[test]
fn the_document_is_valid() {
    let schema = jsonschema::validator_for(&serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let mut document = asyncapi::document();
    let faults: Vec<_> = schema
        .iter_errors(&document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
    for name in ["ClientMessage", "ServerMessage"] {
        assert!(
            document["components"]["schemas"][name]["oneOf"]
                .as_array()
                .is_some_and(|members| members.len() > 5),
            "{name}"
        );
    }
    for (pointer, wrong) in [
        ("/asyncapi", json!("3")),
        ("/operations/ping/action", json!("answer")),
        ("/components/schemas/PongMessage/type", json!("text")),
        ("/components/messages/pong/examples", json!("pong")),
        ("/channels/live/bindings/ws/method", json!("PUT")),
    ] {
        let right = std::mem::replace(document.pointer_mut(pointer).unwrap(), wrong);
        assert!(!schema.is_valid(&document), "{pointer}");
        *document.pointer_mut(pointer).unwrap() = right;
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn check(document: &Value, value: &Value) {
        if let Some(reference) = value.get("$ref") {
            let pointer = text(reference).strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let items = value.as_array().into_iter().flatten();
        items
            .chain(value.as_object().into_iter().flat_map(|members| members.values()))
            .for_each(|item| check(document, item));
    }
    let document = asyncapi::document();
    check(&document, &document);
}

#[test]
fn every_action_and_every_type_of_message_is_in_it() {
    let sources =
        ["functions", "shared"].iter().flat_map(|directory| files(&root().join(directory), ".rs"));
    let sources = sources.map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let types = sources
        .split("impl ServerMessage for ")
        .skip(1)
        .map(|rest| rest.split('"').nth(1).unwrap());
    // `none` is the type of an output that is never sent.
    let expected: BTreeSet<_> = types.filter(|kind| *kind != "none").chain(actions()).collect();
    assert_eq!(names(&asyncapi::document()), expected);
}

#[test]
fn examples_are_as_their_schemas_have_them() {
    let document = asyncapi::document();
    for name in names(&document) {
        let mut example = example(&document, name);
        let validator = asyncapi::validator(name);
        assert!(validator.is_valid(&example), "{name}: {:?}", validator.validate(&example));
        let kind = if actions().contains(name) { "action" } else { "type" };
        assert_eq!(example[kind], name);
        // Check that the schema refuses another type. A schema that accepts anything would match
        // all of them.
        example[kind] = "another".into();
        assert!(!validator.is_valid(&example), "{name}");
    }
}

#[test]
fn an_id_is_promised_where_it_is_echoed_and_nowhere_else() {
    let document = asyncapi::document();
    let operations = document["operations"].as_object().unwrap().values();
    let answers =
        operations.filter_map(|operation| operation["reply"]["messages"][0]["$ref"].as_str());
    let echoes: BTreeSet<_> =
        answers.map(|answer| answer.rsplit('/').next().unwrap()).chain(["error"]).collect();
    for name in names(&document) {
        let mut message = example(&document, name);
        let is_promised = document["components"]["messages"][name].get("correlationId").is_some();
        assert_eq!(is_promised, echoes.contains(name) || actions().contains(name), "{name}");
        message["id"] = json!(7);
        assert_eq!(asyncapi::validator(name).is_valid(&message), !is_promised, "{name}");
    }
}

#[tokio::test]
async fn what_the_document_refuses_is_what_the_server_refuses() {
    let stack = TestStack::with(&FAST).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let id = "019a0000-0000-7000-8000-000000000001";
    let confirm = |decisions: Value| json!({"action": "chat.confirm", "message_id": id, "decisions": decisions});
    for (message, is_right) in [
        (json!({"action": "ping"}), true),
        (json!({"action": "ping", "id": "é".repeat(128)}), true),
        (json!({"action": "ping", "id": "é".repeat(129)}), false),
        (json!({"action": "ping", "id": null}), true),
        (json!({"action": "ping", "id": 7}), false),
        (json!({"action": "ping", "more": 1}), false),
        (json!({"action": "auth.renew", "token": "not.a.token"}), true),
        (json!({"action": "auth.renew", "token": 7}), false),
        (json!({"action": "auth.renew"}), false),
        (json!({"action": "charts.unsubscribe", "chart_type": "pie"}), true),
        (json!({"action": "charts.unsubscribe", "chart_type": "area"}), false),
        (json!({"action": "charts.unsubscribe", "chart_type": "pie", "interval_ms": 500}), false),
        (json!({"action": "charts.subscribe", "interval_ms": 500}), false),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 249}), false),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 250}), true),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 60_000}), true),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 60_001}), false),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": "500"}), false),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": null}), true),
        (json!({"action": "charts.subscribe", "chart_type": "bar", "seq": null}), true),
        (
            json!({
                "action": "charts.subscribe", "chart_type": "bar", "seq": 9_007_199_254_740_991_u64,
            }),
            true,
        ),
        (
            json!({
                "action": "charts.subscribe", "chart_type": "bar", "seq": 9_007_199_254_740_992_u64,
            }),
            false,
        ),
        (json!({"action": "charts.unsubscribe", "chart_type": "bar", "seq": -1}), false),
        (json!({"action": "chat.send", "message": ""}), false),
        (json!({"action": "chat.send", "message": "€".repeat(10_000)}), true),
        (json!({"action": "chat.send", "message": "€".repeat(10_001)}), false),
        (
            json!({
                "action": "chat.send", "message": "Hello", "conversation_id": null,
                "prompt": "default",
            }),
            true,
        ),
        (json!({"action": "chat.send", "message": "Hello", "conversation_id": id}), true),
        (json!({"action": "chat.send", "message": "Hello", "conversation_id": 7}), false),
        (json!({"action": "chat.send", "message": "Hello", "prompt": ["default"]}), false),
        (json!({"action": "chat.send", "message": "Hello", "agent": null}), true),
        (json!({"action": "chat.send", "message": "Hello", "agent": "No agent"}), false),
        (confirm(json!([{"call_id": "a", "decision": "approve"}])), true),
        (confirm(json!([{"call_id": "a", "decision": "maybe"}])), false),
        (confirm(json!([{"call_id": "", "decision": "reject"}])), false),
        (confirm(json!([{"decision": "reject"}])), false),
        (confirm(json!([])), false),
        (json!({"action": "chat.confirm", "message_id": id}), false),
        (json!({"action": "chat.cancel", "message_id": id}), true),
        (json!({"action": "chat.cancel"}), false),
        (json!({"action": "chat.resume", "message_id": id, "after_sequence": 0}), true),
        (json!({"action": "chat.resume", "message_id": id, "after_sequence": -1}), false),
        (json!({"action": "chat.resume", "message_id": id, "after_sequence": 1.5}), false),
        (json!({"action": "chat.resume", "message_id": id}), false),
    ] {
        let described = asyncapi::validator(text(&message["action"])).is_valid(&message);
        // Answers to other messages arrive meanwhile.
        let answer =
            socket.ask_amid(&message, &["charts.data", "chat.delta", "chat.completed"]).await;
        assert_eq!(
            (described, answer["code"] != "validation_failed"),
            (is_right, is_right),
            "{message}: {answer}"
        );
    }
}

/// A connection, and the types of the messages that it has received.
struct Listener {
    socket: Socket,
    heard: BTreeSet<String>,
}

impl Listener {
    async fn next(&mut self) -> Value {
        let message = self.socket.next().await.expect("the connection stays");
        self.heard.insert(text(&message["type"]).to_owned());
        message
    }

    /// Waits for a message of this type, unless one has come before.
    async fn hear(&mut self, kind: &str) {
        while !self.heard.contains(kind) {
            self.next().await;
        }
    }

    /// Sends a message and returns the next one of this type. Skips all messages before it.
    async fn ask(&mut self, message: &Value, kind: &str) -> Value {
        self.socket.send(message).await;
        loop {
            let answer = self.next().await;
            if answer["type"] == kind {
                return answer;
            }
        }
    }
}

#[tokio::test]
async fn every_example_is_taken_and_every_type_of_message_comes() {
    let document = asyncapi::document();
    let example = |name: &str, name_of: &str, value: &Value| {
        let mut message = example(&document, name);
        message[name_of] = value.clone();
        message
    };
    let stack = TestStack::with(&[SLOW[0], SLOW[1], ("ChartStreamSeconds", "10")]).await;
    let caller = stack.someone().await;
    let socket = stack.connect_with(&caller, "?chart_type=bar&interval_ms=60000").await;
    let mut client = Listener { socket, heard: BTreeSet::new() };
    client.hear("charts.data").await;

    client.ask(&example("ping", "id", &json!("1")), "pong").await;
    client.ask(&example("auth.renew", "token", &json!(caller.access)), "auth.renewed").await;
    client.ask(&example("charts.subscribe", "id", &json!("1")), "charts.subscribed").await;
    client.ask(&example("charts.unsubscribe", "id", &json!("1")), "charts.unsubscribed").await;
    client.ask(&json!({"action": "charts.publish"}), "error").await;
    let sample = crate::files::text("May");
    let announced = crate::files::announce(&stack, &caller, &sample).await;
    crate::files::upload(&stack, &announced["upload"], &sample.bytes).await;
    crate::files::prepared(&stack, &caller, &announced["file"]).await;
    client.hear("file.updated").await;

    let reply =
        client.ask(&example("chat.send", "id", &json!("1")), "chat.started").await["message_id"]
            .clone();
    client.hear("chat.delta").await;
    for (action, kind) in [("chat.resume", "chat.resumed"), ("chat.cancel", "chat.cancelling")] {
        let answer = client.ask(&example(action, "message_id", &reply), kind).await;
        assert_eq!((&answer["id"], &answer["message_id"]), (&json!("1"), &reply), "{answer}");
    }
    client.hear("chat.completed").await;
    // A call of a tool waits for its confirmation.
    let mut ask = example("chat.send", "agent", &json!("tasks"));
    ask["message"] = json!("/tool add_task {\"title\": \"Call the bank\"}");
    let reply = client.ask(&ask, "chat.started").await;
    client.hear("chat.tool_call").await;
    let path = crate::chat::path_of(&reply);
    let call_id = loop {
        let message = stack.get(&path, Some(&caller)).await.expect(200);
        if message["status"] == "awaiting_confirmation" {
            break message["tool_calls"][0]["call_id"].clone();
        }
    };
    let mut confirm = example("chat.confirm", "message_id", &reply["message_id"]);
    confirm["decisions"][0]["call_id"] = call_id;
    client.ask(&confirm, "chat.confirmed").await;
    client.hear("chat.tool_result").await;
    // This is the stream that the connection began with.
    client.hear("charts.ended").await;

    let nowhere = "arn:aws:lambda:us-east-1:123456789012:function:Nowhere";
    let stack = TestStack::of(|options| {
        options.environment.insert("CHAT_STREAM_ARN".into(), nowhere.into());
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    client.socket = stack.connect(&caller).await;
    client.ask(&example("chat.send", "id", &json!("1")), "chat.failed").await;
    job_samples::analysis(&stack, &caller, "Sums").await.expect(202);
    client.hear("job.progress").await;
    client.hear("job.ended").await;

    let types: BTreeSet<_> = names(&document)
        .into_iter()
        .filter(|name| !actions().contains(name))
        .map(str::to_owned)
        .collect();
    assert_eq!(client.heard, types);
}
