//! How connections begin and end.

use futures_util::future::join_all;
use platform::store::{Connections, Sessions};
use serde_json::json;
use tally_local::aws::Failure;
use tally_tests::TestStack;

use super::{assert_alive, ticket};

#[tokio::test]
async fn a_connection_opens_by_each_kind_of_credential() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let bearer = format!("Bearer {}", caller.access);
    let protocols = format!("tally.v1, bearer.{}", caller.access);
    let by_ticket = format!("?ticket={}", ticket(&stack, &caller).await);
    let by_query = format!("?token={}", caller.access);
    for (query, headers, protocol) in [
        (by_ticket.as_str(), vec![], None),
        ("", vec![("authorization", bearer.as_str())], None),
        (
            "",
            vec![("authorization", bearer.as_str()), ("origin", "https://excel.office.com")],
            None,
        ),
        ("", vec![("sec-websocket-protocol", protocols.as_str())], Some("tally.v1")),
        (by_query.as_str(), vec![], None),
    ] {
        let mut socket = stack
            .handshake(query, &headers)
            .await
            .unwrap_or_else(|refused| panic!("{query} {headers:?}: {refused:?}"));
        let selected =
            socket.headers.get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        assert_eq!(selected, protocol);
        assert_alive(&mut socket).await;
    }
}

#[tokio::test]
async fn a_connection_is_refused_with_a_reason() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
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
        // The first credential in the request counts, not the best.
        ("?ticket=nonsense", good.clone(), 401, "invalid_token"),
        (
            "",
            vec![("authorization", bearer.as_str()), ("origin", "https://evil.example")],
            403,
            "origin_refused",
        ),
        ("", vec![("authorization", bearer.as_str()), ("origin", "null")], 403, "origin_refused"),
        ("", vec![("origin", "https://excel.office.com.evil.example")], 403, "origin_refused"),
        ("?chart_type=area", good.clone(), 422, "validation_failed"),
        ("?chart_type=line&interval_ms=249", good.clone(), 422, "validation_failed"),
        ("?interval_ms=500", good.clone(), 422, "validation_failed"),
        ("?more=1", good.clone(), 422, "validation_failed"),
        ("?chart_type=line&chart_type=line", good.clone(), 422, "validation_failed"),
    ] {
        let refused = stack
            .handshake(query, &headers)
            .await
            .err()
            .unwrap_or_else(|| panic!("{query} {headers:?} was let in"));
        assert_eq!(refused.status, status, "{query} {headers:?}: {refused:?}");
        assert_eq!(refused.body["code"], code, "{query} {headers:?}: {refused:?}");
    }
}

#[tokio::test]
async fn strangers_who_knock_again_and_again_leave_one_event() {
    let stack = TestStack::start().await;
    let auditor = stack.admin().await;
    for _ in 0..30 {
        assert_eq!(stack.handshake("", &[]).await.err().unwrap().status, 401);
    }
    assert!(stack.events(&auditor, "access.denied").await.is_empty());
    for _ in 0..30 {
        assert_eq!(stack.handshake("?ticket=nonsense", &[]).await.err().unwrap().status, 401);
    }
    assert!(stack.events(&auditor, "ws.connect").await.is_empty());
    // A window may end meanwhile.
    assert!((1..=2).contains(&stack.events(&auditor, "access.denied").await.len()));
}

#[tokio::test]
async fn a_token_in_the_url_is_taken_only_where_it_is_switched_on() {
    let stack = TestStack::with(&[("WsQueryToken", "off")]).await;
    let caller = stack.someone().await;
    let refused =
        stack.handshake(&format!("?token={}", caller.access), &[]).await.err().expect("it is off");
    assert_eq!((refused.status, &refused.body["code"]), (401, &json!("unauthenticated")));
}

#[tokio::test]
async fn of_twenty_that_use_one_ticket_one_connects() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let query = format!("?ticket={}", ticket(&stack, &caller).await);
    let mut opened = Vec::new();
    for result in join_all((0..20).map(|_| stack.handshake(&query, &[]))).await {
        match result {
            Ok(socket) => opened.push(socket),
            Err(refused) => {
                assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token")));
            }
        }
    }
    assert_eq!(opened.len(), 1);
    assert_alive(&mut opened[0]).await;
}

#[tokio::test]
async fn a_session_that_has_ended_is_let_in_no_more_and_is_closed() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    assert_alive(&mut socket).await;
    let query = format!("?ticket={}", ticket(&stack, &caller).await);
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);

    for (query, headers) in [
        (query.as_str(), vec![]),
        ("", vec![("authorization", format!("Bearer {}", caller.access))]),
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let refused = stack.handshake(query, &headers).await.err().expect("the session has ended");
        assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token")));
    }
    // The logout itself closes it, before its answer.
    assert_eq!(socket.next().await, None);
}

#[tokio::test]
async fn every_way_for_a_session_to_end_closes_its_connections() {
    let stack = TestStack::start().await;
    let evicted = stack.someone().await;
    let mut first = stack.connect(&evicted).await;
    for _ in 0..3 {
        stack.login(&evicted.username, "Correct-Horse-9").await;
    }
    assert_eq!(first.next().await, None);

    let robbed = stack.someone().await;
    let mut second = stack.connect(&robbed).await;
    let next = stack
        .post("/auth/refresh", None, &json!({"refresh_token": robbed.refresh}))
        .await
        .expect(200);
    stack
        .post("/auth/refresh", None, &json!({"refresh_token": next["refresh_token"]}))
        .await
        .expect(200);
    stack
        .post("/auth/refresh", None, &json!({"refresh_token": robbed.refresh}))
        .await
        .problem(401, "invalid_refresh_token");
    assert_eq!(second.next().await, None);
}

#[tokio::test]
async fn a_session_that_ends_while_a_connection_opens_leaves_none_behind() {
    let stack = TestStack::start().await;
    for _ in 0..3 {
        let caller = stack.someone().await;
        stack.local.calls().clear();
        // Delay the commit, after the session has been read.
        stack.fail("ConnectionsTable", Some("TransactWriteItems"), Failure::TransactionConflict, 4);
        let log_out = async {
            while !stack
                .local
                .calls()
                .snapshot()
                .iter()
                .any(|call| call.operation == "TransactWriteItems")
            {
                tokio::task::yield_now().await;
            }
            stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
        };
        let bearer = format!("Bearer {}", caller.access);
        let credentials = [("authorization", bearer.as_str())];
        let (opened, ()) = futures_util::join!(stack.handshake("", &credentials), log_out);
        match opened {
            Err(refused) => {
                assert_eq!((refused.status, &refused.body["code"]), (401, &json!("invalid_token")));
            }
            // The connection was faster. The logout has found and closed it.
            Ok(mut socket) => assert_eq!(socket.next().await, None),
        }
    }
}

#[tokio::test]
async fn a_connection_that_ends_amid_collisions_gives_its_place_back() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let query =
        format!("?ticket={}&chart_type=line&interval_ms=60000", ticket(&stack, &caller).await);
    let mut socket =
        stack.handshake(&query, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    socket.expect("charts.subscribed").await;
    for (table, operation) in [
        ("ConnectionsTable", "DeleteItem"),
        ("SubscriptionsTable", "DeleteItem"),
        ("SessionsTable", "UpdateItem"),
    ] {
        stack.fail(table, Some(operation), Failure::TransactionConflict, 3);
    }
    drop(socket);
    let platform = stack.platform("DisconnectFunction");
    let sessions = Sessions::new(&platform).unwrap();
    let listed = stack.get("/auth/sessions", Some(&caller)).await.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap();
    while !sessions.get(id).await.unwrap().unwrap().connections.is_empty() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_connection_that_was_not_closed_is_refused_at_its_next_message() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let mut socket = stack.connect(&caller).await;
    assert_alive(&mut socket).await;
    // The session's item does not list the connection, so the logout does not close it.
    let connects = stack.events(&stack.admin().await, "ws.connect").await;
    let id = connects[0]["resource"].as_str().unwrap().strip_prefix("connection:").unwrap();
    let platform = stack.platform("DisconnectFunction");
    let connections = Connections::new(&platform).unwrap();
    let sessions = Sessions::new(&platform).unwrap();
    sessions.leave_place(&connections.get(id).await.unwrap().unwrap()).await.unwrap();
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    socket.send(&json!({"action": "ping"})).await;
    let error = socket.next().await.unwrap();
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("invalid_token")));
    assert_eq!(socket.next().await, None);
}
