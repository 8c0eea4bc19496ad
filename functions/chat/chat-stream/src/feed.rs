//! The feed of one subscriber. It has a task of its own that posts to the connection. So a
//! connection that stalls delays neither the others nor a cancel.

use std::sync::Arc;
use std::time::Duration;

use platform::clock::Clock;
use platform::domain::Peer;
use platform::socket::{ConnectionAccess, SendError, Sender};
use platform::{ConfigError, Platform};
use tally_chat::ChatEnd;
use tally_chat::domain::Frame;
use tally_chat::store::Subscriber;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::buffer::FrameLog;

/// Milliseconds for which a connection counts as allowed, after it has joined and after each check.
const BELIEVED_FOR_MS: i64 = 5_000;

/// Attempts to tell a connection how the reply ended. A second copy does no harm, but without any
/// copy the client keeps waiting.
const END_ATTEMPTS: u32 = 3;

/// Time between two attempts.
const END_PAUSE: Duration = Duration::from_millis(500);

/// Time after which a post that has not been answered counts as stalled.
const STALLED: Duration = Duration::from_millis(500);

/// Time for sending what is left, once the reply has ended.
const LAST_SEND: Duration = Duration::from_secs(5);

/// Checks connections, and posts to them.
#[derive(Clone)]
pub struct Transport {
    access: ConnectionAccess,
    sender: Sender,
    clock: Clock,
}

/// The feed of a subscriber. Dropping it ends its task.
pub struct SubscriberFeed {
    /// The subscriber as it has joined.
    pub subscriber: Subscriber,
    channel: Channel,
    task: AbortHandle,
}

/// The way to a connection. The task of a feed shares it with the reply.
#[derive(Clone)]
struct Channel {
    connection_id: String,
    message_id: String,
    transport: Transport,
    progress: Arc<watch::Sender<Progress>>,
}

/// The progress of a connection.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Frames that it has been sent.
    sent: usize,
    /// Whether it is sent no more frames. Where a frame may not have arrived, a gap would be worse
    /// than an end: the client can join again, or read the reply.
    is_over: bool,
    /// Whether the connection or its session has ended.
    is_gone: bool,
    /// When it was last known to be allowed, milliseconds since 1970.
    admitted_at: i64,
    /// When the frame that is on its way was handed over.
    sent_at: Option<Instant>,
}

impl Transport {
    /// Uses the tables of connections and sessions.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            access: ConnectionAccess::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }
}

impl SubscriberFeed {
    /// The feed of a connection that has just joined and has `sent` frames already. Its task
    /// begins.
    pub fn new(
        id: &str,
        subscriber: Subscriber,
        sent: usize,
        transport: Transport,
        message_id: &str,
        frames: watch::Receiver<FrameLog>,
    ) -> Self {
        let admitted_at = transport.clock.now().as_millisecond();
        let progress =
            Progress { sent, is_over: false, is_gone: false, admitted_at, sent_at: None };
        let channel = Channel {
            connection_id: id.to_owned(),
            message_id: message_id.to_owned(),
            transport,
            progress: Arc::new(watch::Sender::new(progress)),
        };
        let task = tokio::spawn(channel.clone().follow(frames)).abort_handle();
        Self { subscriber, channel, task }
    }

    /// Frames that it has been sent.
    pub fn sent(&self) -> usize {
        self.channel.progress.borrow().sent
    }

    /// Whether the connection or its session has ended.
    pub fn is_gone(&self) -> bool {
        self.channel.progress.borrow().is_gone
    }

    /// Whether it is still to be sent any of the first `frames` frames.
    pub fn lacks(&self, frames: usize) -> bool {
        self.channel.progress.borrow().lacks(frames)
    }

    /// Whether it has not taken a frame for too long.
    pub fn is_stalled(&self) -> bool {
        self.channel.progress.borrow().sent_at.is_some_and(|sent_at| sent_at.elapsed() >= STALLED)
    }

    /// Whether it can be sent more frames.
    pub fn is_open(&self) -> bool {
        let progress = *self.channel.progress.borrow();
        !progress.is_over && !progress.is_gone
    }

    /// Waits until the connection has been sent the first `frames` frames, or is sent no more.
    pub async fn catch_up(&self, frames: usize) {
        // The sender is not dropped before `self` is.
        self.channel.progress.subscribe().wait_for(|progress| !progress.lacks(frames)).await.ok();
    }

    /// Sends no more frames. One that is on its way may still arrive.
    pub fn stop(&self) {
        self.task.abort();
        self.channel.progress.send_modify(|progress| progress.is_over = true);
    }

    /// Tells the connection that it receives no more of the reply, because others do in its place.
    pub async fn evict(self, incomplete: ChatEnd) {
        self.task.abort();
        // The log says why a message was not sent. The worker can do no more.
        self.channel.post_end(&incomplete).await.ok();
    }

    /// Sends the rest of the frames. Then tells the connection how the reply ended, or that it has
    /// not received all of it. Returns whether nothing is left to send.
    pub async fn send_end(&self, frames: usize, end: &ChatEnd, incomplete: &ChatEnd) -> bool {
        timeout(LAST_SEND, self.catch_up(frames)).await.ok();
        self.task.abort();
        let end = if self.sent() < frames { incomplete } else { end };
        for _ in 0..END_ATTEMPTS {
            // An end contains no text, so it is sent even if the session cannot be checked.
            self.channel.is_admitted().await;
            if self.is_gone() {
                return true;
            }
            match self.channel.post_end(end).await {
                Ok(()) | Err(SendError::Gone) => return true,
                Err(_) => sleep(END_PAUSE).await,
            }
        }
        false
    }
}

impl Drop for SubscriberFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Progress {
    fn lacks(&self, frames: usize) -> bool {
        !self.is_over && self.sent < frames
    }
}

impl Channel {
    /// Sends the frames, one after the other, for as long as each of them arrives.
    async fn follow(self, mut log: watch::Receiver<FrameLog>) {
        loop {
            let sent = self.progress.borrow().sent;
            let next = log
                .wait_for(|frames| frames.len() > sent)
                .await
                .map(|frames| Arc::clone(&frames[sent]));
            let Ok(frame) = next else { return };
            let has_arrived = self.is_admitted().await && self.send(&frame, sent as u64 + 1).await;
            self.progress.send_modify(|progress| {
                progress.sent_at = None;
                progress.sent += usize::from(has_arrived);
                progress.is_over = !has_arrived;
            });
            if !has_arrived {
                return;
            }
        }
    }

    /// Whether the connection may be sent frames. Its session may have ended since it joined.
    async fn is_admitted(&self) -> bool {
        let now = self.transport.clock.now();
        let progress = *self.progress.borrow();
        if progress.is_gone || now.as_millisecond() < progress.admitted_at + BELIEVED_FOR_MS {
            return !progress.is_gone;
        }
        match self.transport.access.admit(&self.connection_id, now).await {
            Ok(admitted) => {
                self.progress.send_modify(|progress| match admitted {
                    Some(_) => progress.admitted_at = now.as_millisecond(),
                    None => progress.is_gone = true,
                });
                !self.progress.borrow().is_gone
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    connection_id = self.connection_id,
                    "failed to check a connection; the reply goes on without it"
                );
                false
            }
        }
    }

    /// Sends the frame with this number. Returns whether it is known to have arrived.
    async fn send(&self, frame: &Frame, sequence: u64) -> bool {
        self.progress.send_modify(|progress| progress.sent_at = Some(Instant::now()));
        let peer = Peer::open(&self.connection_id);
        let sent = frame.post(&self.transport.sender, peer, &self.message_id, sequence).await;
        if let Err(error) = &sent {
            tracing::info!(
                %error,
                message_id = self.message_id,
                sequence,
                connection_id = self.connection_id,
                "failed to send a frame"
            );
            self.progress
                .send_modify(|progress| progress.is_gone |= matches!(error, SendError::Gone));
        }
        sent.is_ok()
    }

    async fn post_end(&self, end: &ChatEnd) -> Result<(), SendError> {
        end.post(&self.transport.sender, Peer::open(&self.connection_id)).await.inspect_err(
            |error| {
                tracing::info!(
                    %error,
                    connection_id = self.connection_id,
                    "failed to tell a connection how a reply ended"
                );
            },
        )
    }
}
