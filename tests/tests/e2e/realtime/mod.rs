//! Connections, tickets, messages and charts over the WebSocket.

mod charts;
mod connection_limits;
mod connections;
mod messages;
mod order;
mod renewal;

use std::collections::{BTreeMap, BTreeSet};

use platform::routes::ACTIONS;
use serde_json::{Value, json};
use tally_tests::{Caller, Socket, TestStack};

pub async fn ticket(stack: &TestStack, caller: &Caller) -> String {
    let body = stack.post("/auth/ws-ticket", Some(caller), &json!({})).await.expect(201);
    assert_eq!(body["expires_in"], 60);
    body["ticket"].as_str().unwrap().to_owned()
}

/// Sends a ping and expects its pong: the connection works both ways.
pub async fn assert_alive(socket: &mut Socket) {
    let pong = socket.ask(&json!({"action": "ping", "id": "p"}), "pong").await;
    assert_eq!(pong, json!({"type": "pong", "id": "p"}));
}

#[tokio::test]
async fn connections_tickets_and_subscriptions_leave_their_events() {
    let stack = TestStack::start().await;
    let caller = stack.someone().await;
    let auditor = stack.admin().await;
    let query = format!("?ticket={}&chart_type=line", ticket(&stack, &caller).await);
    let mut socket =
        stack.handshake(&query, &[]).await.unwrap_or_else(|refused| panic!("{refused:?}"));
    socket.expect("charts.subscribed").await;
    let subscribe =
        json!({"action": "charts.subscribe", "chart_type": "pie", "interval_ms": 60000});
    let subscribed = socket.ask_amid(&subscribe, &["charts.data"]).await;
    assert!(stack.handshake(&query, &[]).await.is_err());
    assert!(stack.handshake("", &[("origin", "https://evil.example")]).await.is_err());
    let bearer = format!("Bearer {}", caller.access);
    let credentials = [("authorization", bearer.as_str())];
    assert!(stack.handshake("?chart_type=area", &credentials).await.is_err());
    stack.post("/auth/logout", Some(&caller), &json!({})).await.expect(204);
    assert!(stack.handshake("", &credentials).await.is_err());

    let outcomes = async |action: &str| -> Vec<Value> {
        stack.events(&auditor, action).await.iter().map(|event| event["outcome"].clone()).collect()
    };
    assert_eq!(outcomes("auth.ws_ticket").await, ["success"]);
    assert_eq!(outcomes("ws.connect").await, ["success", "failure"]);
    // Each event names the connection and the user that asked for it.
    let connects = stack.events(&auditor, "ws.connect").await;
    let resources: BTreeSet<_> =
        connects.iter().map(|event| event["resource"].as_str().unwrap()).collect();
    assert!(
        resources.len() == 2
            && resources.iter().all(|resource| resource.starts_with("connection:")),
        "{resources:?}"
    );
    assert!(
        connects.iter().all(|event| event["actor"]["username"] == caller.username),
        "{connects:?}"
    );
    // For the used ticket and the foreign page, the actor is an address. For the ended session, it
    // is the user.
    let denied = stack.events(&auditor, "access.denied").await;
    let known: Vec<_> =
        denied.iter().map(|event| event["actor"]["username"] == caller.username).collect();
    assert_eq!(known, [false, false, true], "{denied:?}");
    assert!(denied.iter().all(|event| event["detail"]["route"] == "$connect"), "{denied:?}");
    let events = stack.events(&auditor, "charts.subscribe").await;
    assert_eq!(events.len(), 2);
    assert_eq!(
        events[1]["resource"],
        format!("subscription:{}", subscribed["subscription_id"].as_str().unwrap())
    );
    assert_eq!(events[1]["detail"], json!({"chart_type": "pie", "interval_ms": 60000}));
    assert_eq!(events[1]["actor"]["username"], caller.username);
}

#[tokio::test]
async fn the_template_and_the_table_of_actions_are_the_same_list() {
    let stack = TestStack::start().await;
    let deployment = stack.local.deployment();
    let binary = |id: &String| {
        deployment
            .functions
            .iter()
            .find(|function| function.id == *id)
            .map(|function| function.binary.clone())
    };
    let routes = deployment.websocket_api.as_ref().unwrap().routes.iter();
    let described: BTreeMap<_, _> =
        routes.map(|(key, function)| (key.clone(), binary(function).unwrap())).collect();
    let ours: BTreeMap<_, _> =
        ACTIONS.iter().map(|route| (route.action.to_owned(), route.function.to_owned())).collect();
    assert_eq!(described, ours);
}
