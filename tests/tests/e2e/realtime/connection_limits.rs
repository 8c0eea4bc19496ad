//! Limits of a session and of a connection, also for concurrent requests.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use platform::store::{Session, Sessions};
use serde_json::{Value, json};
use tally_local::aws::Failure;
use tally_tests::{Caller, Socket, TestStack};

use super::{assert_alive, ticket};

/// Opens connections of a caller at the same time. Returns those that opened, and the number of
/// refusals.
async fn connect_at_once(stack: &TestStack, caller: &Caller, count: usize) -> (Vec<Socket>, usize) {
    let bearer = format!("Bearer {}", caller.access);
    let credentials = [("authorization", bearer.as_str())];
    let mut opened = Vec::new();
    let mut refused = 0;
    for result in join_all((0..count).map(|_| stack.handshake("", &credentials))).await {
        match result {
            Ok(socket) => opened.push(socket),
            Err(answer) => {
                assert_eq!(
                    (answer.status, &answer.body["code"]),
                    (429, &json!("rate_limited")),
                    "{answer:?}"
                );
                refused += 1;
            }
        }
    }
    (opened, refused)
}

/// Opens a connection as soon as a place is free. Fails if that takes too long.
async fn connect_soon(stack: &TestStack, caller: &Caller) -> Socket {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(socket) = connect_at_once(stack, caller, 1).await.0.pop() {
            return socket;
        }
        assert!(Instant::now() < deadline, "no place became free");
    }
}

/// A user's only session, and the table of sessions.
async fn only_session(stack: &TestStack, caller: &Caller) -> (Sessions, Session) {
    let listed = stack.get("/auth/sessions", Some(caller)).await.expect(200);
    let platform = stack.platform("ConnectFunction");
    let sessions = Sessions::new(&platform).unwrap();
    let session = sessions.get(listed["items"][0]["id"].as_str().unwrap()).await.unwrap().unwrap();
    (sessions, session)
}

#[tokio::test]
async fn of_many_connections_of_a_session_five_open_and_one_that_ends_makes_room() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let (mut opened, refused) = connect_at_once(&stack, &caller, 12).await;
    assert_eq!((opened.len(), refused), (5, 7));
    for socket in &mut opened {
        assert_alive(socket).await;
    }
    let outcomes: Vec<_> = stack
        .events(&auditor, "ws.connect")
        .await
        .into_iter()
        .map(|event| event["outcome"].clone())
        .collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "success").count(), 5);
    // As for denials, one event stands for all seven, and the next window's event has their number.
    // A window may end meanwhile.
    assert!(
        (1..=2).contains(&outcomes.iter().filter(|outcome| *outcome == "failure").count()),
        "{outcomes:?}"
    );

    // A ticket is not used up if there is no room.
    let query = format!("?ticket={}", ticket(&stack, &caller).await);
    assert_eq!(stack.handshake(&query, &[]).await.err().unwrap().status, 429);
    // Another session of the same user has its own places.
    let again = stack.login(&caller.username, "Correct-Horse-9").await;
    assert_alive(&mut stack.connect(&again).await).await;

    opened.pop().unwrap().close().await;
    let mut next = connect_soon(&stack, &caller).await;
    assert_alive(&mut next).await;
    assert_eq!(connect_at_once(&stack, &caller, 1).await.1, 1);
    next.close().await;
    drop(connect_soon(&stack, &caller).await);
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Err(refused) = stack.handshake(&query, &[]).await {
        assert_eq!(refused.status, 429, "{refused:?}");
        assert!(Instant::now() < deadline, "the ticket was used up");
    }
}

#[tokio::test]
async fn connections_that_ended_without_disconnect_give_way() {
    let stack = TestStack::start().await;
    // Seconds since the connections opened, whether there is room, and whether `@connections` is
    // asked for that.
    for (age, has_room, is_asked) in
        [(10, false, false), (60, true, true), (3 * 3_600, true, false)]
    {
        let caller = stack.someone().await;
        let (sessions, session) = only_session(&stack, &caller).await;
        let platform = stack.platform("ConnectFunction");
        let opened = platform.clock.now().as_millisecond() - age * 1_000;
        let unheard = Session {
            connections: (0..5).map(|number| (format!("unheard-{number}="), opened)).collect(),
            ..session
        };
        let database = platform.database().unwrap();
        database.commit(vec![sessions.end(&unheard.id)]).await.unwrap();
        database.commit(vec![sessions.begin(&unheard).unwrap()]).await.unwrap();

        stack.local.calls().clear();
        let (open, refused) = connect_at_once(&stack, &caller, 1).await;
        assert_eq!((open.len(), refused), if has_room { (1, 0) } else { (0, 1) }, "{age} s");
        let asked =
            stack.local.calls().snapshot().iter().any(|call| call.operation == "GetConnection");
        assert_eq!(asked, is_asked, "{age} s");
        let left = only_session(&stack, &caller).await.1.connections;
        assert_eq!(left.len(), if has_room { 1 } else { 5 }, "{left:?}");
    }
}

#[tokio::test]
async fn a_connection_that_was_not_forgotten_makes_room_when_it_is_asked_for() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let (mut opened, _) = connect_at_once(&stack, &caller, 5).await;
    stack.local.calls().clear();
    stack.fail("SessionsTable", Some("UpdateItem"), Failure::Internal, usize::MAX);
    opened.pop().unwrap().close().await;
    let tried = async || {
        stack.local.calls().snapshot().iter().filter(|call| call.operation == "UpdateItem").count()
            >= 3
    };
    while !tried().await {
        tokio::task::yield_now().await;
    }
    stack.local.aws().recover();
    assert_eq!(only_session(&stack, &caller).await.1.connections.len(), 5);

    // Make the connections old enough that their `$connect` has returned for certain.
    let (sessions, session) = only_session(&stack, &caller).await;
    let earlier: BTreeMap<_, _> =
        session.connections.iter().map(|(id, opened)| (id.clone(), opened - 60_000)).collect();
    let database = stack.platform("ConnectFunction").database().unwrap();
    database.commit(vec![sessions.end(&session.id)]).await.unwrap();
    database
        .commit(vec![sessions.begin(&Session { connections: earlier, ..session }).unwrap()])
        .await
        .unwrap();
    let (mut sixth, refused) = connect_at_once(&stack, &caller, 1).await;
    assert_eq!(refused, 0);
    assert_alive(&mut sixth[0]).await;
    assert_eq!(connect_at_once(&stack, &caller, 1).await.1, 1);
    for socket in &mut opened {
        assert_alive(socket).await;
    }
}

#[tokio::test]
async fn a_rotation_and_connections_of_a_session_lose_nothing_of_each_other() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let rotate = async {
        let mut refresh = caller.refresh.clone();
        for _ in 0..8 {
            let pair = stack
                .post("/auth/refresh", None, &json!({"refresh_token": refresh}))
                .await
                .expect(200);
            refresh = pair["refresh_token"].as_str().unwrap().to_owned();
        }
        refresh
    };
    let (refresh, (mut opened, refused)) =
        futures_util::join!(rotate, connect_at_once(&stack, &caller, 5));
    assert_eq!(refused, 0);
    assert_eq!(only_session(&stack, &caller).await.1.connections.len(), 5);
    assert_eq!(connect_at_once(&stack, &caller, 1).await.1, 1);
    stack.post("/auth/refresh", None, &json!({"refresh_token": refresh})).await.expect(200);
    for socket in &mut opened {
        assert_alive(socket).await;
    }
}

#[tokio::test]
async fn a_connection_has_one_stream_of_each_chart_however_often_it_asks_at_once() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    for number in 0..15 {
        let chart_type = ["line", "pie", "bar"][number % 3];
        socket
            .send(&json!({
                "action": "charts.subscribe", "chart_type": chart_type, "interval_ms": 60000,
            }))
            .await;
    }
    let mut answers = 0;
    let mut streams = BTreeSet::new();
    while answers < 15 {
        let message = socket.next().await.unwrap();
        match message["type"].as_str().unwrap() {
            "charts.subscribed" => {
                answers += 1;
                streams.insert((
                    message["chart_type"].to_string(),
                    message["subscription_id"].to_string(),
                ));
            }
            "charts.data" => {}
            other => panic!("{other}: {message}"),
        }
    }
    assert_eq!(streams.len(), 3, "{streams:?}");
}

#[tokio::test]
async fn of_many_messages_at_once_no_more_are_taken_than_may_be() {
    let stack = TestStack::with(&[("RateLimits", "ws_messages=8/1m,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    for _ in 0..24 {
        socket.send(&json!({"action": "ping"})).await;
    }
    let mut answers: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..24 {
        let answer = socket.next().await.unwrap();
        let kind = if answer["type"] == "pong" { &answer["type"] } else { &answer["code"] };
        *answers
            .entry(kind.as_str().map_or_else(|| Value::to_string(kind), str::to_owned))
            .or_default() += 1;
    }
    assert_eq!(answers, BTreeMap::from([("pong".to_owned(), 8), ("rate_limited".to_owned(), 16)]));
}

#[tokio::test]
async fn a_user_opens_no_more_connections_than_allowed_even_if_some_fail() {
    let stack = TestStack::with(&[("RateLimits", "ws_connect=3/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let auditor = stack.admin().await;
    let bearer = format!("Bearer {}", caller.access);
    let credentials = [("authorization", bearer.as_str())];
    // An invalid handshake does not count.
    for _ in 0..5 {
        assert_eq!(
            stack.handshake("?chart_type=area", &credentials).await.err().unwrap().status,
            422
        );
    }
    for _ in 0..3 {
        stack.connect(&caller).await.close().await;
    }
    // Another session of the same user can open none either.
    for caller in [&caller, &stack.login(&caller.username, "Correct-Horse-9").await] {
        let (opened, refused) = connect_at_once(&stack, caller, 4).await;
        assert_eq!((opened.len(), refused), (0, 4));
    }
    assert_alive(&mut stack.connect(&other).await).await;

    let limited = stack.events(&auditor, "rate.limited").await;
    assert_eq!(
        limited.iter().map(|event| &event["detail"]["policy"]).collect::<Vec<_>>(),
        ["ws_connect"]
    );
    // Each connection that opened leaves an event. The others leave one for each reason. A window
    // may end meanwhile.
    let connects = stack.events(&auditor, "ws.connect").await;
    let with = |code: &str| connects.iter().filter(|event| event["detail"]["code"] == code).count();
    assert!(
        (1..=2).contains(&with("validation_failed")) && (1..=2).contains(&with("rate_limited")),
        "{connects:?}"
    );
    assert_eq!(
        connects.iter().filter(|event| event["outcome"] == "success").count(),
        4,
        "{connects:?}"
    );
}

#[tokio::test]
async fn a_user_subscribes_no_more_often_than_they_may_over_any_connection() {
    let stack = TestStack::with(&[("RateLimits", "charts_subscribe=2/1h,*=100000/1m")]).await;
    let caller = stack.someone().await;
    let other = stack.someone().await;
    let mut socket = stack.connect_with(&caller, "?chart_type=bar&interval_ms=60000").await;
    socket.expect("charts.subscribed").await;
    let subscribe =
        json!({"action": "charts.subscribe", "id": "s", "chart_type": "pie", "interval_ms": 60000});
    assert_eq!(socket.ask_amid(&subscribe, &["charts.data"]).await["type"], "charts.subscribed");
    let refused = socket.ask_amid(&subscribe, &["charts.data"]).await;
    assert_eq!((&refused["code"], &refused["id"]), (&json!("rate_limited"), &json!("s")));
    // A connection that would begin with a chart is refused as a whole. Otherwise its client would
    // wait for frames in vain.
    let bearer = format!("Bearer {}", caller.access);
    let credentials = [("authorization", bearer.as_str())];
    assert_eq!(stack.handshake("?chart_type=line", &credentials).await.err().unwrap().status, 429);
    let (mut plain, _) = connect_at_once(&stack, &caller, 1).await;
    assert_alive(&mut plain[0]).await;
    // Ending a stream starts no worker, so it is not limited.
    let unsubscribe = json!({"action": "charts.unsubscribe", "chart_type": "pie"});
    assert_eq!(
        socket.ask_amid(&unsubscribe, &["charts.data"]).await["type"],
        "charts.unsubscribed"
    );
    stack.connect(&other).await.ask(&subscribe, "charts.subscribed").await;
}

#[tokio::test]
async fn no_more_charts_stream_at_once_than_are_reserved() {
    let stack =
        TestStack::with(&[("ChartStreamConcurrency", "1"), ("RateLimits", "*=100000/1m")]).await;
    let caller = stack.someone().await;
    let subscribe =
        json!({"action": "charts.subscribe", "chart_type": "bar", "interval_ms": 60000});
    let mut first = stack.connect(&caller).await;
    let mut second = stack.connect(&caller).await;
    first.ask(&subscribe, "charts.subscribed").await;
    first.expect("charts.data").await;
    second.ask(&subscribe, "charts.subscribed").await;
    assert!(second.next_within(Duration::from_secs(1)).await.is_err(), "two workers ran");
    // The second stream begins when there is room.
    first
        .ask(&json!({"action": "charts.unsubscribe", "chart_type": "bar"}), "charts.unsubscribed")
        .await;
    second.expect("charts.data").await;
}
