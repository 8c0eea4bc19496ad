//! The text of a reply: the part that is in no frame yet, the frames, and how many of them have
//! been saved.

use std::sync::Arc;
use std::time::Duration;

use tally_access::sources::Sources;
use tally_chat::store::{Frames, Message};
use tokio::sync::watch;
use tokio::time::Instant;

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);

/// Bytes of text in a reply. A DynamoDB item holds 400 KB, and the other fields of the message need
/// room too.
const REPLY_BYTES: usize = 350_000;

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32
/// KB.
const FRAME_BYTES: usize = 4 * 1024;

/// The frames of a reply up to now. They are the queue of every feed, which takes the next frame
/// when the one before has arrived.
pub type FrameLog = Vec<Arc<str>>;

/// The text of a reply.
pub struct Buffer {
    /// Text that is in no frame yet.
    unframed: String,
    /// Bytes of the whole text.
    length: usize,
    /// The text, cut into frames as they are sent. The first frame has number 1.
    frames: watch::Sender<FrameLog>,
    /// Number of frames that have been saved.
    saved: usize,
    next_frame: Instant,
}

impl Buffer {
    /// No text. The first frame is due at `now`.
    pub fn new(now: Instant) -> Self {
        Self {
            unframed: String::new(),
            length: 0,
            frames: watch::Sender::default(),
            saved: 0,
            next_frame: now,
        }
    }

    /// Adds text, or as much of it as a reply can hold. Returns whether all of it fits.
    pub fn push(&mut self, text: &str) -> bool {
        let fits = &text[..text.floor_char_boundary(REPLY_BYTES - self.length)];
        self.length += fits.len();
        self.unframed.push_str(fits);
        fits.len() == text.len()
    }

    /// When the next frame is due; `None` without text. A frame that is not full can wait (`waits`)
    /// for the next checkpoint: then that is `None` too.
    pub fn due(&self, waits: bool) -> Option<Instant> {
        match self.unframed.len() {
            0 => None,
            1..FRAME_BYTES if waits => None,
            1..FRAME_BYTES => Some(self.next_frame),
            _ => Some(Instant::now()),
        }
    }

    /// Cuts the text into frames if that is due. A frame that is not full can wait (`waits`).
    pub fn cut_if_due(&mut self, now: Instant, waits: bool) {
        let is_time = self.next_frame <= now && !waits;
        if self.unframed.len() >= FRAME_BYTES || (is_time && !self.unframed.is_empty()) {
            self.cut();
            self.next_frame = now + FRAME_INTERVAL;
        }
    }

    /// Puts all of the text into frames.
    pub fn cut(&mut self) {
        let mut rest = self.unframed.as_str();
        self.frames.send_if_modified(|frames| {
            let before = frames.len();
            while !rest.is_empty() {
                let frame = first_frame(rest);
                frames.push(Arc::from(frame));
                rest = &rest[frame.len()..];
            }
            frames.len() > before
        });
        self.unframed.clear();
    }

    /// Number of frames.
    pub fn frame_count(&self) -> usize {
        self.frames.borrow().len()
    }

    /// The frames up to now, and those to come.
    pub fn follow(&self) -> watch::Receiver<FrameLog> {
        self.frames.subscribe()
    }

    /// The text of all frames.
    pub fn text(&self) -> String {
        self.frames.borrow().concat()
    }

    /// Frames of a reply that are not saved yet.
    pub fn unsaved(&self, reply: &Message) -> Option<Frames> {
        let frames: Vec<_> =
            self.frames.borrow()[self.saved..].iter().map(ToString::to_string).collect();
        if frames.is_empty() {
            return None;
        }
        let sources = if self.saved == 0 { reply.sources.clone() } else { Sources::default() };
        let sequence = self.saved as u64 + 1;
        Some(Frames { message_id: reply.id.clone(), sequence, frames, sources })
    }

    /// Counts the next `count` frames as saved.
    pub fn mark_saved(&mut self, count: usize) {
        self.saved += count;
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
        for text in [
            "",
            "short",
            &"x".repeat(FRAME_BYTES),
            &"€".repeat(5_000),
            &format!("x{}", "👩‍👩‍👧".repeat(2_000)),
        ] {
            let mut rest = text;
            let mut sizes = Vec::new();
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
