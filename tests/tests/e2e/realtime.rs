//! Connections, tickets, messages and charts over the WebSocket.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use platform::routes::ACTIONS;
use serde_json::{Value, json};
use tally_local::aws::{Failure, Fault};
use tally_tests::{Caller, Socket, World};

async fn ticket(world: &World, caller: &Caller) -> String {
    let body = world.post("/auth/ws-ticket", Some(caller), &json!({})).await.expect(201);
    assert_eq!(body["expires_in"], 60);
    body["ticket"].as_str().unwrap().to_owned()
}

/// Sends a ping and expects its pong: the connection works both ways.
async fn assert_alive(socket: &mut Socket) {
    let pong = socket.ask(&json!({"action": "ping", "id": "p"}), "pong").await;
    assert_eq!(pong, json!({"type": "pong", "id": "p"}));
}

#[tokio::test]
async fn a_connection_opens_by_each_kind_of_credential() {
    let world = World::start().await;
    let caller = world.someone().await;
    let bearer = format!("Bearer {}", caller.access);
    let protocols = format!("tally.v1, bearer.{}", caller.access);
    let by_ticket = format!("?ticket={}", ticket(&world, &caller).await);
    let by_query = format!("?token={}", caller.access);
    for (query, headers, protocol) in [
        (by_ticket.as_str(), vec![], None),
        ("", vec![("authorization", bearer.as_str())], None),
        ("", vec![("authorization", bearer.as_str()), ("origin", "https://excel.office.com")], None),
        ("", vec![("sec-websocket-protocol", protocols.as_str())], Some("tally.v1")),
        (by_query.as_str(), vec![], None),
    ] {
        let mut socket = world.handshake(query, &headers).await.unwrap_or_else(|refused| panic!("{query} {headers:?}: {refused:?}"));
        let selected = socket.headers.get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(selected, protocol);
        assert_alive(&mut socket).await;
    }
}

#[tokio::test]
async fn a_connection_is_refused_with_a_reason() {
    let world = World::start().await;
    let caller = world.someone().await;
    let bearer = format!("Bearer {}", caller.access);
    let refresh = format!("Bearer {}", caller.refresh);
    let good = vec![("authorization", bearer.as_str())];
    for (query, headers, status, code) in [
        ("", vec![], 401, "unauthenticated"),
        ("", vec![("authorization", "Basic YTpi")], 401, "unauthenticated"),
        ("", vec![("authorization", "Bearer nonsense")], 401, "invalid_token"),
        ("", vec![("authorization", refresh.as_str())], 401, "invalid_token"),
        ("", vec![("sec-websocket-protocol", "tally.v1, bearer.nonsense")], 401, "invalid_token"),
        ("?ticket=nonsense", vec![], 401, "invalid_token"),
        // The first credential that was sent counts, not the best.
        ("?ticket=nonsense", good.clone(), 401, "invalid_token"),
        ("", vec![("authorization", bearer.as_str()), ("origin", "https://evil.example")], 403, "origin_refused"),
        ("", vec![("authorization", bearer.as_str()), ("origin", "null")], 403, "origin_refused"),
        ("", vec![("origin", "https://excel.office.com.evil.example")], 403, "origin_refused"),
        ("?chart_type=area", good.clone(), 422, "validation_failed"),
        ("?chart_type=line&interval_ms=249", good.clone(), 422, "validation_failed"),
        ("?interval_ms=500", good.clone(), 422, "validation_failed"),
        ("?more=1", good.clone(), 422, "validation_failed"),
        ("?chart_type=line&chart_type=line", good.clone(), 422, "validation_failed"),
    ] {
        let refused = world.handshake(query, &headers).await.err().unwrap_or_else(|| panic!("{query} {headers:?} was let in"));
        assert_eq!(refused.status, status, "{query} {headers:?}: {refused:?}");
        assert_eq!(refused.body["code"], code, "{query} {headers:?}: {refused:?}");
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_taken_only_where_it_is_switched_on() {
    let world = World::with(&[("WsQueryToken", "off")]).await;
    let caller = world.someone().await;
    let refused = world.handshake(&format!("?token={}", caller.access), &[]).await.err().expect("it is off");
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("unauthenticated")));
}

#[tokio::test]
async fn of_twenty_that_use_one_ticket_one_connects() {
    let world = World::start().await;
    let caller = world.someone().await;
    let query = format!("?ticket={}", ticket(&world, &caller).await);
    let mut opened = Vec::new();
    for result in join_all((0..20).map(|_| world.handshake(&query, &[]))).await {
        match result {
            Ok(socket) => opened.push(socket),
            Err(refused) => assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token"))),
        }
    }
    assert_eq!(opened.len(), 1);
    assert_alive(&mut opened[0]).await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_let_in_no_more_and_is_closed() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    assert_alive(&mut socket).await;
    let query = format!("?ticket={}", ticket(&world, &caller).await);
    world.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);

    for (query, headers) in [(query.as_str(), vec![]), ("", vec![("authorization", format!("Bearer {}", caller.access))])] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = world.handshake(query, &headers).await.err().expect("the session has ended");
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token")));
    }
    // Closed by the logout itself, before its answer.
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn every_way_for_a_session_to_end_closes_its_connections() {
    let world = World::start().await;
    let evicted = world.someone().await;
    let mut first = world.connect(&evicted).await;
    for _ in 0..3 {
        world.login(&evicted.username, "Correct-Horse-9").await;
    }
    assert_eq!(first.next().await, None);

    let robbed = world.someone().await;
    let mut second = world.connect(&robbed).await;
    let next = world.post("/auth/refresh", None, &json!({"refresh_token": robbed.refresh})).await.expect(200);
    world.post("/auth/refresh", None, &json!({"refresh_token": next["refresh_token"]})).await.expect(200);
    world.post("/auth/refresh", None, &json!({"refresh_token": robbed.refresh})).await.problem(401, "invalid_refresh_token");
    assert_eq!(second.next().await, None);
}

#[tokio::test]
async fn a_connection_that_was_not_closed_is_refused_at_its_next_message() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    assert_alive(&mut socket).await;
    // The logout cannot find the connections it should close, and succeeds all the same.
    world.stack.aws().fail(Fault { operation: Some("Query".into()), table: None, failure: Failure::Internal, times: 3 });
    world.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    socket.send(&json!({"action": "ping"})).await;
    let error = socket.next().await.unwrap();
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid_token")));
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn a_message_that_cannot_be_taken_is_told_so_and_the_connection_stays() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
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
        (r#"{"action":"charts.subscribe","chart_type":"pie","interval_ms":60001}"#, "validation_failed", Value::Null, &["/interval_ms"]),
        (r#"{"action":"charts.unsubscribe","chart_type":["pie"]}"#, "validation_failed", Value::Null, &["/chart_type"]),
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
async fn messages_are_limited_per_connection_whatever_is_in_them() {
    let world = World::with(&[("RateLimits", "ws_messages=4/1m,*=100000/1m")]).await;
    let caller = world.someone().await;
    let (mut busy, mut other) = (world.connect(&caller).await, world.connect(&caller).await);
    assert_alive(&mut busy).await;
    for text in ["nonsense", r#"{"action":"nonsense"}"#, r#"{"action":"charts.subscribe"}"#] {
        busy.send_text(text).await;
        assert_ne!(busy.expect("error").await["code"], "rate_limited", "{text}");
    }
    let refused = busy.ask(&json!({"action": "ping", "id": "5"}), "error").await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("rate_limited"), &json!("5")));
    assert_alive(&mut other).await;
}

/// The next `count` frames, which must belong to this subscription and follow one another without a gap.
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
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    let subscribe = |interval_ms: u64| json!({"action": "charts.subscribe", "id": "s", "chart_type": "line", "interval_ms": interval_ms});
    let subscribed = socket.ask(&subscribe(500), "charts.subscribed").await;
    let id = subscribed["subscription_id"].clone();
    assert_eq!(
        subscribed,
        json!({"type": "charts.subscribed", "id": "s", "subscription_id": id, "chart_type": "line", "interval_ms": 500})
    );

    frames(&mut socket, &subscribed, 1, 1).await;
    let since = Instant::now();
    let ten = frames(&mut socket, &subscribed, 2, 9).await;
    let took = since.elapsed();
    assert!((3_900..8_000).contains(&took.as_millis()), "nine frames of 500 ms took {took:?}");
    for frame in &ten {
        let points = frame["points"].as_array().unwrap();
        assert_eq!(points.len(), 12);
        assert!(points.iter().all(|point| point["label"].is_string() && point["value"].is_number()), "{frame}");
        assert!(frame["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    // Another pace of the same stream: its number goes on.
    let faster = socket.ask_amid(&subscribe(250), &["charts.data"]).await;
    assert_eq!((&faster["subscription_id"], &faster["interval_ms"]), (&id, &json!(250)));
    let next = socket.expect("charts.data").await["sequence"].as_u64().unwrap();
    let since = Instant::now();
    frames(&mut socket, &subscribed, next + 1, 8).await;
    let took = since.elapsed();
    assert!((1_400..4_500).contains(&took.as_millis()), "eight frames of 250 ms took {took:?}");

    let unsubscribe = json!({"action": "charts.unsubscribe", "id": "u", "chart_type": "line"});
    let unsubscribed = socket.ask_amid(&unsubscribe, &["charts.data"]).await;
    assert_eq!(unsubscribed, json!({"type": "charts.unsubscribed", "id": "u", "chart_type": "line"}));
    assert!(socket.next_within(Duration::from_millis(800)).await.is_err(), "a frame came after the end");
    socket.ask(&unsubscribe, "charts.unsubscribed").await;

    // A new subscription is another stream, and the workers of the former ones do not take it for theirs.
    let again = socket.ask(&subscribe(250), "charts.subscribed").await;
    assert_ne!(again["subscription_id"], id);
    frames(&mut socket, &again, 1, 6).await;
}

#[tokio::test]
async fn a_connection_has_a_stream_of_each_chart() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    for chart_type in ["line", "pie", "bar"] {
        let subscribe = json!({"action": "charts.subscribe", "chart_type": chart_type, "interval_ms": 300});
        socket.ask_amid(&subscribe, &["charts.data"]).await;
    }
    // Some frames have come amid the answers; from here on none may be missing.
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
            let percents = frame["slices"].as_array().unwrap().iter().map(|slice| slice["percent"].as_f64().unwrap());
            assert!((percents.sum::<f64>() - 100.0).abs() < 1e-9, "{frame}");
        }
    }
    assert!(seen.iter().all(|sequences| sequences.windows(2).all(|pair| pair[1] == pair[0] + 1)), "{seen:?}");
}

#[tokio::test]
async fn a_stream_that_has_to_end_says_so_and_can_be_begun_again() {
    let world = World::with(&[("ChartStreamSeconds", "10"), ("RateLimits", "*=100000/1m")]).await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 60000});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 1).await;
    // Long before the next frame.
    let ended = socket.expect("charts.ended").await;
    assert_eq!(ended, json!({"type": "charts.ended", "subscription_id": subscribed["subscription_id"], "reason": "deadline"}));
    let again = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &again, 1, 1).await;
}

#[tokio::test]
async fn a_start_that_is_delivered_twice_starts_one_stream() {
    let world = World::start().await;
    let (caller, auditor) = (world.someone().await, world.admin().await);
    let mut socket = world.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 500});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 1).await;

    let connected = &world.events(&auditor, "ws.connect").await[0];
    let connection_id = connected["resource"].as_str().unwrap().strip_prefix("connection:").unwrap();
    let start = json!({
        "connection_id": connection_id, "connected_at": 0, "chart_type": "bar", "subscription_id": subscribed["subscription_id"],
        "generation": 1, "announce": true
    });
    // A worker that has nothing to claim ends at once.
    let second = tokio::time::timeout(Duration::from_secs(10), world.stack.invoke("ChartStreamFunction", start.to_string()));
    assert_eq!(second.await.unwrap().unwrap(), "null");
    let since = Instant::now();
    frames(&mut socket, &subscribed, 2, 4).await;
    assert!(since.elapsed() > Duration::from_secs(1), "frames of two streams");
}

#[tokio::test]
async fn a_connection_can_subscribe_while_it_opens() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect_with(&caller, "?chart_type=bar&interval_ms=250").await;
    let subscribed = socket.expect("charts.subscribed").await;
    assert_eq!((&subscribed["chart_type"], &subscribed["interval_ms"]), (&json!("bar"), &json!(250)));
    frames(&mut socket, &subscribed, 1, 4).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_connection() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect(&caller).await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "pie", "interval_ms": 250});
    let subscribed = socket.ask(&subscribe, "charts.subscribed").await;
    frames(&mut socket, &subscribed, 1, 2).await;
    socket.close().await;

    // No frame is begun any more once a whole second has passed without one.
    let deadline = Instant::now() + Duration::from_secs(15);
    loop {
        world.stack.calls().clear();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let calls = world.stack.calls().snapshot();
        if !calls.iter().any(|call| call.operation == "UpdateItem" || call.operation == "PostToConnection") {
            break;
        }
        assert!(Instant::now() < deadline, "the worker goes on: {calls:?}");
    }
}

#[tokio::test]
async fn a_stream_ends_with_its_session() {
    let world = World::start().await;
    let caller = world.someone().await;
    let mut socket = world.connect_with(&caller, "?chart_type=line&interval_ms=250").await;
    socket.expect("charts.subscribed").await;
    world.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
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

#[tokio::test]
async fn connections_tickets_and_subscriptions_leave_their_events() {
    let world = World::start().await;
    let (caller, auditor) = (world.someone().await, world.admin().await);
    let query = format!("?ticket={}&chart_type=line", ticket(&world, &caller).await);
    let mut socket = world.handshake(&query, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    socket.expect("charts.subscribed").await;
    let subscribe = json!({"action": "charts.subscribe", "chart_type": "pie", "interval_ms": 60000});
    let subscribed = socket.ask_amid(&subscribe, &["charts.data"]).await;
    assert!(world.handshake(&query, &[]).await.is_err());
    assert!(world.handshake("", &[("origin", "https://evil.example")]).await.is_err());

    let outcomes =
        async |action: &str| -> Vec<Value> { world.events(&auditor, action).await.iter().map(|event| event["outcome"].clone()).collect() };
    assert_eq!(outcomes("auth.ws_ticket").await, ["success"]);
    assert_eq!(outcomes("ws.connect").await, ["success", "failure", "denied"]);
    let events = world.events(&auditor, "charts.subscribe").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[1]["resource"], format!("subscription:{}", subscribed["subscription_id"].as_str().unwrap()));
    assert_eq!(events[1]["detail"], json!({"chart_type": "pie", "interval_ms": 60000}));
    assert_eq!(events[1]["actor"]["username"], caller.username);
}

#[tokio::test]
async fn the_template_and_the_table_of_actions_are_the_same_list() {
    let world = World::start().await;
    let deployment = world.stack.deployment();
    let binary = |id: &String| deployment.functions.iter().find(|function| function.id == *id).map(|function| function.binary.clone());
    let routes = deployment.websocket_api.as_ref().unwrap().routes.iter();
    let described: BTreeMap<_, _> = routes.map(|(key, function)| (key.clone(), binary(function).unwrap())).collect();
    let ours: BTreeMap<_, _> = ACTIONS.iter().map(|route| (route.action.to_owned(), route.function.to_owned())).collect();
    assert_eq!(described, ours);
}
