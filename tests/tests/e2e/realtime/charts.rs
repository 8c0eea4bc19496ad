//! Streams of frames: their pace, their workers, and their end.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Socket, TestStack};

use super::assert_alive;

/// The next `count` frames. They must belong to this subscription and follow one another without a
/// gap.
async fn frames(socket: &mut Socket, subscription: &Value, first: u64, count: u64) -> Vec<Value> {
    let mut frames = Vec::new();
    for sequence in first..first + count {
        let frame = socket.expect("charts.data").await;
        assert_eq!(frame["sequence"], sequence, "{frame}");
        assert_eq!(frame["subscription_id"], subscription["subscription_id"], "{frame}");
        assert_eq!(frame["chart_type"], subscription["chart_type"], "{frame}");
        frames.push(frame);
    }
    frames
}

#[tokio::test]
async fn a_chart_streams_at_its_pace_until_it_is_unsubscribed_from() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let subscribe = |interval_ms: u64| {
        json!({
            "action": "charts.subscribe", "id": "s", "chart_type": "line", "interval_ms": interval_ms,
        })
    };
    let subscribed = socket.ask(&subscribe(500), "charts.subscribed").await;
    let id = subscribed["subscription_id"].clone();
    assert_eq!(
        subscribed,
        json!({
            "type": "charts.subscribed", "id": "s", "subscription_id": id, "chart_type": "line",
            "interval_ms": 500,
        })
    );

    frames(&mut socket, &subscribed, 1, 1).await;
    let since = Instant::now();
    let ten = frames(&mut socket, &subscribed, 2, 9).await;
    let took = since.elapsed();
    assert!(took > Duration::from_secs(3), "nine frames of 500 ms took {took:?}");
    for frame in &ten {
        let points = frame["points"].as_array().unwrap();
        assert_eq!(points.len(), 12);
        assert!(
            points.iter().all(|point| point["label"].is_string() && point["value"].is_number()),
            "{frame}"
        );
        assert!(frame["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    // The same stream at another pace. Its number goes on after the last frame, which comes again.
    socket.send(&subscribe(250)).await;
    let mut last = ten.last().unwrap().clone();
    let faster = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "charts.data" {
            break message;
        }
        last = message;
    };
    assert_eq!(
        (&faster["type"], &faster["subscription_id"], &faster["interval_ms"]),
        (&json!("charts.subscribed"), &id, &json!(250))
    );
    let mut next = socket.expect("charts.data").await;
    if next["sequence"] != last["sequence"] {
        // The former worker's last frame came after the answer.
        assert_eq!(next["sequence"], last["sequence"].as_u64().unwrap() + 1);
        last = next;
        next = socket.expect("charts.data").await;
    }
    assert_eq!(next, last, "not the same frame");
    let since = Instant::now();
    frames(&mut socket, &subscribed, last["sequence"].as_u64().unwrap() + 1, 8).await;
    let took = since.elapsed();
    assert!(took > Duration::from_secs(1), "eight frames of 250 ms took {took:?}");

    let unsubscribe = json!({"action": "charts.unsubscribe", "id": "u", "chart_type": "line"});
    let unsubscribed = socket.ask_amid(&unsubscribe, &["charts.data"]).await;
    assert_eq!(
        unsubscribed,
        json!({"type": "charts.unsubscribed", "id": "u", "chart_type": "line"})
    );
    assert!(
        socket.next_within(Duration::from_millis(800)).await.is_err(),
        "a frame came after the end"
    );
    socket.ask(&unsubscribe, "charts.unsubscribed").await;

    // A new subscription is another stream. The workers of the former ones do not take it for
    // theirs.
    let again = socket.ask(&subscribe(250), "charts.subscribed").await;
    assert_ne!(again["subscription_id"], id);
    frames(&mut socket, &again, 1, 6).await;
}

#[tokio::test]
async fn a_connection_has_a_stream_of_each_chart() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    for chart_type in ["line", "pie", "bar"] {
        let subscribe =
            json!({"action": "charts.subscribe", "chart_type": chart_type, "interval_ms": 300});
        socket.ask_amid(&subscribe, &["charts.data"]).await;
    }
    // Some frames have come among the answers. From here on none may be missing.
    let mut seen = [Vec::new(), Vec::new(), Vec::new()];
    while seen.iter().any(|sequences| sequences.len() < 4) {
        let frame = socket.expect("charts.data").await;
        let (chart, figures) = match frame["chart_type"].as_str().unwrap() {
            "line" => (0, "points"),
            "pie" => (1, "slices"),
            _ => (2, "points"),
        };
        assert!(frame[figures].is_array(), "{frame}");
        seen[chart].push(frame["sequence"].as_u64().unwrap());
        if chart == 1 {
            let percents = frame["slices"]
                .as_array()
                .unwrap()
                .iter()
                .map(|slice| slice["percent"].as_f64().unwrap());
            assert!((percents.sum::<f64>() - 100.0).abs() < 1e-9, "{frame}");
        }
    }
    assert!(
        seen.iter().all(|sequences| sequences.windows(2).all(|pair| pair[1] == pair[0] + 1)),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_stream_that_has_to_end_says_so_and_can_be_begun_again() {
    let stack =
        TestStack::with(&[("ChartStreamSeconds", "10"), ("RateLimits", "*=100000/1m")]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let subscribe = |seq: u64| {
        json!({
            "action": "charts.subscribe", "chart_type": "bar", "interval_ms": 60000, "seq": seq,
        })
    };
    let subscribed = socket.ask(&subscribe(2), "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 1).await;
    // This comes long before the next frame.
    let ended = socket.expect("charts.ended").await;
    assert_eq!(
        ended,
        json!({
            "type": "charts.ended", "subscription_id": subscribed["subscription_id"],
            "reason": "deadline",
        })
    );
    // An older message does not restart the stream.
    assert_eq!(socket.ask(&subscribe(1), "error").await["code"], "conflict");
    let again = socket.ask(&subscribe(3), "charts.subscribed").await;
    frames(&mut socket, &again, 1, 1).await;
}

#[tokio::test]
async fn a_start_that_is_delivered_twice_starts_one_stream() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut socket = stack.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 500});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 1).await;

    let connected = &stack.events(&auditor, "ws.connect").await[0];
    let connection_id =
        connected["resource"].as_str().unwrap().strip_prefix("connection:").unwrap();
    let start = json!({
        "connection_id": connection_id, "connected_at": 0, "chart_type": "bar",
        "subscription_id": subscribed["subscription_id"],
        "generation": 1, "announce": true
    });
    // A worker that finds its stream claimed ends at once.
    let second = tokio::time::timeout(
        Duration::from_secs(10),
        stack.local.invoke("ChartStreamFunction", start.to_string()),
    );
    assert_eq!(second.await.unwrap().unwrap(), "null");
    let since = Instant::now();
    frames(&mut socket, &subscribed, 2, 4).await;
    assert!(since.elapsed() > Duration::from_secs(1), "frames of two streams");
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_made_again() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    stack.fail("SubscriptionsTable", Some("UpdateItem"), Failure::AnswerLost, 1);
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 250});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 2).await;
}

#[tokio::test]
async fn a_stream_whose_store_does_not_answer_says_so() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 250});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 1).await;
    stack.fail("SubscriptionsTable", None, Failure::Internal, usize::MAX);
    let ended = loop {
        let message = socket.next().await.unwrap();
        if message["type"] != "charts.data" {
            break message;
        }
    };
    assert_eq!(
        ended,
        json!({
            "type": "charts.ended", "subscription_id": subscribed["subscription_id"],
            "reason": "unavailable",
        })
    );
}

#[tokio::test]
async fn a_connection_opens_without_the_worker_of_its_chart_and_no_worker_outlives_its_stream() {
    let stack = TestStack::of(|options| {
        options.environment.insert(
            "CHART_STREAM_ARN".into(),
            "arn:aws:lambda:us-east-1:123456789012:function:Nowhere".into(),
        );
    });
    let stack = stack.await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let mut socket = stack.connect_with(&caller, "?chart_type=bar&interval_ms=60000").await;
    assert_alive(&mut socket).await;

    // Start the worker by hand.
    let subscribed = stack.events(&auditor, "charts.subscribe").await[0]["resource"].clone();
    let connected = stack.events(&auditor, "ws.connect").await[0]["resource"].clone();
    let id = |resource: &Value| resource.as_str().unwrap().split_once(':').unwrap().1.to_owned();
    let start = json!({
        "connection_id": id(&connected), "connected_at": 0, "chart_type": "bar",
        "subscription_id": id(&subscribed), "generation": 1,
        "announce": true
    });
    let worker = stack.local.invoke("ChartStreamFunction", start.to_string());
    let client = async {
        let subscribed = socket.expect("charts.subscribed").await;
        frames(&mut socket, &subscribed, 1, 1).await;
        socket
            .ask(
                &json!({"action": "charts.unsubscribe", "chart_type": "bar"}),
                "charts.unsubscribed",
            )
            .await;
        Instant::now()
    };
    let (ended, unsubscribed) = futures_util::join!(worker, client);
    ended.unwrap();
    let outlived = unsubscribed.elapsed();
    assert!(outlived < Duration::from_secs(10), "a frame a minute, and no check for {outlived:?}");
    // It also does not report the end of a stream after an unsubscribe.
    assert_alive(&mut socket).await;
}

#[tokio::test]
async fn a_connection_can_subscribe_while_it_opens() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect_with(&caller, "?chart_type=bar&interval_ms=250").await;
    let subscribed = socket.expect("charts.subscribed").await;
    assert_eq!(
        (&subscribed["chart_type"], &subscribed["interval_ms"]),
        (&json!("bar"), &json!(250))
    );
    frames(&mut socket, &subscribed, 1, 4).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_connection() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "pie", "interval_ms": 250});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 2).await;
    socket.close().await;

    // Once a whole second has passed without a frame, no new frame begins.
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        stack.local.calls().clear();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls = stack.local.calls().snapshot();
        if !calls
            .iter()
            .any(|call| call.operation == "UpdateItem" || call.operation == "PostToConnection")
        {
            break;
        }
        assert!(Instant::now() < deadline, "the worker goes on: {calls:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect_with(&caller, "?chart_type=line&interval_ms=250").await;
    socket.expect("charts.subscribed").await;
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Some(message) = socket.next().await {
        assert!(Instant::now() < deadline, "the stream goes on");
        match message["type"].as_str().unwrap() {
            "charts.data" => {}
            "charts.ended" => assert_eq!(message["reason"], "session_ended"),
            other => panic!("{other}"),
        }
    }
}
