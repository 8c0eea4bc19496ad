//! A connection that receives a reply. It has a task of its own that posts to it. So a connection that stalls delays neither the others nor
//! a cancel.

use std::sync::Arc;
use std::time::Duration;

use platform::clock::Clock;
use platform::domain::Peer;
use platform::socket::{Presence, SendError, Sender};
use tally_chat::store::Listener;
use tally_chat::{ChatDelta, ChatEnd};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::ChatStream;

/// Milliseconds for which a connection counts as allowed, after it has joined and after each check.
const BELIEVED_FOR_MS: i64 = 5_000;

/// Attempts to tell a connection how the reply ended. A second copy does no harm, but without any copy the client keeps waiting.
const END_ATTEMPTS: u32 = 3;

/// Time between two attempts.
const END_PAUSE: Duration = Duration::from_millis(500);

/// Time after which a post that has not been answered counts as stalled.
const STALLED: Duration = Duration::from_millis(500);

/// Time for sending what is left, once the reply has ended.
const LAST_SEND: Duration = Duration::from_secs(5);

/// The frames of a reply up to now. They are the queue of every task, which takes the next frame when the one before has arrived.
pub type Script = Vec<Arc<str>>;

/// A connection that receives a reply. Dropping it ends its task.
pub struct Ear {
    /// The connection as it has joined.
    pub listener: Listener,
    line: Line,
    task: AbortHandle,
}

/// The state that the task of a connection shares with the reply.
#[derive(Clone)]
struct Line {
    connection_id: String,
    message_id: String,
    sender: Sender,
    presence: Presence,
    clock: Clock,
    standing: Arc<watch::Sender<Standing>>,
}

/// The progress of a connection.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// Frames that it has been sent.
    heard: usize,
    /// Whether it is sent no more text. Where a frame may not have arrived, a gap would be worse than an end: the client can join again, or
    /// read the reply.
    is_over: bool,
    /// Whether the connection or its session has ended.
    is_gone: bool,
    /// When it was last known to be allowed, milliseconds since 1970.
    admitted_at: i64,
    /// When the frame that is on its way was handed over.
    sent_at: Option<Instant>,
}

impl Ear {
    /// A connection that has just joined and has `heard` frames already. Its task begins.
    pub fn new(id: &str, listener: Listener, heard: usize, worker: &ChatStream, message_id: &str, script: watch::Receiver<Script>) -> Self {
        let admitted_at = worker.clock.now().as_millisecond();
        let standing = Standing { heard, is_over: false, is_gone: false, admitted_at, sent_at: None };
        let line = Line {
            connection_id: id.to_owned(),
            message_id: message_id.to_owned(),
            sender: worker.sender.clone(),
            presence: worker.presence.clone(),
            clock: worker.clock.clone(),
            standing: Arc::new(watch::Sender::new(standing)),
        };
        let task = tokio::spawn(line.clone().follow(script)).abort_handle();
        Self { listener, line, task }
    }

    /// Frames that it has been sent.
    pub fn heard(&self) -> usize {
        self.line.standing.borrow().heard
    }

    /// Whether the connection or its session has ended.
    pub fn is_gone(&self) -> bool {
        self.line.standing.borrow().is_gone
    }

    /// Whether it is still to be sent any of the first `frames` frames.
    pub fn lacks(&self, frames: usize) -> bool {
        self.line.standing.borrow().lacks(frames)
    }

    /// Whether it has not taken a frame for too long.
    pub fn is_stalled(&self) -> bool {
        self.line.standing.borrow().sent_at.is_some_and(|sent_at| sent_at.elapsed() >= STALLED)
    }

    /// Waits until the connection has been sent the first `frames` frames, or is sent no more.
    pub async fn catch_up(&self, frames: usize) {
        // The sender is not dropped before `self` is.
        self.line.standing.subscribe().wait_for(|standing| !standing.lacks(frames)).await.ok();
    }

    /// Tells the connection that it receives no more of the reply, because others do in its place.
    pub async fn dismiss(self, unheard: ChatEnd) {
        self.task.abort();
        // The log says why a message was not sent. The worker can do no more.
        self.line.say(&unheard).await.ok();
    }

    /// Sends the rest of the frames. Then tells the connection how the reply ended, or that it has not received all of it. Returns whether
    /// nothing is left to be said.
    pub async fn say_end(&self, frames: usize, end: &ChatEnd, unheard: &ChatEnd) -> bool {
        timeout(LAST_SEND, self.catch_up(frames)).await.ok();
        self.task.abort();
        let end = if self.heard() < frames { unheard } else { end };
        for _ in 0..END_ATTEMPTS {
            // An end contains no text, so it is sent even if the session cannot be checked.
            self.line.is_admitted().await;
            if self.is_gone() {
                return true;
            }
            match self.line.say(end).await {
                Ok(()) | Err(SendError::Gone) => return true,
                Err(_) => sleep(END_PAUSE).await,
            }
        }
        false
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Standing {
    fn lacks(&self, frames: usize) -> bool {
        !self.is_over && self.heard < frames
    }
}

impl Line {
    /// Sends the frames, one after the other, for as long as each of them arrives.
    async fn follow(self, mut script: watch::Receiver<Script>) {
        loop {
            let heard = self.standing.borrow().heard;
            let next = script.wait_for(|frames| frames.len() > heard).await.map(|frames| frames[heard].to_string());
            let Ok(text) = next else { return };
            let delta = ChatDelta { message_id: self.message_id.clone(), sequence: heard as u64 + 1, text };
            let sent = self.is_admitted().await && self.send(&delta).await;
            self.standing.send_modify(|standing| {
                standing.sent_at = None;
                standing.heard += usize::from(sent);
                standing.is_over = !sent;
            });
            if !sent {
                return;
            }
        }
    }

    /// Whether the connection may be sent text. Its session may have ended since it joined.
    async fn is_admitted(&self) -> bool {
        let (now, standing) = (self.clock.now(), *self.standing.borrow());
        if standing.is_gone || now.as_millisecond() < standing.admitted_at + BELIEVED_FOR_MS {
            return !standing.is_gone;
        }
        match self.presence.admit(&self.connection_id, now).await {
            Ok(admitted) => {
                self.standing.send_modify(|standing| match admitted {
                    Some(_) => standing.admitted_at = now.as_millisecond(),
                    None => standing.is_gone = true,
                });
                !self.standing.borrow().is_gone
            }
            Err(error) => {
                tracing::warn!(%error, connection_id = self.connection_id, "failed to check a connection; the reply goes on without it");
                false
            }
        }
    }

    /// Sends a frame. Returns whether it is known to have arrived.
    async fn send(&self, delta: &ChatDelta) -> bool {
        self.standing.send_modify(|standing| standing.sent_at = Some(Instant::now()));
        let sent = self.sender.post(Peer::open(&self.connection_id), None, delta).await;
        if let Err(error) = &sent {
            tracing::info!(%error, message_id = delta.message_id, connection_id = self.connection_id, "failed to send a delta");
            self.standing.send_modify(|standing| standing.is_gone |= matches!(error, SendError::Gone));
        }
        sent.is_ok()
    }

    async fn say(&self, end: &ChatEnd) -> Result<(), SendError> {
        end.post(&self.sender, Peer::open(&self.connection_id)).await.inspect_err(|error| {
            tracing::info!(%error, connection_id = self.connection_id, "failed to tell a connection how a reply ended");
        })
    }
}
