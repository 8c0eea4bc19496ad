//! Checks that apply to every message.

use serde_json::{Value, json};
use tally_tests::TestStack;

use super::assert_alive;
use crate::signals;

#[tokio::test]
async fn an_invalid_message_gets_an_error_and_the_connection_stays() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let long = format!(r#"{{"action":"ping","id":"{}"}}"#, "x".repeat(129));
    for (text, code, id, pointers) in [
        ("nonsense", "malformed_json", Value::Null, &[][..]),
        ("[1]", "malformed_json", Value::Null, &[]),
        (r#"{"action":"nonsense","id":"7","more":1}"#, "unknown_action", json!("7"), &[]),
        (r#"{"action":"$connect"}"#, "unknown_action", Value::Null, &[]),
        (r#"{"action":"PING"}"#, "unknown_action", Value::Null, &[]),
        (r#"{"id":"7"}"#, "validation_failed", json!("7"), &["/action"]),
        (r#"{"action":"ping","more":1,"id":"é"}"#, "validation_failed", json!("é"), &["/more"]),
        (r#"{"action":"ping","id":7}"#, "validation_failed", Value::Null, &["/id"]),
        (&long, "validation_failed", Value::Null, &["/id"]),
        (r#"{"action":"charts.subscribe"}"#, "validation_failed", Value::Null, &["/chart_type"]),
        (
            r#"{"action":"charts.subscribe","chart_type":"area","interval_ms":"500","x":1}"#,
            "validation_failed",
            Value::Null,
            &["/chart_type", "/interval_ms", "/x"],
        ),
        (
            r#"{"action":"charts.subscribe","chart_type":"pie","interval_ms":60001}"#,
            "validation_failed",
            Value::Null,
            &["/interval_ms"],
        ),
        (
            r#"{"action":"charts.unsubscribe","chart_type":["pie"]}"#,
            "validation_failed",
            Value::Null,
            &["/chart_type"],
        ),
    ] {
        socket.send_text(text).await;
        let error = socket.expect("error").await;
        assert_eq!((&error["code"], &error["id"]), (&json!(code), &id), "{text}: {error}");
        assert!(error["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{error}");
        let errors = error["errors"].as_array().cloned().unwrap_or_default();
        let found: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
        assert_eq!(found, pointers, "{text}: {error}");
    }
    assert_alive(&mut socket).await;
}

#[tokio::test]
async fn messages_of_any_content_are_limited_per_connection() {
    let stack = TestStack::with(&[("RateLimits", "ws_messages=4/1m,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let mut busy = stack.connect(&caller).await;
    let mut other = stack.connect(&caller).await;
    assert_alive(&mut busy).await;
    for text in ["nonsense", r#"{"action":"nonsense"}"#, r#"{"action":"charts.subscribe"}"#] {
        busy.send_text(text).await;
        assert_ne!(busy.expect("error").await["code"], "rate_limited", "{text}");
    }
    let refused = busy.ask(&json!({"action": "ping", "id": "5"}), "error").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("rate_limited"), &json!("5")));
    assert_alive(&mut other).await;
}

#[tokio::test]
async fn a_connection_that_floods_is_refused_without_the_store_and_closed_in_the_end() {
    // Each function has one process, so every message reaches the process that remembers the
    // refusal.
    let stack = TestStack::of(|options| {
        options.sets = vec![("RateLimits".into(), "ws_messages=3/1h,*=100000/1m".into())];
        options.processes.per_function = 1;
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut flood = stack.connect(&caller).await;
    let mut other = stack.connect(&caller).await;
    let ping = json!({"action": "ping", "id": "p"});
    for _ in 0..3 {
        flood.ask(&ping, "pong").await;
    }
    // The first refusal is counted, reverted and reported. Later ones need no call, except one
    // count for every three.
    let (_, calls) = stack.round_trips(flood.ask(&ping, "error")).await;
    assert!(calls.len() > 3, "{calls:?}");
    for batch in 1..=10 {
        for number in 1..=3 {
            let (refused, calls) = stack.round_trips(flood.ask(&ping, "error")).await;
            assert_eq!((&refused["code"], &refused["id"]), (&json!("rate_limited"), &json!("p")));
            assert_eq!(calls.len(), usize::from(number == 3), "{batch}: {calls:?}");
        }
    }
    // Thirty refusals are ten times the limit, so the connection is closed.
    assert_eq!(flood.next().await, None);
    assert_alive(&mut other).await;
    // The user is not locked out, and the audit log has one event about it.
    assert_alive(&mut stack.connect(&caller).await).await;
    assert_eq!(stack.events(&auditor, "rate.limited").await.len(), 1);
    // Every refusal is a signal: the first one by itself, and the thirty in ten batches.
    let signals = signals::emitted(&stack, "PingFunction", 11).await;
    assert_eq!(signals.iter().filter_map(|(_, count)| count.as_u64()).sum::<u64>(), 31);
}

#[tokio::test]
async fn a_connection_that_floods_several_processes_is_closed_as_well() {
    let stack = TestStack::with(&[("RateLimits", "ws_messages=4/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let mut flood = stack.connect(&caller).await;
    // Send them at once, so that many processes refuse them. Each of the three actions is also a
    // function of its own.
    let messages = [
        json!({"action": "ping"}),
        json!({"action": "charts.subscribe", "chart_type": "pie"}),
        json!({"action": "nonsense"}),
    ];
    let mut refused = 0;
    'open: loop {
        for message in messages.iter().cycle().take(60) {
            if !flood.try_send(message).await {
                break 'open;
            }
        }
        for _ in 0..60 {
            match flood.next().await {
                Some(answer) => refused += usize::from(answer["code"] == "rate_limited"),
                None => break 'open,
            }
        }
    }
    assert!(refused >= 40, "closed after {refused}");
}
