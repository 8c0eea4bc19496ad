//! The events of an answer: each chunk has one event of the Messages API, as JSON.

use aws_sdk_bedrockruntime::operation::RequestId as _;
use aws_sdk_bedrockruntime::operation::invoke_model_with_response_stream::InvokeModelWithResponseStreamOutput;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::ResponseStream;
use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;

use super::bound::Bound;
use super::failure;
use crate::claude::{self, StreamEvent};
use crate::error::Fault;
use crate::remote::{Failure, Messages};

/// The bytes of a chunk. They may be none.
pub(super) struct Chunk(Vec<u8>);

/// The member of an event that says what it is.
#[derive(Deserialize)]
struct Typed {
    r#type: Option<String>,
}

/// The chunks of an answer.
///
/// Dropping them ends the call upstream. The SDK's client speaks HTTP/2 with an endpoint that does,
/// and resets the stream. With any other it speaks HTTP/1.1, and closes the connection.
pub(super) fn chunks(answer: InvokeModelWithResponseStreamOutput, bound: Bound) -> Messages<Chunk> {
    let id = answer.request_id().map(str::to_owned);
    let state = (answer.body, bound, id);
    stream::try_unfold(state, |(mut events, bound, id)| async move {
        let event = events.recv().await;
        let event = event.map_err(|error| failure::of_stream(&error, id.as_deref()))?;
        bound.reset();
        Ok(event.map(|event| (Chunk::of(event), (events, bound, id))))
    })
    .boxed()
}

impl Chunk {
    /// The bytes of an event; none for an event that is no chunk.
    fn of(event: ResponseStream) -> Self {
        let ResponseStream::Chunk(part) = event else { return Self(Vec::new()) };
        Self(part.bytes.map(Blob::into_inner).unwrap_or_default())
    }
}

impl claude::Message for Chunk {
    fn event(&self) -> Result<Option<StreamEvent>, Failure> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let broken = || Failure::passing(Fault::Broken, "a chunk of the stream is not JSON");
        let data = std::str::from_utf8(&self.0).map_err(|_| broken())?;
        let typed: Typed = serde_json::from_str(data).map_err(|_| broken())?;
        StreamEvent::read(typed.r#type.as_deref(), Some(data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claude::Message as _;
    use aws_sdk_bedrockruntime::types::PayloadPart;

    fn chunk(bytes: &[u8]) -> Chunk {
        Chunk::of(ResponseStream::Chunk(PayloadPart::builder().bytes(Blob::new(bytes)).build()))
    }

    #[test]
    fn a_chunk_has_one_event() {
        for (json, expected) in [
            (r#"{"type": "message_stop"}"#, Some(StreamEvent::MessageStop)),
            (
                r#"{"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9, "firstByteLatency": 412}}"#,
                Some(StreamEvent::MessageStop),
            ),
            (
                r#"{"type":"content_block_stop","index":3,"p":"abcdef"}"#,
                Some(StreamEvent::ContentBlockStop { index: 3 }),
            ),
            (r#"{"type": "ping"}"#, None),
            (r#"{"type": "a_new_event", "index": "?"}"#, None),
            (r#"{"type": null}"#, None),
            ("{}", None),
            ("", None),
        ] {
            assert_eq!(chunk(json.as_bytes()).event().unwrap(), expected, "{json}");
        }
        let without_bytes = ResponseStream::Chunk(PayloadPart::builder().build());
        assert_eq!(Chunk::of(without_bytes).event().unwrap(), None);
    }

    #[test]
    fn a_chunk_without_an_event_is_broken_or_an_error() {
        let overloaded = r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#;
        for (bytes, fault) in [
            (&b"oops"[..], Fault::Broken),
            (b"{\"type\": \"ping\"", Fault::Broken),
            (b"[]", Fault::Broken),
            (b" ", Fault::Broken),
            (b"{\"type\": 1}", Fault::Broken),
            (b"\xff{}", Fault::Broken),
            (br#"{"type": "message_start"}"#, Fault::Broken),
            (br#"{"type": "content_block_stop", "index": "0"}"#, Fault::Broken),
            (overloaded.as_bytes(), Fault::Overloaded),
        ] {
            let failure = chunk(bytes).event().unwrap_err();
            assert_eq!(failure.error.fault, fault, "{bytes:?}");
            assert!(failure.pause(0).is_some(), "{bytes:?}");
        }
    }
}
