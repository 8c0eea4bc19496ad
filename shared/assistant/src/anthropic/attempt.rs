//! One attempt at a call: a request, and the stream that answers it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use sse_stream::{Sse, SseByteStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::event::StreamEvent;
use super::failure::Failure;
use super::post::{Line, silent};
use super::reply::Reply;
use crate::error::Fault;
use crate::provider::Event;

/// The media type of a stream.
const EVENTS: &str = "text/event-stream";

/// Bytes that one event of a stream has at most. A normal event has a few words of text.
const LARGEST_EVENT: usize = 1024 * 1024;

/// Time to wait for the end of the body after the end of the reply, so that its connection can be
/// reused.
const FAREWELL: Duration = Duration::from_millis(50);

/// An attempt whose answer has begun. Dropping it closes its connection.
pub(super) struct Attempt {
    frames: Pin<Box<dyn Stream<Item = Result<Sse, sse_stream::Error>> + Send>>,
    /// Bytes that have arrived since the last frame.
    unread: Arc<AtomicUsize>,
    reply: Reply,
    begins_by: Instant,
    idle: Duration,
}

/// The reason why no more bytes arrive.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error(transparent)]
    Transport(reqwest::Error),
    #[error("the stream has an event of more than {LARGEST_EVENT} bytes")]
    TooLarge,
}

impl Attempt {
    /// Sends a request and waits for the head of its answer. The reply may have so many tokens at
    /// most.
    pub async fn begin(
        line: &Line<'_>,
        authorization: HeaderValue,
        body: Vec<u8>,
        max_tokens: u64,
    ) -> Result<Self, Failure> {
        let begins_by = Instant::now() + line.patience.first_token;
        let response = line.post(authorization, EVENTS, body, begins_by).await?;
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with(EVENTS) {
            return Err(Failure::lasting(Fault::Broken, "the answer is not an event stream"));
        }
        let unread = Arc::new(AtomicUsize::new(0));
        let frames =
            Box::pin(SseByteStream::new(Box::pin(bytes_of(response, Arc::clone(&unread)))));
        Ok(Self {
            frames,
            unread,
            reply: Reply::new(max_tokens),
            begins_by,
            idle: line.patience.idle,
        })
    }

    /// The next events: none for a frame that means nothing.
    pub async fn next(&mut self) -> Result<Vec<Event>, Failure> {
        let told = match self.frame().await {
            Ok(frame) => {
                let event = StreamEvent::read(frame.event.as_deref(), frame.data.as_deref());
                event.and_then(|event| {
                    event.map_or_else(|| Ok(Vec::new()), |event| self.reply.take(event))
                })
            }
            Err(failure) => self.reply.cut(failure),
        };
        if self.reply.is_over() {
            // The reply is complete. If the connection cannot be reused, there is nothing to do
            // about it.
            let _ = timeout(FAREWELL, self.frames.next()).await;
        }
        told.map_err(|mut failure| {
            failure.error.produced = self.reply.has_begun();
            failure.is_paid = self.reply.is_paid();
            failure
        })
    }

    /// Whether the reply is whole.
    pub fn is_over(&self) -> bool {
        self.reply.is_over()
    }

    async fn frame(&mut self) -> Result<Sse, Failure> {
        let by = if self.reply.has_begun() { Instant::now() + self.idle } else { self.begins_by };
        let frame = timeout_at(by, self.frames.next()).await.map_err(|_| silent())?;
        self.unread.store(0, Ordering::Relaxed);
        match frame {
            Some(Ok(frame)) => Ok(frame),
            Some(Err(sse_stream::Error::Body(error))) => Err(match error.downcast::<BodyError>() {
                Ok(error) => error.into(),
                Err(error) => Failure::passing(Fault::Unreachable, error.to_string()),
            }),
            Some(Err(_)) => {
                Err(Failure::passing(Fault::Broken, "an event of the stream is not UTF-8"))
            }
            None => Err(Failure::passing(
                Fault::Broken,
                "the stream ended before the reply was complete",
            )),
        }
    }
}

impl From<Box<BodyError>> for Failure {
    fn from(error: Box<BodyError>) -> Self {
        match *error {
            BodyError::Transport(error) => Self::of_transport(error),
            BodyError::TooLarge => Self::lasting(Fault::Broken, error.to_string()),
        }
    }
}

/// The body of an answer, piece by piece. It fails when an event grows beyond a sane size, because
/// the parser has no bound of its own.
fn bytes_of(
    response: Response,
    unread: Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, BodyError>> + Send {
    stream::try_unfold(response, move |mut response| {
        let unread = Arc::clone(&unread);
        async move {
            let Some(piece) = response.chunk().await.map_err(BodyError::Transport)? else {
                return Ok(None);
            };
            if unread.fetch_add(piece.len(), Ordering::Relaxed) + piece.len() > LARGEST_EVENT {
                return Err(BodyError::TooLarge);
            }
            Ok(Some((piece, response)))
        }
    })
}
