//! Subscribes a connection to a reply that has been asked for before. While the reply is written,
//! its worker sends it. After its end, it is replayed. While it waits for a confirmation, the
//! frames so far are replayed, and the worker that goes on with it sends the rest. A reply whose
//! reader may no longer read its sources is neither sent nor replayed: the connection gets its end
//! alone.

use std::error::Error;

use jiff::Timestamp;
use platform::clock::Clock;
use platform::socket::{SendError, Sender};
use platform::store::Connection;
use platform::{ConfigError, Platform, Problem};

use super::messages::{ChatEnd, ChatFailed};
use super::reading::{Reading, Shown};
use crate::domain::Frame;
use crate::store::{Drafts, Head, Joined, Message};

/// Attempts at following a reply that waits for a confirmation, goes on, and waits again meanwhile.
const FOLLOW_ATTEMPTS: u32 = 8;

/// Subscribes connections to replies.
#[derive(Clone)]
pub struct Subscribing {
    drafts: Drafts,
    reading: Reading,
    sender: Sender,
    clock: Clock,
}

/// Why a replay did not reach its end.
enum Failed {
    /// The connection has ended.
    Gone,
    /// Anything else.
    Other,
}

/// A reply on its way to a connection: one that has ended, or that waits for a confirmation.
pub struct Replay {
    subscribing: Subscribing,
    connection: Connection,
    reply: Shown<Message>,
    after: u64,
    ends: bool,
}

impl Subscribing {
    /// Uses the tables of [`Reading`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform)?,
            reading: Reading::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
            clock: platform.clock.clone(),
        })
    }

    /// Subscribes a connection to a user's reply, from the frame after `after` on. The worker of
    /// the reply sends the frames. If the reply has ended, or waits for a confirmation, the caller
    /// has to send the [`Replay`] that this returns. If the user has no such reply, or no longer,
    /// that is a 404.
    pub async fn subscribe(
        &self,
        user_id: &str,
        message_id: &str,
        connection: &Connection,
        after: u64,
        now: Timestamp,
    ) -> Result<Option<Replay>, Problem> {
        let is_theirs = |head: &Head| head.user_id == *user_id && !head.has_expired(now);
        let head =
            self.drafts.head(message_id).await?.filter(is_theirs).ok_or_else(Problem::not_found)?;
        // The reply of a deleted conversation goes on for its subscribers, but it takes no new
        // ones.
        let reply = self.reply(&head, now).await?;
        let to_send = |reply: Shown<Message>, ends| Replay {
            subscribing: self.clone(),
            connection: connection.clone(),
            ends: ends || reply.is_withheld(),
            reply,
            after,
        };
        if head.ended_at.is_some() || reply.is_withheld() {
            return Ok(Some(to_send(reply, true)));
        }
        if head.waits_until.is_some() {
            return Ok(Some(to_send(reply, false)));
        }
        match self.drafts.join(head.clone(), &connection.connection_id, after).await? {
            Joined::Live => Ok(None),
            Joined::Ended => Ok(Some(to_send(self.reply(&head, now).await?, true))),
            Joined::Changed(head) => Ok(Some(to_send(self.reply(&head, now).await?, false))),
        }
    }

    async fn reply(&self, head: &Head, now: Timestamp) -> Result<Shown<Message>, Problem> {
        let Head { user_id, conversation_id, message_id, .. } = head;
        let found = self.reading.message(user_id, conversation_id, message_id, now).await?;
        found.ok_or_else(Problem::not_found)
    }
}

impl Replay {
    /// Sends the frames that the connection has missed, and how the reply ended. If the reply waits
    /// for a confirmation, the connection becomes a subscriber instead of an end. If a frame may
    /// not have arrived, no further frame is sent: the client can resume from there. If a part of
    /// the text is missing, no text is sent at all, because a client would take it for the whole
    /// reply.
    pub async fn send(self) {
        let sent = if self.ends { self.send_end(0).await } else { self.follow().await };
        let Err(problem) = sent else { return };
        // The log has said why. The client must not wait for the rest. If the connection has ended,
        // there is no client.
        if let Failed::Other = problem {
            let incomplete = ChatFailed::incomplete(&self.reply);
            self.subscribing.sender.post(self.connection.peer(), None, &incomplete).await.ok();
        }
    }

    /// Sends the frames of a reply that waits, and then makes the connection a subscriber. So a
    /// worker that goes on with the reply meanwhile sends no frame before them.
    async fn follow(&self) -> Result<(), Failed> {
        let drafts = &self.subscribing.drafts;
        let mut after = self.after;
        for _ in 0..FOLLOW_ATTEMPTS {
            let head = drafts.head(&self.reply.id).await.map_err(|error| self.failed(&error))?;
            let Some(head) = head else { return self.send_end(after).await };
            if head.ended_at.is_some() {
                return self.send_end(after).await;
            }
            if head.waits_until.is_some() {
                let frames =
                    drafts.frames(&self.reply.id).await.map_err(|error| self.failed(&error))?;
                self.send_frames(&frames, after).await?;
                after = after.max(frames.len() as u64);
            }
            let joined = drafts.join(head, &self.connection.connection_id, after).await;
            match joined.map_err(|error| self.failed(&error))? {
                Joined::Live => return Ok(()),
                Joined::Ended => return self.send_end(after).await,
                Joined::Changed(_) => {}
            }
        }
        tracing::warn!(message_id = self.reply.id, "failed to follow a reply that waits");
        Err(Failed::Other)
    }

    /// Sends the frames after `after`, and then how the reply ended.
    async fn send_end(&self, after: u64) -> Result<(), Failed> {
        let Subscribing { drafts, sender, .. } = &self.subscribing;
        let peer = self.connection.peer();
        let ended = if self.ends { self.reply.clone() } else { self.ended().await? };
        let frames = if ended.is_withheld() {
            Vec::new()
        } else {
            drafts.frames(&ended.id).await.map_err(|error| self.failed(&error))?
        };
        if Frame::text_of(&frames) != ended.text {
            tracing::error!(
                message_id = ended.id,
                "failed to replay a reply: its frames do not make up its text"
            );
            return Err(Failed::Other);
        }
        self.send_frames(&frames, after.max(self.after)).await?;
        let end = ChatEnd::of(&ended, ended.is_withheld());
        end.post(sender, peer).await.map_err(|error| self.unsent(&error))
    }

    /// The reply once it has ended meanwhile.
    async fn ended(&self) -> Result<Shown<Message>, Failed> {
        let Message { user_id, conversation_id, id, .. } = &*self.reply;
        let Subscribing { reading, clock, .. } = &self.subscribing;
        let found = reading.message(user_id, conversation_id, id, clock.now()).await;
        found.map_err(|error| self.failed(&error))?.ok_or(Failed::Other)
    }

    async fn send_frames(&self, frames: &[Frame], after: u64) -> Result<(), Failed> {
        let peer = self.connection.peer();
        for (sequence, frame) in (1..).zip(frames).filter(|(sequence, _)| *sequence > after) {
            let sent = frame.post(&self.subscribing.sender, peer, &self.reply.id, sequence).await;
            sent.map_err(|error| self.unsent(&error))?;
        }
        Ok(())
    }

    fn unsent(&self, error: &SendError) -> Failed {
        self.failed(error);
        if matches!(error, SendError::Gone) { Failed::Gone } else { Failed::Other }
    }

    fn failed(&self, error: &dyn Error) -> Failed {
        tracing::info!(
            %error,
            message_id = self.reply.id,
            connection_id = self.connection.connection_id,
            "failed to send the rest of a reply"
        );
        Failed::Other
    }
}
