//! A connection that hears a reply: what it has been sent, and whether it may be sent more.

use std::time::Duration;

use platform::chat::{ChatDelta, ChatFailed};
use platform::socket::{Peer, SendError, ServerMessage};
use platform::store::Listener;
use tokio::time::sleep;

use crate::ChatStream;

/// How long a connection is believed to be allowed, from when it joined and from each time it is looked at.
const BELIEVED_FOR_MS: i64 = 5_000;

/// Attempts at saying how the reply ended: one that comes twice does no harm, one that does not come at all keeps a client
/// waiting.
const END_ATTEMPTS: u32 = 3;

/// Time between two of them.
const END_PAUSE: Duration = Duration::from_millis(500);

/// A connection that hears a reply.
pub struct Ear {
    /// As it has joined.
    pub listener: Listener,
    /// Frames that it has been sent.
    pub heard: usize,
    /// Whether a frame may not have arrived, or could not be let out. No more is sent then, because a gap would be worse than an
    /// end: it can join again, or read the reply.
    cut: bool,
    /// Whether it has ended, or its session.
    pub gone: bool,
    /// When it was last known to be allowed, milliseconds since 1970.
    admitted_at: i64,
}

impl Ear {
    /// A connection that has just joined, and has so many frames.
    pub fn new(listener: Listener, heard: usize, worker: &ChatStream) -> Self {
        Self { listener, heard, cut: false, gone: false, admitted_at: worker.clock.now().as_millisecond() }
    }

    /// Whether it is to be sent any of the first `frames` frames.
    pub fn lacks(&self, frames: usize) -> bool {
        !self.cut && !self.gone && self.heard < frames
    }

    /// Sends those of these frames that it has not heard, the first of which is number 1.
    pub async fn hear(&mut self, id: &str, worker: &ChatStream, message_id: &str, frames: &[String]) {
        while self.lacks(frames.len()) && self.is_admitted(id, worker).await {
            let (message_id, text) = (message_id.to_owned(), frames[self.heard].clone());
            let delta = ChatDelta { message_id, sequence: self.heard as u64 + 1, text };
            // Until it is known to have arrived: where nobody waits for that any longer, it may have.
            self.cut = true;
            match self.post(id, worker, &delta).await {
                Ok(()) => (self.heard, self.cut) = (self.heard + 1, false),
                Err(SendError::Gone) => self.gone = true,
                Err(_) => {}
            }
        }
    }

    /// Says that it hears no more of the reply, because others do in its place.
    pub async fn dismiss(&self, id: &str, worker: &ChatStream, unheard: &ChatFailed) {
        // Why it was not told stands in the log; there is no more to be done.
        self.post(id, worker, unheard).await.ok();
    }

    /// Says how the reply ended; whether there is nothing left to be said.
    pub async fn say_end<M: ServerMessage>(&mut self, id: &str, worker: &ChatStream, end: &M) -> bool {
        for _ in 0..END_ATTEMPTS {
            // There is no text in an end: where the session cannot be looked at, it is said all the same.
            self.is_admitted(id, worker).await;
            if self.gone {
                return true;
            }
            match self.post(id, worker, end).await {
                Ok(()) | Err(SendError::Gone) => return true,
                Err(_) => sleep(END_PAUSE).await,
            }
        }
        false
    }

    /// Whether the connection may be sent text: its session may have ended since it joined.
    async fn is_admitted(&mut self, id: &str, worker: &ChatStream) -> bool {
        let now = worker.clock.now();
        if self.gone || now.as_millisecond() < self.admitted_at + BELIEVED_FOR_MS {
            return !self.gone;
        }
        match worker.presence.admit(id, now).await {
            Ok(Some(_)) => self.admitted_at = now.as_millisecond(),
            Ok(None) => self.gone = true,
            Err(error) => {
                tracing::warn!(%error, connection_id = id, "the reply goes on unheard");
                self.cut = true;
                return false;
            }
        }
        !self.gone
    }

    async fn post<M: ServerMessage>(&self, id: &str, worker: &ChatStream, message: &M) -> Result<(), SendError> {
        worker.sender.post(Peer::open(id), None, message).await.inspect_err(|error| {
            tracing::info!(%error, connection_id = id, kind = M::TYPE, "the reply goes on unheard");
        })
    }
}
