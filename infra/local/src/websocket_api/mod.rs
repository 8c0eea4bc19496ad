//! API Gateway's WebSocket API. It upgrades `/{stage}`, asks `$connect`, hands each message to the
//! function of its route, invokes `$disconnect`, and keeps AWS's limits.
//!
//! `handshake` decides whether a client gets a connection. `connection` runs it until it ends, on a
//! `socket` that reads and writes at once. `connections` has the open connections for
//! `@connections`. `event` builds the events for the functions.

#![expect(
    clippy::disallowed_methods,
    reason = "the rule that one module reads the wall clock is the functions'"
)]

mod connection;
mod connections;
mod event;
mod handshake;
mod route;
mod socket;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::lambda::Invoke;
use crate::template::model::WebSocketApi;

use self::route::Routes;

pub use self::connections::{ConnectionStatus, Connections, Gone};

/// The WebSocket API of a stack.
#[derive(Clone)]
pub struct WebSocketServer(Arc<Server>);

/// AWS's limits, which a test may tighten.
#[derive(Debug, Clone, Copy)]
pub struct WebSocketLimits {
    /// A connection on which nothing has been sent or received for this long is closed.
    pub idle: Duration,
    /// A connection that has reached this age is closed.
    pub lifetime: Duration,
    /// Largest frame of a client in bytes.
    pub frame_bytes: usize,
    /// Largest message of a client in bytes.
    pub message_bytes: usize,
    /// A connection is given up if its client reads nothing of a message for this long. AWS does
    /// not document its own limit.
    pub stalled: Duration,
}

impl Default for WebSocketLimits {
    fn default() -> Self {
        Self {
            idle: Duration::from_mins(10),
            lifetime: Duration::from_hours(2),
            frame_bytes: 32 * 1024,
            message_bytes: 128 * 1024,
            stalled: Duration::from_secs(10),
        }
    }
}

struct Server {
    api_id: String,
    routes: Routes,
    functions: Arc<dyn Invoke>,
    limits: WebSocketLimits,
    connections: Connections,
    running: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
}

impl WebSocketServer {
    /// The API as the template describes it, with `functions` behind its routes.
    pub fn new(api: WebSocketApi, functions: impl Invoke, limits: WebSocketLimits) -> Self {
        Self(Arc::new(Server {
            api_id: api.id,
            routes: Routes::new(&api.selection, api.routes),
            functions: Arc::new(functions),
            limits,
            connections: Connections::new(api.stage),
            running: Mutex::default(),
            stop: watch::Sender::new(false),
        }))
    }

    /// A handle with which `@connections` acts on the open connections.
    pub fn connections(&self) -> Connections {
        self.0.connections.clone()
    }

    /// Answers one HTTP request whose path begins with the stage: an upgrade, or an error. `host`
    /// is the name under which clients reach the API, which functions see as `domainName`.
    pub async fn serve(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        host: &str,
    ) -> Response<Full<Bytes>> {
        handshake::serve(&self.0, request, peer, host).await
    }

    /// Closes every connection, waits until each `$disconnect` is done, and accepts no more.
    pub async fn shutdown(&self) {
        self.0.stop.send_replace(true);
        let running =
            std::mem::take(&mut *self.0.running.lock().unwrap_or_else(PoisonError::into_inner));
        running.join_all().await;
    }
}

impl Server {
    /// Runs a connection's task until it ends.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while running.try_join_next().is_some() {}
        running.spawn(task);
    }
}
