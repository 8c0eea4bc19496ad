//! Subscribes a connection to a reply that has been asked for before. While the reply is written,
//! its worker sends it. After its end, it is replayed. A reply whose reader may no longer read its
//! sources is neither sent nor replayed: the connection gets its end alone.

use jiff::Timestamp;
use platform::domain::Peer;
use platform::socket::{SendError, Sender};
use platform::store::Connection;
use platform::{ConfigError, Platform, Problem};

use super::messages::{ChatDelta, ChatEnd, ChatFailed};
use super::reading::{Reading, Shown};
use crate::store::{Drafts, Head, Joined, Message};

/// Subscribes connections to replies.
#[derive(Clone)]
pub struct Subscribing {
    drafts: Drafts,
    reading: Reading,
    sender: Sender,
}

/// A reply that has ended, on its way to a connection.
pub struct Replay {
    sender: Sender,
    connection: Connection,
    reply: Shown<Message>,
    frames: Vec<String>,
    after: u64,
}

impl Subscribing {
    /// Uses the tables of [`Reading`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            drafts: Drafts::new(platform)?,
            reading: Reading::new(platform)?,
            sender: Sender::new(&platform.config, platform.clock.clone())?,
        })
    }

    /// Subscribes a connection to a user's reply, from the frame after `after` on. The worker of
    /// the reply sends the frames. If the reply has ended, the caller has to send the [`Replay`]
    /// that this returns. If the user has no such reply, or no longer, that is a 404.
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
        let conversation_id = head.conversation_id.clone();
        // The reply of a deleted conversation goes on for its subscribers, but it takes no new
        // ones.
        let mut reply = self.reply(user_id, &conversation_id, message_id, now).await?;
        if head.ended_at.is_none() && !reply.is_withheld() {
            if self.drafts.join(head, &connection.connection_id, after).await? == Joined::Live {
                return Ok(None);
            }
            reply = self.reply(user_id, &conversation_id, message_id, now).await?;
        }
        let frames =
            if reply.is_withheld() { Vec::new() } else { self.drafts.frames(&reply.id).await? };
        Ok(Some(Replay {
            sender: self.sender.clone(),
            connection: connection.clone(),
            reply,
            frames,
            after,
        }))
    }

    async fn reply(
        &self,
        user_id: &str,
        conversation_id: &str,
        id: &str,
        now: Timestamp,
    ) -> Result<Shown<Message>, Problem> {
        let found = self.reading.message(user_id, conversation_id, id, now).await?;
        found.ok_or_else(Problem::not_found)
    }
}

impl Replay {
    /// Sends the frames that the connection has missed, and how the reply ended. If a frame may not
    /// have arrived, no further frame is sent: the client can resume from there. If a part of the
    /// text is missing, no text is sent at all, because a client would take it for the whole reply.
    pub async fn send(self) {
        let Self { sender, connection, reply, frames, after } = self;
        let peer: Peer<'_> = connection.peer();
        let send = async {
            if frames.concat() != reply.text {
                tracing::error!(
                    message_id = reply.id,
                    "failed to replay a reply: its frames do not make up its text"
                );
                return sender.post(peer, None, &ChatFailed::incomplete(&reply)).await;
            }
            for (sequence, text) in (1..).zip(frames).filter(|(sequence, _)| *sequence > after) {
                sender
                    .post(peer, None, &ChatDelta { message_id: reply.id.clone(), sequence, text })
                    .await?;
            }
            ChatEnd::of(&reply, reply.is_withheld()).post(&sender, peer).await
        };
        if let Err(error) = send.await {
            tracing::info!(
                %error,
                message_id = reply.id,
                connection_id = peer.connection_id,
                "failed to send the rest of a reply"
            );
            // The client must not wait for the rest. If the connection has ended, there is no
            // client.
            if !matches!(error, SendError::Gone) {
                sender.post(peer, None, &ChatFailed::incomplete(&reply)).await.ok();
            }
        }
    }
}
