//! The API as real clients use it, with a stand-in for the functions.

mod endings;
mod handshakes;
mod messages;

use std::net::SocketAddr;

use futures_util::future::{BoxFuture, FutureExt};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::*;
use crate::lambda::InvokeError;
use crate::server::Server as HttpServer;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Answer = Result<Bytes, InvokeError>;

/// Functions that record their events and answer as the test says.
struct StandIn<F> {
    events: mpsc::UnboundedSender<Value>,
    answer: F,
}

impl<F, A> Invoke for StandIn<F>
where
    F: Fn(String, Value) -> A + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    fn invoke<'a>(&'a self, function: &'a str, payload: Bytes) -> BoxFuture<'a, Answer> {
        let event: Value = serde_json::from_slice(&payload).unwrap();
        let _ = self.events.send(event.clone());
        (self.answer)(function.to_owned(), event).boxed()
    }

    fn invoke_async(&self, function: &str, _payload: Bytes) -> Result<(), InvokeError> {
        Err(InvokeError::Unknown(function.to_owned()))
    }
}

/// A WebSocket API on a port of its own.
struct Api {
    server: WebSocketServer,
    address: SocketAddr,
    events: mpsc::UnboundedReceiver<Value>,
    _http: HttpServer,
}

impl Api {
    /// An API whose routes lead to functions of the same names, which all succeed.
    async fn start() -> Self {
        Self::with(WebSocketLimits::default(), |_, _| async { Ok(success()) }).await
    }

    async fn with<F, A>(limits: WebSocketLimits, answer: F) -> Self
    where
        F: Fn(String, Value) -> A + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let routes = ["$connect", "$disconnect", "ping", "charts.subscribe"];
        let api = WebSocketApi {
            id: "WebSocketApi".into(),
            stage: "live".into(),
            selection: "$request.body.action".into(),
            routes: routes.into_iter().map(|key| (key.to_owned(), key.to_owned())).collect(),
        };
        let server = WebSocketServer::new(api, StandIn { events: sender, answer }, limits);
        let handler = server.clone();
        let http = HttpServer::start(listener, move |request, peer| {
            let server = handler.clone();
            async move { server.serve(request, peer, "api.example").await }
        });
        Self { server, address, events, _http: http }
    }

    /// A client with its connection's id.
    async fn client(&mut self) -> (Client, String) {
        let (client, _) = connect_async(self.url()).await.unwrap();
        let event = self.event("CONNECT").await;
        (client, event["requestContext"]["connectionId"].as_str().unwrap().to_owned())
    }

    fn url(&self) -> String {
        format!("ws://{}/live", self.address)
    }

    /// The next event, which must be of this type.
    async fn event(&mut self, event_type: &str) -> Value {
        let event = self.events.recv().await.unwrap();
        assert_eq!(event["requestContext"]["eventType"], event_type, "{event}");
        event
    }

    /// Code and reason of the next event, which must be a DISCONNECT.
    async fn disconnect(&mut self) -> (u64, String) {
        let context = self.event("DISCONNECT").await["requestContext"].take();
        (
            context["disconnectStatusCode"].as_u64().unwrap(),
            context["disconnectReason"].as_str().unwrap().to_owned(),
        )
    }
}

fn success() -> Bytes {
    json!({ "statusCode": 200 }).to_string().into()
}

fn crash() -> Answer {
    Err(InvokeError::Crashed { status: "signal 11".into(), last_words: None })
}

/// The next frame, without pings and pongs.
async fn next(client: &mut Client) -> Message {
    loop {
        match client.next().await.unwrap().unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

/// The next message as JSON.
async fn next_json(client: &mut Client) -> Value {
    serde_json::from_str(next(client).await.to_text().unwrap()).unwrap()
}

/// The code of the closing frame, which must be next.
async fn close_code(client: &mut Client) -> u16 {
    match next(client).await {
        Message::Close(Some(frame)) => frame.code.into(),
        message => panic!("{message:?} is not a closing frame"),
    }
}
