//! A reply while it is written: its text in frames, who hears them, what is stored, and when more is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all, join3};
use platform::chat::{ChatEnd, ChatFailed};
use platform::domain::{MessageStatus, Usage};
use platform::store::{Frames, Head, Hearers, Message, Spent};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ChatStream;
use crate::ear::{Ear, Script};

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);

/// Time between two looks at what others want of the reply, by which new frames are stored: one that is to stop stops within
/// half a second.
const TOUCH_INTERVAL: Duration = Duration::from_millis(350);

/// Seconds for which a reply counts as written by somebody after its worker has said so. The sweep comes once a minute: those who
/// listen are told of a worker's death within 90 s.
const ALIVE_SECONDS: i64 = 25;

/// Time after which a worker says again that it lives, where there is nothing else to be stored: a store that does not answer for
/// as long as the rest of [`ALIVE_SECONDS`] kills no reply.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two looks at whether the session or API key is still good with which the reply was asked for.
const CREDENTIAL_INTERVAL: Duration = Duration::from_secs(2);

/// Time for which the end of a reply waits for connections that are behind. After that each is sent the rest by itself.
const TOGETHER: Duration = Duration::from_millis(500);

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
    /// Its text, cut as it is sent; number 1 is the first.
    script: watch::Sender<Script>,
    /// Text that is in no frame yet.
    loose: String,
    /// Bytes of all of its text.
    length: usize,
    /// Frames that have been stored.
    saved: usize,
    /// Wishes of others that have been done.
    wishes: u64,
    /// What it had taken when that was last stored.
    noted: Spent,
    ears: BTreeMap<String, Ear>,
    /// Connections that are being told that others hear it in their place.
    dismissed: JoinSet<()>,
    next_frame: Instant,
    next_touch: Instant,
    next_alive: Instant,
    next_credential: Instant,
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
    pub fn new(reply: Message, worker: &'a ChatStream) -> Self {
        let now = Instant::now();
        let (model, usage) = (worker.provider.model().to_owned(), Usage::default());
        Self {
            worker,
            reply,
            noted: Spent { model: model.clone(), usage, cost_usd: worker.provider.cost(&model, &usage) },
            model,
            usage,
            script: watch::Sender::default(),
            loose: String::new(),
            length: 0,
            saved: 0,
            wishes: 0,
            ears: BTreeMap::new(),
            dismissed: JoinSet::new(),
            next_frame: now,
            next_touch: now,
            // The first look is a read.
            next_alive: now + TOUCH_INTERVAL,
            next_credential: now + CREDENTIAL_INTERVAL,
        }
    }

    /// The reply, without its text.
    pub fn reply(&self) -> &Message {
        &self.reply
    }

    /// The reply in its final state.
    pub fn ended(&self, status: MessageStatus) -> Message {
        Message { text: self.script.borrow().concat(), status, usage: Some(self.usage), ..self.reply.clone() }
    }

    /// What it has taken up to now.
    pub fn spent(&self) -> Spent {
        Spent { model: self.model.clone(), usage: self.usage, cost_usd: self.worker.provider.cost(&self.model, &self.usage) }
    }

    /// Whether a call is about to be sent of which the store knows nothing: a worker that dies right after that would leave it unbilled.
    pub fn is_unbilled(&self) -> bool {
        self.noted.usage == Usage::default() && self.usage != Usage::default()
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
            0 => self.next_touch,
            1..FRAME_BYTES if self.is_waited_for() => self.next_touch,
            1..FRAME_BYTES => self.next_frame.min(self.next_touch),
            _ => Instant::now(),
        }
    }

    /// Cuts and stores what is due, and learns what others want.
    pub async fn advance(&mut self) -> Wish {
        let now = Instant::now();
        let touches = self.next_touch <= now;
        let is_time = self.next_frame <= now && (touches || !self.is_waited_for());
        if self.loose.len() >= FRAME_BYTES || (is_time && !self.loose.is_empty()) {
            self.cut();
            self.next_frame = now + FRAME_INTERVAL;
        }
        if touches { self.touch().await } else { Wish::GoOn }
    }

    /// Whether all who listen still wait for the last frame: where posts are slow there are fewer of them.
    fn is_waited_for(&self) -> bool {
        let frames = self.script.borrow().len();
        !self.ears.is_empty() && self.ears.values().all(|ear| ear.lacks(frames))
    }

    /// Puts all of the text into frames.
    fn cut(&mut self) {
        let mut rest = self.loose.as_str();
        self.script.send_if_modified(|script| {
            let before = script.len();
            while !rest.is_empty() {
                let frame = first_frame(rest);
                script.push(Arc::from(frame));
                rest = &rest[frame.len()..];
            }
            script.len() > before
        });
        self.loose.clear();
    }

    /// Frames that are not stored yet.
    pub fn unsaved(&self) -> Option<Frames> {
        let frames: Vec<_> = self.script.borrow()[self.saved..].iter().map(ToString::to_string).collect();
        let sequence = self.saved as u64 + 1;
        (!frames.is_empty()).then(|| Frames { message_id: self.reply.id.clone(), sequence, frames })
    }

    /// Wishes of others that have been done.
    pub fn wishes(&self) -> u64 {
        self.wishes
    }

    /// Stores what is new, says that somebody writes the reply, and does what others want. Where the store does not answer the reply
    /// goes on: the next time may do.
    pub async fn touch(&mut self) -> Wish {
        let began = Instant::now();
        self.next_touch = began + TOUCH_INTERVAL;
        let (worker, now, spent, unsaved) = (self.worker, self.worker.clock.now(), self.spent(), self.unsaved());
        let gone: Vec<_> = self.ears.iter().filter(|(_, ear)| ear.is_gone()).map(|(id, _)| id.clone()).collect();
        let save = async {
            match &unsaved {
                Some(frames) => worker.drafts.save(frames, now).await,
                None => Ok(()),
            }
        };
        // To read costs half, and a model may think for long.
        let writes = self.noted != spent || !gone.is_empty() || self.next_alive <= began;
        let look = async {
            if writes {
                worker.drafts.touch(&self.reply.id, &spent, now.as_second() + ALIVE_SECONDS, &gone).await
            } else {
                Ok(worker.drafts.head(&self.reply.id).await?.filter(|head| head.ended_at.is_none()))
            }
        };
        let asks_credential = self.next_credential <= began;
        let credential = async {
            match &self.reply.origin {
                Some(origin) if asks_credential => worker.credentials.are_good(&origin.caller, now).await,
                _ => Ok(true),
            }
        };
        let (saved, touched, is_entitled) = join3(save, look, credential).await;
        match saved {
            Ok(()) => self.saved += unsaved.map_or(0, |unsaved| unsaved.frames.len()),
            Err(error) => tracing::warn!(%error, message_id = self.reply.id, "those who join or poll see less than there is"),
        }
        let is_entitled = is_entitled.unwrap_or_else(|error| {
            tracing::warn!(%error, message_id = self.reply.id, "whether its session or API key has ended is not known for now");
            true
        });
        if asks_credential {
            self.next_credential = began + CREDENTIAL_INTERVAL;
        }
        match touched {
            Ok(Some(head)) => {
                if writes {
                    (self.noted, self.next_alive) = (spent, began + ALIVE_INTERVAL);
                }
                let wish = self.heed(head);
                if is_entitled { wish } else { Wish::Stop }
            }
            Ok(None) => Wish::Nothing,
            Err(error) => {
                tracing::warn!(%error, message_id = self.reply.id, "nobody can join or stop this reply for now");
                if is_entitled { Wish::GoOn } else { Wish::Stop }
            }
        }
    }

    /// Takes in what others want: a connection that has joined is sent what is missing, and one that had to give way is told.
    pub fn heed(&mut self, head: Head) -> Wish {
        self.wishes = head.wishes;
        let (worker, message_id, frames) = (self.worker, &self.reply.id, self.script.borrow().len());
        let mut known = std::mem::take(&mut self.ears);
        for (id, listener) in head.listeners {
            let ear = known.remove(&id).filter(|ear| ear.listener == listener);
            let after = usize::try_from(listener.after).unwrap_or(usize::MAX).min(frames);
            let ear = ear.unwrap_or_else(|| Ear::new(&id, listener, after, worker, message_id, self.script.subscribe()));
            self.ears.insert(id, ear);
        }
        for ear in known.into_values().filter(|ear| !ear.is_gone()) {
            self.dismissed.spawn(ear.dismiss(ChatEnd::Failed(ChatFailed::unheard(&self.reply))));
        }
        if head.cancelled_at.is_some() { Wish::Stop } else { Wish::GoOn }
    }

    /// Cuts what is left, and waits for a moment until all who listen have it. A connection that stalls is not waited for.
    pub async fn finish(&mut self) {
        self.cut();
        let frames = self.script.borrow().len();
        let behind = self.ears.values().filter(|ear| !ear.is_stalled());
        timeout(TOGETHER, join_all(behind.map(|ear| ear.catch_up(frames)))).await.ok();
    }

    /// Who is to be told that the reply has ended.
    pub fn hearers(&self) -> Hearers {
        let present = || self.ears.iter().filter(|(_, ear)| !ear.is_gone());
        let frames = self.script.borrow().len();
        let missed = present().filter(|(_, ear)| ear.heard() < frames).map(|(id, _)| id.clone()).collect();
        Hearers { any: present().next().is_some(), missed }
    }

    /// Sends everyone what is left, and says how the reply ended; whether everyone has been told.
    pub async fn say_end(&mut self, end: &ChatEnd) -> bool {
        let (frames, ears, dismissed) = (self.script.borrow().len(), &self.ears, &mut self.dismissed);
        let unheard = match end {
            ChatEnd::Completed(_) => ChatEnd::Failed(ChatFailed::unheard(&self.reply)),
            ChatEnd::Failed(_) => end.clone(),
        };
        let tell = join_all(ears.values().map(|ear| ear.say_end(frames, end, &unheard)));
        let dismiss = async { while dismissed.join_next().await.is_some() {} };
        join(tell, dismiss).await.0.into_iter().all(|told| told)
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
