//! A reply while it is written: how much of it has been sent and stored, and when more of it is due.

use std::time::Duration;

use platform::chat::ChatDelta;
use platform::socket::{Sender, ServerMessage};
use platform::store::{Listener, Message, Messages};
use tokio::time::Instant;

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(120);

/// Time between two writes of the text so far, for those who poll.
const SAVE_INTERVAL: Duration = Duration::from_millis(400);

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32 KB.
const FRAME_BYTES: usize = 4 * 1024;

/// The reply with what has happened to its text.
pub struct Draft<'a> {
    reply: Message,
    messages: &'a Messages,
    sender: &'a Sender,
    /// Where the text is sent; `None` from the moment that something did not arrive, because a gap would be worse than an
    /// end: the text can still be polled.
    listener: Option<Listener>,
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
    pub fn new(reply: Message, messages: &'a Messages, sender: &'a Sender) -> Self {
        let now = Instant::now();
        let listener = reply.origin.as_ref().and_then(|origin| origin.connection.clone());
        Self { reply, messages, sender, listener, sent: 0, saved: 0, frames: 0, next_frame: now, next_save: now + SAVE_INTERVAL }
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
        let unsent = if self.listener.is_some() { written - self.sent } else { 0 };
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
            match self.messages.save_text(&self.reply).await {
                Ok(alive) => return alive,
                Err(error) => tracing::warn!(%error, message_id = self.reply.id, "those who poll see less than there is"),
            }
        }
        true
    }

    /// Sends all that has not been sent.
    pub async fn send_rest(&mut self) {
        while self.listener.is_some() && self.sent < self.reply.text.len() {
            let text = first_frame(&self.reply.text[self.sent..]);
            self.sent += text.len();
            self.frames += 1;
            let delta = ChatDelta { message_id: self.reply.id.clone(), sequence: self.frames, text: text.to_owned() };
            self.post(&delta).await;
        }
    }
    /// Sends a message, if the connection still takes any.
    pub async fn post<M: ServerMessage>(&mut self, message: &M) {
        let Some(listener) = &self.listener else { return };
        if let Err(error) = self.sender.post(listener.peer(), None, message).await {
            tracing::info!(%error, connection_id = listener.connection_id, "the reply goes on unheard");
            self.listener = None;
        }
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
