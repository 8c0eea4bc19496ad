//! A reply while it is written: how much of it has been sent and stored, and when more of it is due.

use std::time::Duration;

use platform::chat::ChatDelta;
use platform::socket::{SendError, ServerMessage};
use platform::store::{Listener, Message};
use tokio::time::{Instant, sleep};

use crate::ChatStream;

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(120);

/// Time between two writes of the text so far, for those who poll.
const SAVE_INTERVAL: Duration = Duration::from_millis(400);

/// How long a connection is believed to be allowed, from when the reply was asked for and from each time it is looked at.
const BELIEVED_FOR_MS: i64 = 5_000;

/// Attempts at saying how the reply ended: one that comes twice does no harm, one that does not come at all keeps a client
/// waiting.
const END_ATTEMPTS: u32 = 3;

/// Time between two of them.
const END_PAUSE: Duration = Duration::from_millis(500);

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32 KB.
const FRAME_BYTES: usize = 4 * 1024;

/// The reply with what has happened to its text.
pub struct Draft<'a> {
    worker: &'a ChatStream,
    reply: Message,
    /// Where the text is sent; `None` from the moment that the connection or its session has ended.
    listener: Option<Listener>,
    /// Whether some of the text may not have arrived, or could not be let out. No more of it is sent then, because a gap would
    /// be worse than an end: the text can still be polled.
    cut: bool,
    /// When the connection was last known to be allowed, milliseconds since 1970.
    admitted_at: i64,
    /// Bytes of the text that have been sent.
    sent: usize,
    /// Bytes of the text that have been stored.
    saved: usize,
    frames: u64,
    next_frame: Instant,
    next_save: Instant,
}

impl<'a> Draft<'a> {
    /// A reply of which nothing is written; its first text is due at once.
    pub fn new(reply: Message, worker: &'a ChatStream) -> Self {
        let now = Instant::now();
        Self {
            worker,
            listener: reply.origin.as_ref().and_then(|origin| origin.connection.clone()),
            cut: false,
            admitted_at: reply.created_at,
            reply,
            sent: 0,
            saved: 0,
            frames: 0,
            next_frame: now,
            next_save: now + SAVE_INTERVAL,
        }
    }

    /// The reply with its text so far.
    pub fn reply(&self) -> &Message {
        &self.reply
    }

    /// Adds text.
    pub fn push(&mut self, text: &str) {
        self.reply.text.push_str(text);
    }

    /// When [`Draft::advance`] has something to do.
    pub fn due(&self) -> Instant {
        let written = self.reply.text.len();
        let unsent = if self.listener.is_some() && !self.cut { written - self.sent } else { 0 };
        let frame = match unsent {
            0 => None,
            1..FRAME_BYTES => Some(self.next_frame),
            _ => Some(Instant::now()),
        };
        let save = (self.saved < written).then_some(self.next_save);
        frame.into_iter().chain(save).min().unwrap_or_else(|| Instant::now() + SAVE_INTERVAL)
    }

    /// Sends and stores what is due; `false` where somebody else has ended the reply.
    pub async fn advance(&mut self) -> bool {
        let now = Instant::now();
        if self.next_frame <= now || self.reply.text.len() - self.sent >= FRAME_BYTES {
            self.send_rest().await;
            self.next_frame = now + FRAME_INTERVAL;
        }
        if self.saved < self.reply.text.len() && self.next_save <= now {
            self.saved = self.reply.text.len();
            self.next_save = now + SAVE_INTERVAL;
            match self.worker.messages.save_text(&self.reply).await {
                Ok(alive) => return alive,
                Err(error) => tracing::warn!(%error, message_id = self.reply.id, "those who poll see less than there is"),
            }
        }
        true
    }

    /// Sends all that has not been sent.
    pub async fn send_rest(&mut self) {
        while !self.cut && !self.is_sent() && self.is_admitted().await {
            let text = first_frame(&self.reply.text[self.sent..]).to_owned();
            let (sent, sequence) = (self.sent + text.len(), self.frames + 1);
            match self.post(&ChatDelta { message_id: self.reply.id.clone(), sequence, text }).await {
                Ok(()) => (self.sent, self.frames) = (sent, sequence),
                Err(SendError::Gone) => self.listener = None,
                Err(_) => self.cut = true,
            }
        }
    }

    /// Whether all of the text has been sent.
    pub fn is_sent(&self) -> bool {
        self.sent == self.reply.text.len()
    }

    /// Says how the reply ended.
    pub async fn say_end<M: ServerMessage>(&mut self, end: &M) {
        for _ in 0..END_ATTEMPTS {
            // There is no text in an end: where the session cannot be looked at, it is said all the same.
            self.is_admitted().await;
            match self.post(end).await {
                Ok(()) | Err(SendError::Gone) => return,
                Err(_) => sleep(END_PAUSE).await,
            }
        }
    }

    /// Whether the connection may be sent text: its session may have ended since the reply was asked for.
    async fn is_admitted(&mut self) -> bool {
        let (Some(listener), now) = (&self.listener, self.worker.clock.now()) else { return false };
        if now.as_millisecond() < self.admitted_at + BELIEVED_FOR_MS {
            return true;
        }
        match self.worker.presence.admit(&listener.connection_id, now).await {
            Ok(Some(_)) => self.admitted_at = now.as_millisecond(),
            Ok(None) => self.listener = None,
            Err(error) => {
                tracing::warn!(%error, connection_id = listener.connection_id, "the reply goes on unheard");
                self.cut = true;
                return false;
            }
        }
        self.listener.is_some()
    }

    async fn post<M: ServerMessage>(&self, message: &M) -> Result<(), SendError> {
        let Some(listener) = &self.listener else { return Err(SendError::Gone) };
        self.worker.sender.post(listener.peer(), None, message).await.inspect_err(|error| {
            tracing::info!(%error, connection_id = listener.connection_id, kind = M::TYPE, "the reply goes on unheard");
        })
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
