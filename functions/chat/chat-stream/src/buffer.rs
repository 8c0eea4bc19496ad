//! The frames of a reply, and how many of them have been saved. Text is cut into frames as it
//! comes, and each call of a tool is a frame of its own.

use std::sync::Arc;
use std::time::Duration;

use tally_access::sources::Sources;
use tally_chat::domain::Frame;
use tally_chat::store::{Frames, Message};
use tokio::sync::watch;
use tokio::time::Instant;

/// Time between two frames: a reader sees text flow, and a frame holds more than a word.
const FRAME_INTERVAL: Duration = Duration::from_millis(150);

/// Bytes of text in a reply. A DynamoDB item holds 400 KB, and the calls, the sources and the other
/// fields of the message need room too.
const REPLY_BYTES: usize = 300_000;

/// Bytes of text in one frame. JSON writes a byte as six at worst, and a frame has to stay under 32
/// KB.
const FRAME_BYTES: usize = 4 * 1024;

/// Stands between the texts of two steps.
const PARAGRAPH: &str = "\n\n";

/// The frames of a reply up to now. They are the queue of every feed, which takes the next frame
/// when the one before has arrived.
pub type FrameLog = Vec<Arc<Frame>>;

/// The text and the calls of a reply.
pub struct Buffer {
    /// Text that is in no frame yet.
    unframed: String,
    /// Whether the next text begins a paragraph.
    begins_paragraph: bool,
    /// Bytes of the whole text.
    length: usize,
    /// The frames as they are sent. The first one has number 1.
    frames: watch::Sender<FrameLog>,
    /// Frames that follow these once the reply waits: its user cannot decide before.
    held: Vec<Frame>,
    /// Number of frames that have been saved.
    saved: usize,
    /// The sources that have been saved with them.
    saved_sources: Option<Sources>,
    next_frame: Instant,
}

impl Buffer {
    /// The frames that another worker has saved before the reply waited; none for a new reply. The
    /// first new one is due at `now`.
    pub fn new(saved: Vec<Frame>, now: Instant) -> Self {
        let length = saved.iter().map(|frame| frame.text().len()).sum();
        let count = saved.len();
        Self {
            unframed: String::new(),
            begins_paragraph: false,
            length,
            frames: watch::Sender::new(saved.into_iter().map(Arc::new).collect()),
            held: Vec::new(),
            saved: count,
            saved_sources: None,
            next_frame: now,
        }
    }

    /// The next text begins a paragraph, if there is any before it.
    pub fn begin_paragraph(&mut self) {
        self.begins_paragraph = true;
    }

    /// Adds text, or as much of it as a reply can hold. Returns whether all of it fits.
    pub fn push(&mut self, text: &str) -> bool {
        if text.is_empty() {
            return true;
        }
        let begins_paragraph = std::mem::take(&mut self.begins_paragraph) && self.length > 0;
        (!begins_paragraph || self.put(PARAGRAPH)) && self.put(text)
    }

    fn put(&mut self, text: &str) -> bool {
        let room = REPLY_BYTES.saturating_sub(self.length);
        let fits = &text[..text.floor_char_boundary(room)];
        self.length += fits.len();
        self.unframed.push_str(fits);
        fits.len() == text.len()
    }

    /// Adds a frame of a call, after all text up to now.
    pub fn push_frame(&mut self, frame: Frame) {
        self.cut();
        self.frames.send_modify(|frames| frames.push(Arc::new(frame)));
    }

    /// Adds a frame that is sent once the reply waits.
    pub fn hold(&mut self, frame: Frame) {
        self.held.push(frame);
    }

    /// Sends the frames that were held.
    pub fn release(&mut self) {
        for frame in std::mem::take(&mut self.held) {
            self.push_frame(frame);
        }
    }

    /// Whether the frames have the answer to a call.
    pub fn is_answered(&self, call_id: &str) -> bool {
        let answers =
            |frame: &Frame| matches!(frame, Frame::Result(result) if result.call_id == call_id);
        self.frames.borrow().iter().any(|frame| answers(frame))
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
                frames.push(Arc::new(Frame::Text(frame.to_owned())));
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
        self.frames.borrow().iter().map(|frame| frame.text()).collect()
    }

    /// Number of frames with those that are held.
    pub fn whole_count(&self) -> usize {
        self.frame_count() + self.held.len()
    }

    /// Frames of a reply that are not saved yet. They have its sources, if these are not saved
    /// either.
    pub fn unsaved(&self, reply: &Message) -> Option<Frames> {
        self.with_sources(reply, self.frames_to_save())
    }

    /// The same with the frames that are held.
    pub fn unsaved_and_held(&self, reply: &Message) -> Option<Frames> {
        let mut frames = self.frames_to_save();
        frames.extend(self.held.iter().cloned());
        self.with_sources(reply, frames)
    }

    fn frames_to_save(&self) -> Vec<Frame> {
        self.frames.borrow()[self.saved..].iter().map(|frame| Frame::clone(frame)).collect()
    }

    fn with_sources(&self, reply: &Message, frames: Vec<Frame>) -> Option<Frames> {
        if frames.is_empty() {
            return None;
        }
        let is_saved = self.saved_sources.as_ref() == Some(&reply.sources);
        let sources = if is_saved { Sources::default() } else { reply.sources.clone() };
        let sequence = self.saved as u64 + 1;
        Some(Frames { message_id: reply.id.clone(), sequence, frames, sources })
    }

    /// Counts the next `count` frames as saved, with these sources.
    pub fn mark_saved(&mut self, count: usize, sources: &Sources) {
        if count > 0 {
            self.saved += count;
            self.saved_sources = Some(sources.clone());
        }
    }
}

/// As much of a text as goes into one frame, in whole characters.
fn first_frame(text: &str) -> &str {
    &text[..text.floor_char_boundary(FRAME_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tally_chat::domain::{CallStatus, ToolCall, ToolResultFrame};

    fn buffer() -> Buffer {
        Buffer::new(Vec::new(), Instant::now())
    }

    fn call(id: &str) -> Frame {
        Frame::Call(ToolCall {
            call_id: id.into(),
            tool: "add_task".into(),
            title: "Add a task".into(),
            arguments: json!({"title": "x"}),
            preview: "Add the task \"x\".".into(),
            status: CallStatus::Running,
            expires_at: None,
            summary: None,
        })
    }

    fn result(id: &str) -> Frame {
        Frame::Result(ToolResultFrame {
            call_id: id.into(),
            status: CallStatus::Completed,
            summary: "Done.".into(),
        })
    }

    /// The frames from this number on, in short.
    fn shape(buffer: &Buffer, from: usize) -> Vec<String> {
        let frames = buffer.follow().borrow()[from..].to_vec();
        let shape = frames.iter().map(|frame| match &**frame {
            Frame::Text(text) => text.clone(),
            Frame::Call(call) => format!("call {}", call.call_id),
            Frame::Result(result) => format!("result {}", result.call_id),
        });
        shape.collect()
    }

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

    #[test]
    fn calls_stand_between_the_texts_around_them_and_another_step_begins_a_paragraph() {
        let mut buffer = buffer();
        // Nothing stands before the first paragraph.
        buffer.begin_paragraph();
        assert!(buffer.push("Let me"));
        assert!(buffer.push(" look."));
        for frame in [call("a"), call("b"), result("b"), result("a")] {
            buffer.push_frame(frame);
        }
        buffer.begin_paragraph();
        // A step without text begins none.
        assert!(buffer.push(""));
        assert!(buffer.push("Two"));
        assert!(buffer.push(" tasks."));
        buffer.cut();
        assert_eq!(
            shape(&buffer, 0),
            ["Let me look.", "call a", "call b", "result b", "result a", "\n\nTwo tasks."]
        );
        assert_eq!(buffer.text(), "Let me look.\n\nTwo tasks.");
        assert!(buffer.is_answered("a") && !buffer.is_answered("c"));
    }

    #[test]
    fn a_frame_that_is_held_follows_all_others() {
        let mut buffer = buffer();
        assert!(buffer.push("Soon."));
        buffer.hold(call("b"));
        buffer.push_frame(call("a"));
        buffer.push_frame(result("a"));
        assert_eq!(shape(&buffer, 0), ["Soon.", "call a", "result a"]);
        assert_eq!((buffer.frame_count(), buffer.whole_count()), (3, 4));
        buffer.release();
        assert_eq!(shape(&buffer, 3), ["call b"]);
        assert_eq!((buffer.frame_count(), buffer.whole_count()), (4, 4));
    }

    #[test]
    fn a_reply_goes_on_after_its_saved_frames() {
        let saved = vec![Frame::Text("Before.".into()), call("a")];
        let mut buffer = Buffer::new(saved, Instant::now());
        assert!(!buffer.is_answered("a"));
        buffer.push_frame(result("a"));
        buffer.begin_paragraph();
        assert!(buffer.push("After."));
        buffer.cut();
        assert_eq!(shape(&buffer, 0), ["Before.", "call a", "result a", "\n\nAfter."]);
        assert_eq!(buffer.frames_to_save().len(), 2);
    }

    #[test]
    fn a_reply_holds_no_more_text_than_its_item() {
        let mut full = buffer();
        assert!(full.push(&"x".repeat(REPLY_BYTES - 1)));
        assert!(full.push("") && !full.push("€") && full.push("x") && !full.push("x"));
        full.push_frame(call("a"));
        assert_eq!(full.text().len(), REPLY_BYTES);
    }
}
