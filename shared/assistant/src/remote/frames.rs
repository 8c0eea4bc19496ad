//! An answer of server-sent events.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use sse_stream::{Sse, SseByteStream};

use super::api::Messages;
use super::failure::Failure;
use crate::error::Fault;

/// Bytes that one event of a stream has at most. A normal event has a few words of text.
pub(crate) const LARGEST_EVENT: usize = 1024 * 1024;

/// The reason why no more bytes arrive.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error(transparent)]
    Transport(reqwest::Error),
    #[error("the stream has an event of more than {LARGEST_EVENT} bytes")]
    TooLarge,
}

/// The media type of server-sent events.
pub(crate) const EVENTS: &str = "text/event-stream";

/// Whether an answer has server-sent events.
pub(crate) fn has_frames(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with(EVENTS))
}

/// The frames of an answer.
pub(crate) fn frames(response: Response) -> Messages<Sse> {
    // Bytes that have arrived since the last frame.
    let unread = Arc::new(AtomicUsize::new(0));
    let bytes = Box::pin(bytes_of(response, Arc::clone(&unread)));
    SseByteStream::new(bytes)
        .map(move |frame| {
            unread.store(0, Ordering::Relaxed);
            frame.map_err(|error| match error {
                sse_stream::Error::Body(error) => match error.downcast::<BodyError>() {
                    Ok(error) => (*error).into(),
                    Err(error) => Failure::passing(Fault::Unreachable, error.to_string()),
                },
                _ => Failure::passing(Fault::Broken, "an event of the stream is not UTF-8"),
            })
        })
        .boxed()
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        match error {
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
