//! Messages in both directions.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use tokio::sync::Notify;

use super::*;
use crate::aws::{Aws, AwsSettings, Credentials, State};
use crate::template::model::Resources;

#[tokio::test(flavor = "multi_thread")]
async fn messages_reach_their_functions_in_order_without_waiting_for_one_another() {
    let release = Arc::new(Notify::new());
    let held = release.clone();
    let answer = move |function: String, _| {
        let held = held.clone();
        async move {
            if function == "charts.subscribe" {
                held.notified().await;
            }
            Ok(success())
        }
    };
    let mut api = Api::with(WebSocketLimits::default(), answer).await;
    let (mut client, _) = api.client().await;
    for number in 0..100 {
        let action = if number % 2 == 0 { "charts.subscribe" } else { "ping" };
        client
            .send(Message::text(json!({ "action": action, "id": number }).to_string()))
            .await
            .unwrap();
    }
    for number in 0..100 {
        let event = api.event("MESSAGE").await;
        let body: Value = serde_json::from_str(event["body"].as_str().unwrap()).unwrap();
        assert_eq!(body["id"], number);
        assert_eq!(event["requestContext"]["routeKey"], body["action"]);
    }
    release.notify_waiters();
}

#[tokio::test]
async fn api_gateway_itself_answers_a_message_that_fails_or_has_no_route() {
    let answer = |function: String, _| async move {
        if function == "ping" { crash() } else { Ok(success()) }
    };
    let mut api = Api::with(WebSocketLimits::default(), answer).await;
    let (mut client, id) = api.client().await;
    for (action, message) in [("ping", "Internal server error"), ("unknown", "Forbidden")] {
        client.send(Message::text(json!({ "action": action }).to_string())).await.unwrap();
        let frame = next_json(&mut client).await;
        assert_eq!((&frame["message"], &frame["connectionId"]), (&json!(message), &json!(id)));
        assert!(frame["requestId"].is_string());
    }
}

#[tokio::test]
async fn a_message_in_several_frames_arrives_as_one() {
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    let mut api = Api::start().await;
    let (mut client, _) = api.client().await;
    let text = json!({ "action": "ping", "text": "x".repeat(60_000) }).to_string();
    let (first, second) = text.split_at(30_000);
    for (part, code, last) in [
        (first, Data::Text, false),
        (&second[..30_000], Data::Continue, false),
        (&second[30_000..], Data::Continue, true),
    ] {
        client
            .send(Message::Frame(Frame::message(part.to_owned(), OpCode::Data(code), last)))
            .await
            .unwrap();
    }
    assert_eq!(api.event("MESSAGE").await["body"], text);
}

#[tokio::test]
async fn a_ping_is_answered() {
    let mut api = Api::start().await;
    let (mut client, _) = api.client().await;
    client.send(Message::Ping("are you there".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("are you there".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn posts_keep_their_order() {
    let mut api = Api::start().await;
    let (mut client, id) = api.client().await;
    let connections = api.server.connections();
    let posts = tokio::spawn(async move {
        for number in 0..1000 {
            connections.post(&id, number.to_string().into()).await.unwrap();
        }
    });
    for number in 0..1000 {
        assert_eq!(next(&mut client).await, Message::text(number.to_string()));
    }
    posts.await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected_and_delays_no_other() {
    let limits =
        WebSocketLimits { stalled: Duration::from_millis(300), ..WebSocketLimits::default() };
    let mut api = Api::with(limits, |_, _| async { Ok(success()) }).await;
    let (_deaf, deaf_id) = api.client().await;
    let (mut client, id) = api.client().await;
    let connections = api.server.connections();
    let flood = {
        let connections = connections.clone();
        tokio::spawn(async move {
            while connections.post(&deaf_id, vec![b'x'; 128 * 1024].into()).await.is_ok() {}
        })
    };
    while !flood.is_finished() {
        connections.post(&id, "hello".into()).await.unwrap();
        assert_eq!(next(&mut client).await, Message::text("hello"));
    }
    assert_eq!(api.disconnect().await.0, 1006);
}

#[tokio::test]
async fn functions_reach_a_connection_by_http_until_it_is_gone() {
    let mut api = Api::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let credentials = Credentials::random();
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/20260101/us-east-1/execute-api/aws4_request",
        credentials.access_key_id
    );
    let (events, _) = mpsc::unbounded_channel();
    let settings = AwsSettings {
        state: State::Memory,
        resources: Resources::default(),
        s3: None,
        functions: StandIn { events, answer: |_, _| async { Ok(success()) } },
        connections: Some(api.server.connections()),
    };
    let _aws = Aws::start(listener, credentials, settings).await.unwrap();
    let request = async |method: Method, stage: &str, id: &str, body: Vec<u8>| {
        let url = format!("http://{address}{stage}/@connections/{}", id.replace('=', "%3D"));
        let response = reqwest::Client::new()
            .request(method, url)
            .header("authorization", &authorization)
            .body(body)
            .send()
            .await
            .unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let (mut client, id) = api.client().await;
    assert_eq!(request(Method::POST, "/live", &id, b"{}".to_vec()).await, (200, String::new()));
    assert_eq!(next(&mut client).await, Message::text("{}"));
    assert_eq!(request(Method::POST, "", &id, b"[]".to_vec()).await, (200, String::new()));
    assert_eq!(next(&mut client).await, Message::text("[]"));
    let (status, state) = request(Method::GET, "/live", &id, Vec::new()).await;
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!((status, &state["identity"]["sourceIp"]), (200, &json!("127.0.0.1")));
    for time in ["connectedAt", "lastActiveAt"] {
        assert!(state[time].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{state}");
    }
    assert_eq!(request(Method::POST, "/live", &id, vec![b'x'; 128 * 1024 + 1]).await.0, 413);
    assert_eq!(request(Method::POST, "/other", &id, Vec::new()).await.0, 403);
    assert_eq!(request(Method::DELETE, "/live", &id, Vec::new()).await, (204, String::new()));
    assert_eq!(close_code(&mut client).await, 1000);
    assert_eq!(api.disconnect().await, (1000, "Connection Closed Normally".to_owned()));
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let (status, body) = request(method, "/live", &id, Vec::new()).await;
        assert!(status == 410 && body.contains("GoneException"), "{status} {body}");
    }
}
