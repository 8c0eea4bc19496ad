//! A WebSocket client.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::error::Elapsed;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::{Caller, TestStack, asyncapi};

/// How long to wait for an expected message.
const PATIENCE: Duration = Duration::from_secs(20);

/// An open connection.
pub struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Headers of the handshake's answer.
    pub headers: HeaderMap,
}

/// A connection that was refused.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Status.
    pub status: u16,
    /// The body as JSON, if it is JSON.
    pub body: Value,
}

impl TestStack {
    /// Opens a connection with this query and these headers.
    pub async fn handshake(
        &self,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, Refused> {
        let mut request = format!("{}{query}", self.local.websocket_url().unwrap())
            .into_client_request()
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((stream, response)) => Ok(Socket { stream, headers: response.headers().clone() }),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err(Refused {
                    status: response.status().as_u16(),
                    body: serde_json::from_slice(body).unwrap_or_default(),
                })
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens a connection for a caller.
    pub async fn connect(&self, caller: &Caller) -> Socket {
        self.connect_with(caller, "").await
    }

    /// Opens a connection for a caller with this query.
    pub async fn connect_with(&self, caller: &Caller, query: &str) -> Socket {
        let authorization = format!("Bearer {}", caller.access);
        self.handshake(query, &[("authorization", &authorization)])
            .await
            .unwrap_or_else(|refused| panic!("{refused:?}"))
    }
}

impl Socket {
    /// Sends a message.
    pub async fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string()).await;
    }

    /// Sends a message over a connection that may have been closed. Returns whether it could be
    /// sent.
    pub async fn try_send(&mut self, message: &Value) -> bool {
        self.stream.send(Message::text(message.to_string())).await.is_ok()
    }

    /// Sends text that may not be a valid message.
    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next message, which must match the AsyncAPI document. `None` if the connection has been
    /// closed instead.
    pub async fn next(&mut self) -> Option<Value> {
        self.next_within(PATIENCE).await.unwrap_or_else(|_| panic!("nothing came for {PATIENCE:?}"))
    }

    /// The next message, or an error if it does not come within this time.
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<Value>, Elapsed> {
        let frame = self.next_frame(patience).await?;
        Ok(frame.map(|frame| serde_json::from_str(&frame).unwrap()))
    }

    /// The text of the next message, or an error if it does not come within this time.
    pub async fn next_frame(&mut self, patience: Duration) -> Result<Option<String>, Elapsed> {
        tokio::time::timeout(patience, async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => {
                        asyncapi::verify(&serde_json::from_str(&text).unwrap());
                        return Some(text.as_str().to_owned());
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                    Some(Ok(other)) => panic!("{other:?}"),
                }
            }
        })
        .await
    }

    /// The next message, which must be of this type.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> impl Future<Output = Value> {
        let caller = std::panic::Location::caller();
        async move {
            let message =
                self.next().await.unwrap_or_else(|| panic!("closed instead of {kind} at {caller}"));
            assert_eq!(message["type"], kind, "{message} at {caller}");
            message
        }
    }

    /// Sends a message and returns the next one, which must be of this type.
    pub async fn ask(&mut self, message: &Value, kind: &str) -> Value {
        self.send(message).await;
        self.expect(kind).await
    }

    /// Sends a message and returns the next one that has none of these types.
    pub async fn ask_amid(&mut self, message: &Value, amid: &[&str]) -> Value {
        self.send(message).await;
        loop {
            let answer = self.next().await.expect("the connection stays");
            if !amid.iter().any(|kind| answer["type"] == *kind) {
                return answer;
            }
        }
    }

    /// Closes the connection.
    pub async fn close(mut self) {
        self.stream.close(None).await.unwrap();
        while self.stream.next().await.is_some_and(|message| message.is_ok()) {}
    }
}
