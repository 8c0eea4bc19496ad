//! Tests of the handshake: which clients get a connection.

use std::sync::Arc;

use tokio::sync::Notify;

use super::*;

#[tokio::test]
async fn connect_sees_the_subprotocols_as_they_were_sent_and_selects_one() {
    let answer = |_, _| async {
        Ok(json!({ "statusCode": 200, "headers": { "sec-websocket-protocol": "tally.v1" } })
            .to_string()
            .into())
    };
    let mut api = Api::with(WebSocketLimits::default(), answer).await;
    let mut request = format!("{}?ticket=abc", api.url()).into_client_request().unwrap();
    request
        .headers_mut()
        .insert("sec-websocket-protocol", "tally.v1, bearer.a.b.c".parse().unwrap());
    request.headers_mut().insert("origin", "https://excel.office.com".parse().unwrap());
    request.headers_mut().insert("user-agent", "test/1".parse().unwrap());
    let (_client, response) = connect_async(request).await.unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "tally.v1");

    let event = api.event("CONNECT").await;
    assert_eq!(event["headers"]["sec-websocket-protocol"], "tally.v1, bearer.a.b.c");
    assert_eq!(event["headers"]["origin"], "https://excel.office.com");
    assert_eq!(event["queryStringParameters"], json!({ "ticket": "abc" }));
    let context = &event["requestContext"];
    assert_eq!(
        (&context["domainName"], &context["stage"]),
        (&json!("api.example"), &json!("live"))
    );
    assert_eq!(context["identity"], json!({ "sourceIp": "127.0.0.1", "userAgent": "test/1" }));
}

#[tokio::test]
async fn a_refusal_of_connect_reaches_the_client_and_leaves_no_connection() {
    for (answer, status, body) in [
        (
            Ok(r#"{"statusCode":403,"body":"{\"code\":\"origin_refused\"}"}"#),
            403,
            r#"{"code":"origin_refused"}"#,
        ),
        (Ok(r#"{"statusCode":401}"#), 401, ""),
        (Ok(r#"{"statusCode":429,"body":"bm8=","isBase64Encoded":true}"#), 429, "no"),
        (Ok("null"), 502, r#"{"message":"Internal server error"}"#),
        (Err(()), 502, r#"{"message":"Internal server error"}"#),
    ] {
        let mut api = Api::with(WebSocketLimits::default(), move |_, _| async move {
            answer.map_or_else(|()| crash(), |json| Ok(json.into()))
        })
        .await;
        let Err(Error::Http(response)) = connect_async(api.url()).await else {
            panic!("{status} expected")
        };
        assert_eq!(response.status(), status);
        assert_eq!(response.body().as_deref().unwrap_or_default(), body.as_bytes());
        let event = api.event("CONNECT").await;
        let id = event["requestContext"]["connectionId"].as_str().unwrap();
        assert_eq!(api.server.connections().status(id), Err(Gone));
    }
}

#[tokio::test]
async fn what_is_no_websocket_handshake_on_the_stage_is_refused_without_asking_connect() {
    let api = Api::start().await;
    for (path, status) in
        [("/live", 426), ("/live/@connections/abc", 403), ("/other", 403), ("/", 403)]
    {
        let response = reqwest::get(format!("http://{}{path}", api.address)).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
    assert!(api.events.is_empty());
}

#[tokio::test]
async fn a_connection_can_be_posted_to_only_once_its_connect_has_returned() {
    let release = Arc::new(Notify::new());
    let held = release.clone();
    let answer = move |_, _| {
        let held = held.clone();
        async move {
            held.notified().await;
            Ok(success())
        }
    };
    let mut api = Api::with(WebSocketLimits::default(), answer).await;
    let client = tokio::spawn(connect_async(api.url()));
    let event = api.event("CONNECT").await;
    let id = event["requestContext"]["connectionId"].as_str().unwrap();
    assert_eq!(api.server.connections().post(id, "early".into()).await, Err(Gone));
    release.notify_one();
    let (mut client, _) = client.await.unwrap().unwrap();
    api.server.connections().post(id, "late".into()).await.unwrap();
    assert_eq!(next(&mut client).await, Message::text("late"));
}

#[tokio::test]
async fn a_client_that_leaves_during_connect_still_gets_its_disconnect() {
    let release = Arc::new(Notify::new());
    let held = release.clone();
    let answer = move |function: String, _| {
        let held = held.clone();
        async move {
            if function == "$connect" {
                held.notified().await;
            }
            Ok(success())
        }
    };
    let mut api = Api::with(WebSocketLimits::default(), answer).await;
    let client = tokio::spawn(connect_async(api.url()));
    api.event("CONNECT").await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    release.notify_one();
    assert_eq!(api.disconnect().await.0, 1006);
}
