//! The open connections by their ids, and the actions of `@connections` on them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::event::Session;

/// Maximum number of messages that wait for a client. A function that posts another one waits too.
/// It bounds the cost of a slow client.
const QUEUE_LENGTH: usize = 32;

/// The open connections of a WebSocket API.
#[derive(Clone)]
pub struct Connections {
    stage: Arc<str>,
    open: Arc<Mutex<HashMap<String, Entry>>>,
}

/// The connection has ended, or its `$connect` has not returned yet, or there never was one with
/// this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

/// The state of an open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// When the client asked for the connection.
    pub connected_at: Timestamp,
    /// When something was last received from the client or posted to it.
    pub last_active_at: Timestamp,
    /// The client's address.
    pub source_ip: String,
    /// The client's `User-Agent`, empty if it sent none.
    pub user_agent: String,
}

/// Requests to a connection, carried out in order.
#[derive(Debug)]
pub(super) enum Outgoing {
    Post(Bytes),
    Close,
}

/// The far end of an open connection. While this exists, the connection can be found.
pub(super) struct Registered {
    pub(super) session: Arc<Session>,
    pub(super) inbox: mpsc::Receiver<Outgoing>,
    pub(super) outgoing: mpsc::Sender<Outgoing>,
    last_active: Arc<AtomicI64>,
    connections: Connections,
}

struct Entry {
    session: Arc<Session>,
    outgoing: mpsc::Sender<Outgoing>,
    last_active: Arc<AtomicI64>,
}

impl Connections {
    pub(super) fn new(stage: String) -> Self {
        Self { stage: stage.into(), open: Arc::default() }
    }

    /// The stage under which the API is served.
    pub fn stage(&self) -> &str {
        &self.stage
    }

    /// Queues a message for the client; messages keep their order. Waits while too many are queued.
    pub async fn post(&self, id: &str, message: Bytes) -> Result<(), Gone> {
        self.send(id, Outgoing::Post(message)).await
    }

    /// Closes the connection after the messages that have been posted to it.
    pub async fn close(&self, id: &str) -> Result<(), Gone> {
        self.send(id, Outgoing::Close).await
    }

    /// Returns the connection's state.
    pub fn status(&self, id: &str) -> Result<ConnectionStatus, Gone> {
        self.with(id, |entry| ConnectionStatus {
            connected_at: entry.session.connected_at,
            last_active_at: Timestamp::from_millisecond(entry.last_active.load(Ordering::Relaxed))
                .unwrap_or_default(),
            source_ip: entry.session.source_ip.to_string(),
            user_agent: entry.session.user_agent.clone(),
        })
    }

    /// Registers a connection.
    pub(super) fn register(&self, session: Session) -> Registered {
        let (outgoing, inbox) = mpsc::channel(QUEUE_LENGTH);
        let last_active = Arc::new(AtomicI64::new(session.connected_at.as_millisecond()));
        let session = Arc::new(session);
        let entry = Entry {
            session: session.clone(),
            outgoing: outgoing.clone(),
            last_active: last_active.clone(),
        };
        self.open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session.connection_id.clone(), entry);
        Registered { session, inbox, outgoing, last_active, connections: self.clone() }
    }

    async fn send(&self, id: &str, outgoing: Outgoing) -> Result<(), Gone> {
        let sender = self.with(id, |entry| {
            entry.last_active.store(Timestamp::now().as_millisecond(), Ordering::Relaxed);
            entry.outgoing.clone()
        })?;
        sender.send(outgoing).await.map_err(|_| Gone)
    }

    fn with<T>(&self, id: &str, read: impl FnOnce(&Entry) -> T) -> Result<T, Gone> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(id).map(read).ok_or(Gone)
    }
}

impl Registered {
    /// Notes that the client has sent something.
    pub(super) fn touch(&self) {
        self.last_active.store(Timestamp::now().as_millisecond(), Ordering::Relaxed);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.connections
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.session.connection_id);
    }
}
