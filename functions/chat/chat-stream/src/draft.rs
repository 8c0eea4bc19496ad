//! A reply while it is written: its text in frames, its subscribers, what is stored, and when more work is due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use assistant::domain::Usage;
use futures_util::future::{join, join_all, join3};
use tally_chat::domain::MessageStatus;
use tally_chat::store::{Frames, Head, Hearers, Message, Spent};
use tally_chat::{ChatEnd, ChatFailed};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::ChatStream;
use crate::ear::{Ear, Script};

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);

/// Time between two looks at the requests of other functions. The worker stores new frames at the same time. So a cancelled reply stops
/// within half a second.
const TOUCH_INTERVAL: Duration = Duration::from_millis(350);

/// Seconds for which a worker counts as alive after it has said so. The sweep runs once a minute, so subscribers learn of a worker's death
/// within 90 s.
const ALIVE_SECONDS: i64 = 25;

/// Time after which a worker says again that it is alive, if it has nothing else to store. A store that does not answer for the rest of
/// [`ALIVE_SECONDS`] ends no reply.
const ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Time between two checks that the session or API key that asked for the reply is still valid.
const CREDENTIAL_INTERVAL: Duration = Duration::from_secs(2);

/// Time for which the end of a reply waits for connections that are behind. After that the worker sends each one the rest separately.
const TOGETHER: Duration = Duration::from_millis(500);

/// Bytes of text in a reply. A DynamoDB item holds 400 KB, and the other fields of the message need room too.
const REPLY_BYTES: usize = 350_000;

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32 KB.
const FRAME_BYTES: usize = 4 * 1024;

/// The reply, and the state of its text.
pub struct Draft<'a> {
    worker: &'a ChatStream,
    reply: Message,
    /// Model that writes it.
    pub model: String,
    /// What the reply has used up to now.
    pub usage: Usage,
    /// Its text, cut into frames as they are sent. The first frame has number 1.
    script: watch::Sender<Script>,
    /// Text that is in no frame yet.
    loose: String,
    /// Bytes of the whole text.
    length: usize,
    /// Number of frames that have been stored.
    saved: usize,
    /// Number of requests of other functions that have been done.
    wishes: u64,
    /// Model, usage and cost as they were last stored.
    noted: Spent,
    ears: BTreeMap<String, Ear>,
    /// Tasks that tell connections that others receive the reply in their place.
    dismissed: JoinSet<()>,
    next_frame: Instant,
    next_touch: Instant,
    next_alive: Instant,
    next_credential: Instant,
}

/// What other functions want of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The reply goes on.
    GoOn,
    /// The reply stops.
    Stop,
    /// Nothing: another function has ended the reply.
    Nothing,
}

impl<'a> Draft<'a> {
    /// A reply without text. Its first text is due at once.
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
            // The first look only reads.
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

    /// Model, usage and cost up to now.
    pub fn spent(&self) -> Spent {
        Spent { model: self.model.clone(), usage: self.usage, cost_usd: self.worker.provider.cost(&self.model, &self.usage) }
    }

    /// Whether the worker is about to send a call that the store does not know of. If it died right after that, the call would stay
    /// unbilled.
    pub fn is_unbilled(&self) -> bool {
        self.noted.usage == Usage::default() && self.usage != Usage::default()
    }

    /// Adds text, or as much of it as a reply can hold. Returns whether all of it fits.
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

    /// Cuts and stores what is due, and reads what other functions want.
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

    /// Whether all subscribers still wait for the last frame. Where posts are slow, the worker sends fewer frames.
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

    /// Number of requests of other functions that have been done.
    pub fn wishes(&self) -> u64 {
        self.wishes
    }

    /// Stores what is new, says that the worker is alive, and does what other functions want. If the store does not answer, the reply goes
    /// on, because the next attempt may succeed.
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
        // A read costs half as much as a write, and a model may think for long.
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
            Err(error) => {
                tracing::warn!(%error, message_id = self.reply.id, "failed to save frames; clients that join or poll see less text");
            }
        }
        let is_entitled = is_entitled.unwrap_or_else(|error| {
            tracing::warn!(%error, message_id = self.reply.id, "failed to check the session or API key; the reply goes on");
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
                tracing::warn!(%error, message_id = self.reply.id, "failed to reach a draft; no client can join or stop its reply for now");
                if is_entitled { Wish::GoOn } else { Wish::Stop }
            }
        }
    }

    /// Handles the requests of other functions. A connection that has joined is sent what it lacks. A connection that had to give way is
    /// told.
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

    /// Cuts what is left, and waits for a moment until all subscribers have it. It does not wait for a connection that stalls.
    pub async fn finish(&mut self) {
        self.cut();
        let frames = self.script.borrow().len();
        let behind = self.ears.values().filter(|ear| !ear.is_stalled());
        timeout(TOGETHER, join_all(behind.map(|ear| ear.catch_up(frames)))).await.ok();
    }

    /// The subscribers that have to be told that the reply has ended.
    pub fn hearers(&self) -> Hearers {
        let present = || self.ears.iter().filter(|(_, ear)| !ear.is_gone());
        let frames = self.script.borrow().len();
        let missed = present().filter(|(_, ear)| ear.heard() < frames).map(|(id, _)| id.clone()).collect();
        Hearers { any: present().next().is_some(), missed }
    }

    /// Sends each connection the rest of the text, and then how the reply ended. Returns whether all of them have been told.
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
