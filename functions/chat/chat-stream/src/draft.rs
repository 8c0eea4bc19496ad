//! A reply while it is written: its text in frames, who hears them, what is stored, and when more is due.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::{join, join_all};
use platform::chat::ChatFailed;
use platform::domain::{MessageStatus, Usage};
use platform::socket::ServerMessage;
use platform::store::{Frames, Head, Hearers, Message, Spent};
use tokio::time::{Instant, timeout};

use crate::ChatStream;
use crate::ear::Ear;

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);

/// Time between two looks at what others want of the reply, by which new frames are stored: one that is to stop stops within
/// half a second.
const TOUCH_INTERVAL: Duration = Duration::from_millis(350);

/// Frames that one connection is sent at a time: whoever has much to catch up with keeps nobody else waiting.
const FRAMES_AT_ONCE: usize = 10;

/// Time for sending what is left at the end.
const LAST_SEND: Duration = Duration::from_secs(5);

/// Bytes of text in a reply: an item of DynamoDB's holds 400 KB, with what else there is in a message.
const REPLY_BYTES: usize = 350_000;

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32 KB.
const FRAME_BYTES: usize = 4 * 1024;

/// The reply with what has happened to its text.
pub struct Draft<'a> {
    worker: &'a ChatStream,
    reply: Message,
    /// Model that writes it.
    pub model: String,
    /// What it has taken up to now.
    pub usage: Usage,
    /// Until when somebody writes it, seconds since 1970.
    sweep_at: i64,
    /// Its text, cut as it is sent; number 1 is the first.
    frames: Vec<String>,
    /// Text that is in no frame yet.
    loose: String,
    /// Bytes of all of its text.
    length: usize,
    /// Frames that have been stored.
    saved: usize,
    /// Wishes of others that have been done.
    wishes: u64,
    /// What it had taken when that was last stored.
    noted: Option<Spent>,
    ears: BTreeMap<String, Ear>,
    /// Connections in whose place others hear it, and that have not been told so.
    dismissed: Vec<(String, Ear)>,
    next_frame: Instant,
    next_touch: Instant,
}

/// What others want of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// That it goes on.
    GoOn,
    /// That it stops.
    Stop,
    /// Nothing: somebody else has ended it.
    Nothing,
}

impl<'a> Draft<'a> {
    /// A reply of which nothing is written; its first text is due at once.
    pub fn new(reply: Message, worker: &'a ChatStream, sweep_at: i64) -> Self {
        let now = Instant::now();
        Self {
            worker,
            reply,
            model: worker.provider.model().to_owned(),
            usage: Usage::default(),
            sweep_at,
            frames: Vec::new(),
            loose: String::new(),
            length: 0,
            saved: 0,
            wishes: 0,
            noted: None,
            ears: BTreeMap::new(),
            dismissed: Vec::new(),
            next_frame: now,
            next_touch: now,
        }
    }

    /// The reply, without its text.
    pub fn reply(&self) -> &Message {
        &self.reply
    }

    /// The reply in its final state.
    pub fn ended(&self, status: MessageStatus) -> Message {
        Message { text: self.frames.concat(), status, usage: Some(self.usage), ..self.reply.clone() }
    }

    /// What it has taken up to now.
    pub fn spent(&self) -> Spent {
        Spent { model: self.model.clone(), usage: self.usage, cost_usd: self.worker.provider.cost(&self.model, &self.usage) }
    }

    /// Adds text, or as much of it as a reply can hold; whether that is all of it.
    pub fn push(&mut self, text: &str) -> bool {
        let fits = &text[..text.floor_char_boundary(REPLY_BYTES - self.length)];
        self.length += fits.len();
        self.loose.push_str(fits);
        fits.len() == text.len()
    }

    /// When [`Draft::advance`] has something to do.
    pub fn due(&self) -> Instant {
        match self.loose.len() {
            _ if !self.dismissed.is_empty() || self.ears.values().any(|ear| ear.lacks(self.frames.len())) => Instant::now(),
            0 => self.next_touch,
            1..FRAME_BYTES => self.next_frame.min(self.next_touch),
            _ => Instant::now(),
        }
    }

    /// Sends and stores what is due, and learns what others want.
    pub async fn advance(&mut self) -> Wish {
        let now = Instant::now();
        let is_due = !self.loose.is_empty() && (self.next_frame <= now || self.loose.len() >= FRAME_BYTES);
        if is_due {
            self.cut();
        }
        self.send(FRAMES_AT_ONCE).await;
        if is_due {
            // From when the last one has arrived: where posts are slow there are fewer of them.
            self.next_frame = Instant::now() + FRAME_INTERVAL;
        }
        if self.next_touch <= now { self.touch().await } else { Wish::GoOn }
    }

    /// Puts all of the text into frames.
    fn cut(&mut self) {
        let mut rest = self.loose.as_str();
        while !rest.is_empty() {
            let frame = first_frame(rest);
            self.frames.push(frame.to_owned());
            rest = &rest[frame.len()..];
        }
        self.loose.clear();
    }

    /// Frames that are not stored yet.
    pub fn unsaved(&self) -> Option<Frames> {
        let frames = self.frames[self.saved..].to_vec();
        let sequence = self.saved as u64 + 1;
        (!frames.is_empty()).then(|| Frames { message_id: self.reply.id.clone(), sequence, frames })
    }

    /// Wishes of others that have been done.
    pub fn wishes(&self) -> u64 {
        self.wishes
    }

    /// Stores what is new, and does what others want. Where the store does not answer the reply goes on: the next time may do.
    pub async fn touch(&mut self) -> Wish {
        self.next_touch = Instant::now() + TOUCH_INTERVAL;
        let (worker, spent, unsaved, count) = (self.worker, self.spent(), self.unsaved(), self.frames.len());
        let gone: Vec<_> = self.ears.iter().filter(|(_, ear)| ear.gone).map(|(id, _)| id.clone()).collect();
        let save = async {
            match &unsaved {
                Some(frames) => worker.drafts.save(frames, worker.clock.now()).await,
                None => Ok(()),
            }
        };
        let look = async {
            // To read costs half, and a model may think for long.
            if self.noted.as_ref() == Some(&spent) && gone.is_empty() {
                return Ok(worker.drafts.head(&self.reply.id).await?.filter(|head| head.ended_at.is_none()));
            }
            worker.drafts.touch(&self.reply.id, &spent, self.sweep_at, &gone).await
        };
        let (saved, touched) = join(save, look).await;
        match saved {
            Ok(()) => self.saved = count,
            Err(error) => tracing::warn!(%error, message_id = self.reply.id, "those who join or poll see less than there is"),
        }
        match touched {
            Ok(Some(head)) => {
                self.noted = Some(spent);
                self.heed(head)
            }
            Ok(None) => Wish::Nothing,
            Err(error) => {
                tracing::warn!(%error, message_id = self.reply.id, "nobody can join or stop this reply for now");
                Wish::GoOn
            }
        }
    }

    /// Takes in what others want: whoever has joined is sent what is missing with the next frames, and whoever had to give way
    /// is told.
    pub fn heed(&mut self, head: Head) -> Wish {
        self.wishes = head.wishes;
        let mut known = std::mem::take(&mut self.ears);
        for (id, listener) in head.listeners {
            let ear = known.remove(&id).filter(|ear| ear.listener == listener);
            let after = usize::try_from(listener.after).unwrap_or(usize::MAX).min(self.frames.len());
            let ear = ear.unwrap_or_else(|| Ear::new(listener, after, self.worker));
            self.ears.insert(id, ear);
        }
        self.dismissed.extend(known.into_iter().filter(|(_, ear)| !ear.gone));
        if head.cancelled_at.is_some() { Wish::Stop } else { Wish::GoOn }
    }

    /// Sends what is left, to whom it can be sent in time.
    pub async fn send_rest(&mut self) {
        self.cut();
        if timeout(LAST_SEND, self.send(usize::MAX)).await.is_err() {
            tracing::info!(message_id = self.reply.id, "not all of the reply was sent");
        }
    }

    /// Sends everyone the frames that they have not heard, at most so many each.
    async fn send(&mut self, most: usize) {
        let (worker, message_id, frames) = (self.worker, &self.reply.id, &self.frames);
        let (dismissed, unheard) = (std::mem::take(&mut self.dismissed), ChatFailed::unheard(&self.reply));
        let hear = join_all(self.ears.iter_mut().map(async |(id, ear)| {
            let until = frames.len().min(ear.heard.saturating_add(most));
            ear.hear(id, worker, message_id, &frames[..until]).await;
        }));
        join(hear, join_all(dismissed.iter().map(|(id, ear)| ear.dismiss(id, worker, &unheard)))).await;
    }

    /// Who is to be told that the reply has ended.
    pub fn hearers(&self) -> Hearers {
        let present = || self.ears.iter().filter(|(_, ear)| !ear.gone);
        let missed = present().filter(|(_, ear)| ear.heard < self.frames.len()).map(|(id, _)| id.clone()).collect();
        Hearers { any: present().next().is_some(), missed }
    }

    /// Says to everyone how the reply ended; whether everyone has been told.
    pub async fn say_end<M: ServerMessage>(&mut self, end: &M) -> bool {
        let (worker, frames) = (self.worker, self.frames.len());
        let unheard = ChatFailed::unheard(&self.reply);
        let told = join_all(self.ears.iter_mut().map(async |(id, ear)| {
            if ear.heard < frames { ear.say_end(id, worker, &unheard).await } else { ear.say_end(id, worker, end).await }
        }));
        told.await.into_iter().all(|told| told)
    }

    /// Says to everyone that the reply has failed, whatever they have heard; whether everyone has been told.
    pub async fn say_failed(&mut self, failed: &ChatFailed) -> bool {
        let worker = self.worker;
        let told = join_all(self.ears.iter_mut().map(async |(id, ear)| ear.say_end(id, worker, failed).await));
        told.await.into_iter().all(|told| told)
    }
}

/// As much of a text as goes into one frame, in whole characters.
fn first_frame(text: &str) -> &str {
    &text[..text.floor_char_boundary(FRAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::{FRAME_BYTES, first_frame};

    #[test]
    fn a_frame_holds_whole_characters_and_loses_none() {
        for text in ["", "short", &"x".repeat(FRAME_BYTES), &"€".repeat(5_000), &format!("x{}", "👩‍👩‍👧".repeat(2_000))] {
            let (mut rest, mut sizes) = (text, Vec::new());
            while !rest.is_empty() {
                let frame = first_frame(rest);
                sizes.push(frame.len());
                rest = &rest[frame.len()..];
            }
            assert_eq!(sizes.iter().sum::<usize>(), text.len());
            assert!(sizes.iter().all(|size| (1..=FRAME_BYTES).contains(size)), "{sizes:?}");
        }
    }
}
