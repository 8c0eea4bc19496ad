//! The answers, byte by byte.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use super::Break;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    /// The body, in the pieces in which it is sent.
    pub(super) pieces: Vec<Vec<u8>>,
    /// Time before its head.
    pub(super) delay: Duration,
    /// Time between two pieces.
    pub(super) pace: Duration,
    /// The index of the piece that is held back, and the barrier that it waits for.
    pub(super) held: Option<(usize, Arc<Barrier>)>,
    /// The signatures of the thoughts in it.
    pub(crate) signs: Vec<String>,
    pub(super) end: End,
}

/// How an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The end of the body.
    Whole,
    /// Silence on an open connection.
    Hang,
    /// A reset of the connection.
    Reset,
    /// No head is sent. The connection stays open, or is reset.
    Headless { reset: bool },
}

impl Answer {
    /// A stream of these frames. Each frame is a piece of its own.
    pub fn stream<F: Into<Vec<u8>>>(frames: impl IntoIterator<Item = F>) -> Self {
        let kind = [("content-type", "text/event-stream; charset=utf-8")];
        Self::new(200, &kind, frames.into_iter().map(Into::into).collect())
    }

    /// Any body.
    pub fn body(status: u16, kind: &str, body: &str) -> Self {
        let headers = [("content-type", kind), ("request-id", "req_1")];
        Self::new(status, &headers, vec![body.into()])
    }

    /// Any answer. Its body is sent in these pieces.
    pub fn new(status: u16, headers: &[(&str, &str)], pieces: Vec<Vec<u8>>) -> Self {
        let owned = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            status,
            headers: owned.collect(),
            pieces,
            delay: Duration::ZERO,
            pace: Duration::ZERO,
            held: None,
            signs: Vec::new(),
            end: End::Whole,
        }
    }

    /// No answer at all, on an open connection.
    pub fn silence() -> Self {
        Self { end: End::Headless { reset: false }, ..Self::body(200, "", "") }
    }

    /// A reset of the connection instead of an answer.
    pub fn reset() -> Self {
        Self { end: End::Headless { reset: true }, ..Self::body(200, "", "") }
    }

    /// Whether it ends with silence on an open connection.
    pub fn is_silent(&self) -> bool {
        matches!(self.end, End::Hang | End::Headless { reset: false })
    }

    /// Adds one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Notes the signatures of the thoughts in it.
    #[must_use]
    pub fn signed(mut self, signs: Vec<String>) -> Self {
        self.signs = signs;
        self
    }

    /// Sends the same bytes in pieces of this size.
    #[must_use]
    pub fn in_pieces_of(mut self, bytes: usize) -> Self {
        self.pieces = self.pieces.concat().chunks(bytes).map(<[u8]>::to_vec).collect();
        self
    }

    /// Begins so long after the request.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Sends one piece per interval.
    #[must_use]
    pub fn paced(mut self, pace: Duration) -> Self {
        self.pace = pace;
        self
    }

    /// Holds back the pieces from this one on, until as many answers wait as the barrier is for.
    #[must_use]
    pub fn held_at(mut self, piece: usize, barrier: &Arc<Barrier>) -> Self {
        self.held = Some((piece, Arc::clone(barrier)));
        self
    }

    /// Cuts the body off after this many frames.
    #[must_use]
    pub fn up_to(mut self, frames: usize) -> Self {
        self.pieces.truncate(frames);
        self
    }

    /// Leaves out the frames of which this holds.
    #[must_use]
    pub fn without(mut self, is_left_out: impl Fn(&[u8]) -> bool) -> Self {
        self.pieces.retain(|piece| !is_left_out(piece));
        self
    }

    /// Ends the body with silence instead of its end.
    #[must_use]
    pub fn then_silence(mut self) -> Self {
        self.end = End::Hang;
        self
    }

    /// Ends the body with a reset of the connection.
    #[must_use]
    pub fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// Ends the body, whose frames break off, in this way.
    #[must_use]
    pub fn then(self, how: Break) -> Self {
        match how {
            Break::Error | Break::End => self,
            Break::Silence => self.then_silence(),
            Break::Reset => self.then_reset(),
        }
    }
}
