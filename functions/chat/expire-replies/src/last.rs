//! The last frames of a reply that ends without a worker.

use tally_access::sources::Sources;
use tally_chat::Closing;
use tally_chat::domain::{Frame, ToolResultFrame};
use tally_chat::store::{Frames, Message};

/// The frames that the end of a reply adds: results of calls that are not made. They have no text,
/// and come from no cells.
pub struct Last {
    /// Number of the frames before.
    pub before: u64,
    /// These frames.
    pub frames: Vec<Frame>,
}

impl Last {
    /// The results of the calls that are open in these frames, as the end leaves them.
    pub fn of(closing: &Closing, frames: &[Frame]) -> Self {
        let is_open = |call_id: &str| {
            let is_named = |frame: &&Frame| match frame {
                Frame::Text(_) => false,
                Frame::Call(call) => call.call_id == call_id,
                Frame::Result(result) => result.call_id == call_id,
            };
            // Only the last frame about a call may be its result.
            matches!(frames.iter().rfind(is_named), Some(Frame::Call(_)))
        };
        let results = closing.calls().filter(|call| is_open(&call.call_id)).map(|call| {
            Frame::Result(ToolResultFrame {
                call_id: call.call_id.clone(),
                status: call.status,
                summary: call.summary.clone().unwrap_or_default(),
            })
        });
        Self { before: frames.len() as u64, frames: results.collect() }
    }

    /// Number of all frames of the reply.
    pub fn count(&self) -> u64 {
        self.before + self.frames.len() as u64
    }

    /// These frames as the draft has them; `None` if there are none.
    pub fn to_store(&self, reply: &Message) -> Option<Frames> {
        (!self.frames.is_empty()).then(|| Frames {
            message_id: reply.id.clone(),
            sequence: self.before + 1,
            frames: self.frames.clone(),
            sources: Sources::default(),
        })
    }
}
