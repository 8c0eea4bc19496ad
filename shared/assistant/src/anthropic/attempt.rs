//! One attempt at a call: a request, and the stream that answers it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use platform::clock::Clock;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use sse_stream::{Sse, SseByteStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::event::StreamEvent;
use super::failure::Failure;
use super::reply::Reply;
use super::settings::Patience;
use crate::error::Fault;
use crate::provider::Event;

/// The version of the API that this code uses.
const VERSION: &str = "2026-10-21";

/// Bytes that one event of a stream has at most. A normal event has a few words of text.
const LARGEST_EVENT: usize = 1024 * 1024;

/// Bytes of an error's body that are read at most.
const LARGEST_ERROR: usize = 64 * 1024;

/// Time to wait for the end of the body after the end of the reply, so that its connection can be
/// reused.
const FAREWELL: Duration = Duration::from_millis(50);

/// The parts that an attempt needs.
pub(super) struct Line<'a> {
    pub client: &'a Client,
    pub url: &'a Url,
    pub patience: Patience,
    pub clock: &'a Clock,
    /// Tokens that the reply may have at most.
    pub max_tokens: u64,
}

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
    /// Sends a request and waits for the head of its answer.
    pub async fn begin(
        line: &Line<'_>,
        authorization: HeaderValue,
        body: Vec<u8>,
    ) -> Result<Self, Failure> {
        let begins_by = Instant::now() + line.patience.first_token;
        let request = line
            .client
            .post(line.url.clone())
            .header(AUTHORIZATION, authorization)
            .header("anthropic-version", VERSION);
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream")
            .body(body);
        let response = timeout_at(begins_by, request.send())
            .await
            .map_err(|_| silent())?
            .map_err(Failure::of_transport)?;
        if response.status() != StatusCode::OK {
            return Err(failure_of(response, line).await);
        }
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("text/event-stream") {
            return Err(Failure::lasting(Fault::Broken, "the answer is not an event stream"));
        }
        let unread = Arc::new(AtomicUsize::new(0));
        let frames =
            Box::pin(SseByteStream::new(Box::pin(bytes_of(response, Arc::clone(&unread)))));
        Ok(Self {
            frames,
            unread,
            reply: Reply::new(line.max_tokens),
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

/// The failure that an answer other than 200 stands for. Its body is a help, and no more: it is
/// read within limits of time and size.
async fn failure_of(mut response: Response, line: &Line<'_>) -> Failure {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await
            && body.len() < LARGEST_ERROR
        {
            body.extend_from_slice(&piece);
        }
    };
    // A body that cannot be read in time is no error.
    let _ = timeout(line.patience.idle, read).await;
    Failure::of_status(response.status(), response.headers(), &body, line.clock.now())
}

fn silent() -> Failure {
    Failure::passing(Fault::TimedOut, "the provider sent nothing for too long")
}
