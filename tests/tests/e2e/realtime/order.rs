//! Messages about a chart that overtake one another. API Gateway delivers each by itself, so the
//! client numbers them.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tally_tests::{Socket, TestStack};

fn subscribe(interval_ms: u64, seq: Option<u64>) -> Value {
    json!({
        "action": "charts.subscribe", "chart_type": "bar", "interval_ms": interval_ms, "seq": seq,
    })
}

fn unsubscribe(seq: Option<u64>) -> Value {
    json!({"action": "charts.unsubscribe", "chart_type": "bar", "seq": seq})
}

/// The next message that is not a frame: its type, and the code if it is an error.
async fn answer(socket: &mut Socket) -> (String, Value) {
    loop {
        let message = socket.next().await.unwrap();
        match message["type"].as_str().unwrap() {
            "charts.data" => {}
            "error" => return (message["code"].as_str().unwrap().to_owned(), message),
            kind => return (kind.to_owned(), message),
        }
    }
}

/// Fails if a stream of four frames a second goes on. One frame may have been on its way.
async fn assert_silent(socket: &mut Socket) {
    let mut frames = 0;
    while socket.next_within(Duration::from_secs(2)).await.is_ok() {
        frames += 1;
        assert!(frames < 3, "the stream goes on");
    }
}

#[tokio::test]
async fn a_message_that_comes_after_a_newer_one_changes_nothing() {
    let stack = TestStack::start().await;
    let mut socket = stack.connect(&stack.someone().await).await;
    for (message, expected) in [
        (subscribe(60_000, Some(5)), "charts.subscribed"),
        // The same message again, as after a lost answer.
        (subscribe(60_000, Some(5)), "charts.subscribed"),
        (subscribe(250, Some(4)), "conflict"),
        (unsubscribe(Some(4)), "conflict"),
        (unsubscribe(Some(7)), "charts.unsubscribed"),
        (subscribe(250, Some(6)), "conflict"),
        (unsubscribe(Some(6)), "conflict"),
        (unsubscribe(Some(7)), "charts.unsubscribed"),
        // Messages without a number take effect as they arrive, and leave the number as it is.
        (subscribe(60_000, None), "charts.subscribed"),
        (unsubscribe(None), "charts.unsubscribed"),
        (subscribe(250, Some(6)), "conflict"),
        (unsubscribe(Some((1 << 53) - 1)), "charts.unsubscribed"),
    ] {
        socket.send(&message).await;
        let (kind, answer) = answer(&mut socket).await;
        assert_eq!(kind, expected, "{message}: {answer}");
    }
    assert_silent(&mut socket).await;
    // Each chart and each connection has numbers of its own.
    let line = json!({
        "action": "charts.subscribe", "chart_type": "line", "interval_ms": 60_000, "seq": 0,
    });
    socket.ask(&line, "charts.subscribed").await;
    let mut other = stack.connect(&stack.someone().await).await;
    other.ask(&subscribe(60_000, Some(0)), "charts.subscribed").await;
}

#[tokio::test]
async fn numbers_are_whole_and_javascript_holds_them() {
    let stack = TestStack::start().await;
    let mut socket = stack.connect(&stack.someone().await).await;
    for seq in [json!(-1), json!(1.5), json!("1"), json!(1_u64 << 53), json!([1])] {
        for action in ["charts.subscribe", "charts.unsubscribe"] {
            let message = json!({"action": action, "chart_type": "bar", "seq": seq});
            let error = socket.ask(&message, "error").await;
            assert_eq!(
                (&error["code"], &error["errors"][0]["pointer"]),
                (&json!("validation_failed"), &json!("/seq")),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn of_a_subscribe_and_an_unsubscribe_in_one_go_the_last_one_counts() {
    let stack = &TestStack::start().await;
    join_all((0..10).map(|_| async move {
        let mut socket = stack.connect(&stack.someone().await).await;
        // Do not wait for answers, so that the messages are concurrent invocations.
        for round in 0..3 {
            socket.send(&subscribe(250, Some(2 * round + 1))).await;
            socket.send(&unsubscribe(Some(2 * round + 2))).await;
        }
        for _ in 0..6 {
            let (kind, answer) = answer(&mut socket).await;
            assert!(
                ["charts.subscribed", "charts.unsubscribed", "conflict"].contains(&kind.as_str()),
                "{answer}"
            );
        }
        assert_silent(&mut socket).await;
    }))
    .await;
}

#[tokio::test]
async fn of_three_paces_in_one_go_the_last_one_counts() {
    let stack = &TestStack::start().await;
    join_all((0..10).map(|_| async move {
        let mut socket = stack.connect(&stack.someone().await).await;
        for (seq, interval_ms) in [(1, 60_000), (2, 30_000), (3, 250)] {
            socket.send(&subscribe(interval_ms, Some(seq))).await;
        }
        let mut paces = Vec::new();
        for _ in 0..3 {
            let (kind, answer) = answer(&mut socket).await;
            match kind.as_str() {
                "charts.subscribed" => paces.push(answer["interval_ms"].as_u64().unwrap()),
                other => assert_eq!(other, "conflict", "{answer}"),
            }
        }
        assert!(paces.contains(&250), "{paces:?}");
        // At another pace these frames would take minutes.
        for _ in 0..8 {
            socket.expect("charts.data").await;
        }
    }))
    .await;
}
