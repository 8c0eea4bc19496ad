//! Saves a draft from time to time, and applies the commands that its head carries.

use futures_util::future::{join, join3};
use platform::clock::Clock;
use tally_chat::Credentials;
use tally_chat::store::{Drafts, Head, Message, Spent};
use tokio::time::Instant;

use crate::buffer::Buffer;
use crate::schedule::{ALIVE_SECONDS, Schedule, Tasks};
use crate::subscribers::Subscribers;

/// The commands that other functions have for the worker of a reply, taken together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// The reply goes on.
    Continue,
    /// The reply stops.
    Stop,
    /// The worker leaves the reply, because another function has ended it.
    Abandon,
}

/// The checkpoints of a draft.
pub struct Checkpoints<'a> {
    drafts: &'a Drafts,
    credentials: &'a Credentials,
    clock: &'a Clock,
    /// Revision of the head up to which the commands of other functions have been applied.
    revision: u64,
    /// Model, usage and cost as they were last stored.
    last_saved: Spent,
    schedule: Schedule,
}

impl<'a> Checkpoints<'a> {
    /// The first one is due at `now`. `spent` is stored already, or nothing has been used yet.
    pub fn new(
        drafts: &'a Drafts,
        credentials: &'a Credentials,
        clock: &'a Clock,
        spent: Spent,
        now: Instant,
    ) -> Self {
        Self {
            drafts,
            credentials,
            clock,
            revision: 0,
            last_saved: spent,
            schedule: Schedule::new(now),
        }
    }

    /// When the next one is due.
    pub fn due(&self) -> Instant {
        self.schedule.due()
    }

    /// Revision of the head up to which the commands of other functions have been applied.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Model, usage and cost as they were last stored.
    pub fn last_saved(&self) -> &Spent {
        &self.last_saved
    }

    /// Stores what is new, says that the worker is alive, and applies the commands of other
    /// functions. If the store does not answer, the reply goes on, because the next attempt may
    /// succeed. A failed check of the sources stops the reply too: its reader may have lost the
    /// right to read them. Then no more text is sent.
    pub async fn save(
        &mut self,
        reply: &Message,
        spent: Spent,
        buffer: &mut Buffer,
        subscribers: &mut Subscribers<'_>,
    ) -> Command {
        let began = Instant::now();
        let tasks = self.schedule.tasks(began);
        let drafts = self.drafts;
        let credentials = self.credentials;
        let now = self.clock.now();
        let unsaved = buffer.unsaved(reply);
        let gone = subscribers.gone();
        let save = async {
            match &unsaved {
                Some(frames) => drafts.save(frames, now).await,
                None => Ok(()),
            }
        };
        // A read costs half as much as a write, and a model may think for long.
        let writes = self.last_saved != spent || !gone.is_empty() || tasks.say_alive;
        let look = async {
            if writes {
                drafts.checkpoint(&reply.id, &spent, now.as_second() + ALIVE_SECONDS, &gone).await
            } else {
                Ok(drafts.head(&reply.id).await?.filter(|head| head.ended_at.is_none()))
            }
        };
        let entitled = async {
            match &reply.origin {
                Some(origin) if tasks.check_credential => {
                    let credential = credentials.are_good(&origin.caller, now);
                    join(credential, credentials.may_read(reply, now)).await
                }
                _ => (Ok(true), Ok(true)),
            }
        };
        let (saved, found, (is_entitled, may_read)) = join3(save, look, entitled).await;
        let say_alive = writes && matches!(found, Ok(Some(_)));
        self.schedule.end(began, Instant::now(), Tasks { say_alive, ..tasks });
        match saved {
            Ok(()) => {
                let count = unsaved.map_or(0, |unsaved| unsaved.frames.len());
                buffer.mark_saved(count, &reply.sources);
            }
            Err(error) => {
                tracing::warn!(
                    %error,
                    message_id = reply.id,
                    "failed to save frames; clients that join or poll see less text"
                );
            }
        }
        let is_entitled = is_entitled.unwrap_or_else(|error| {
            tracing::warn!(
                %error,
                message_id = reply.id,
                "failed to check the session or API key; the reply goes on"
            );
            true
        });
        let may_read = may_read.unwrap_or_else(|error| {
            tracing::warn!(
                %error,
                message_id = reply.id,
                "failed to check who may read what a reply came from; the reply stops"
            );
            false
        });
        if !may_read {
            subscribers.withhold();
        }
        let is_entitled = is_entitled && may_read;
        match found {
            Ok(Some(head)) => {
                if writes {
                    self.last_saved = spent;
                }
                let command = self.apply_commands(head, reply, buffer, subscribers);
                if is_entitled { command } else { Command::Stop }
            }
            Ok(None) => Command::Abandon,
            Err(error) => {
                tracing::warn!(
                    %error,
                    message_id = reply.id,
                    "failed to reach a draft; no client can join or stop its reply for now"
                );
                if is_entitled { Command::Continue } else { Command::Stop }
            }
        }
    }

    /// Applies the commands of other functions, and takes over the revision of the head.
    pub fn apply_commands(
        &mut self,
        head: Head,
        reply: &Message,
        buffer: &Buffer,
        subscribers: &mut Subscribers<'_>,
    ) -> Command {
        self.revision = head.revision;
        subscribers.update(head.subscribers, reply, buffer);
        if head.cancelled_at.is_some() { Command::Stop } else { Command::Continue }
    }
}
