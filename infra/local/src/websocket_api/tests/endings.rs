//! How connections end.

use std::time::Duration;

use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

use super::*;

#[tokio::test]
async fn disconnect_is_told_how_the_client_left() {
    let mut api = Api::start().await;
    let (mut client, id) = api.client().await;
    client
        .close(Some(CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() }))
        .await
        .unwrap();
    assert_eq!(api.disconnect().await, (4001, "bye".to_owned()));
    assert_eq!(api.server.connections().post(&id, "late".into()).await, Err(Gone));
    assert_eq!(close_code(&mut client).await, 4001);
    assert!(client.next().await.is_none());

    let (mut client, _) = api.client().await;
    client.close(None).await.unwrap();
    assert_eq!(api.disconnect().await.0, 1005);

    let (client, _) = api.client().await;
    drop(client);
    assert_eq!(api.disconnect().await.0, 1006);
}

#[tokio::test]
async fn a_binary_frame_is_closed_with_1003() {
    let mut api = Api::start().await;
    let (mut client, _) = api.client().await;
    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1003);
    assert_eq!(api.disconnect().await.0, 1003);
}

#[tokio::test]
async fn the_largest_frame_is_taken_and_a_larger_one_closed_with_1009() {
    let mut api = Api::start().await;
    let (mut client, _) = api.client().await;
    client.send(Message::text("x".repeat(32 * 1024))).await.unwrap();
    assert_eq!(next_json(&mut client).await["message"], "Forbidden");
    client.send(Message::text("x".repeat(32 * 1024 + 1))).await.unwrap();
    assert_eq!(close_code(&mut client).await, 1009);
    assert_eq!(api.disconnect().await.0, 1009);
}

#[tokio::test]
async fn a_message_over_128_kb_is_closed_with_1009_however_small_its_frames() {
    let mut api = Api::start().await;
    let (mut client, _) = api.client().await;
    for number in 0..5 {
        let code = if number == 0 { Data::Text } else { Data::Continue };
        client
            .send(Message::Frame(Frame::message(vec![b'x'; 30 * 1024], OpCode::Data(code), false)))
            .await
            .unwrap();
    }
    assert_eq!(close_code(&mut client).await, 1009);
}

#[tokio::test]
async fn a_client_that_is_still_sending_hears_the_1009() {
    let mut api = Api::start().await;
    for _ in 0..20 {
        let (mut client, _) = api.client().await;
        client.send(Message::text("x".repeat(8 * 1024 * 1024))).await.unwrap();
        assert_eq!(close_code(&mut client).await, 1009);
        assert_eq!(api.disconnect().await.0, 1009);
    }
}

#[tokio::test]
async fn a_connection_ends_when_it_is_idle_and_when_it_is_old() {
    let soon = Duration::from_millis(100);
    for limits in [
        WebSocketLimits { idle: soon, ..WebSocketLimits::default() },
        WebSocketLimits { lifetime: soon, ..WebSocketLimits::default() },
    ] {
        let mut api = Api::with(limits, |_, _| async { Ok(success()) }).await;
        let (mut client, _) = api.client().await;
        assert_eq!(close_code(&mut client).await, 1001);
        assert_eq!(api.disconnect().await, (1001, "Going away".to_owned()));
    }
}

#[tokio::test]
async fn traffic_in_either_direction_keeps_a_connection_from_being_idle() {
    let limits = WebSocketLimits { idle: Duration::from_millis(800), ..WebSocketLimits::default() };
    let mut api = Api::with(limits, |_, _| async { Ok(success()) }).await;
    let (mut client, id) = api.client().await;
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    for number in 0..8 {
        pace.tick().await;
        if number % 2 == 0 {
            client.send(Message::Ping(Bytes::new())).await.unwrap();
        } else {
            api.server.connections().post(&id, "hello".into()).await.unwrap();
            assert_eq!(next(&mut client).await, Message::text("hello"));
        }
    }
    assert_eq!(close_code(&mut client).await, 1001);
}

#[tokio::test]
async fn shutdown_closes_every_connection_and_tells_disconnect() {
    let mut api = Api::start().await;
    let (mut one, _) = api.client().await;
    let (mut other, _) = api.client().await;
    let server = api.server.clone();
    let shutdown = tokio::spawn(async move { server.shutdown().await });
    assert_eq!((close_code(&mut one).await, close_code(&mut other).await), (1001, 1001));
    assert!(one.next().await.is_none() && other.next().await.is_none());
    shutdown.await.unwrap();
    assert_eq!((api.disconnect().await.0, api.disconnect().await.0), (1001, 1001));
    let Err(Error::Http(refusal)) = connect_async(api.url()).await else {
        panic!("a connection after the shutdown")
    };
    assert_eq!(refusal.status(), 503);
}
