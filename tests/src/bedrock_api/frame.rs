//! The frames of a stream.
//!
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Bedrock adds a part of this to a chunk, so that its size does not tell the length of a text.
const PADDING: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// The member that Bedrock adds to the last event.
const METRICS: &str = "amazon-bedrock-invocationMetrics";

/// The media type of payloads.
const JSON: &str = "application/json";

/// A frame of a stream.
#[derive(Debug, Clone)]
pub enum Frame {
    /// A chunk with this event of the Messages API.
    Event(Value),
    /// Any other frame, or bytes that are none.
    Bytes(Vec<u8>),
}

/// A frame of the Messages API, as [`reply`](super::reply) makes it.
impl From<String> for Frame {
    fn from(frame: String) -> Self {
        let data = frame.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
        Self::Event(serde_json::from_str(data).unwrap())
    }
}

impl Frame {
    /// An exception of this type, such as `throttlingException`. It is the last frame of a stream.
    pub fn exception(kind: &str, message: &str) -> Self {
        let mut payload = json!({"message": message});
        if kind == "modelStreamErrorException" {
            payload["originalStatusCode"] = json!(500);
            payload["originalMessage"] = json!(message);
        }
        let headers =
            [(":exception-type", kind), (":content-type", JSON), (":message-type", "exception")];
        Self::of(&headers, payload.to_string())
    }

    /// An error that the API does not model.
    pub fn error(code: &str, message: &str) -> Self {
        let headers =
            [(":error-code", code), (":error-message", message), (":message-type", "error")];
        Self::of(&headers, String::new())
    }

    /// The first frame of an operation with an initial response. This operation has none.
    pub fn initial_response() -> Self {
        Self::event("initial-response", &json!({}))
    }

    /// An event of a new type.
    pub fn unknown() -> Self {
        Self::event("a-new-event", &json!({"more": 1}))
    }

    /// A chunk with any bytes.
    pub fn chunk(bytes: &[u8]) -> Self {
        let bytes = STANDARD.encode(bytes);
        let padding = &PADDING[..bytes.len() % PADDING.len()];
        Self::event("chunk", &json!({"bytes": bytes, "p": padding}))
    }

    /// A chunk without bytes.
    pub fn hollow() -> Self {
        Self::event("chunk", &json!({"p": "abc"}))
    }

    /// The head of a frame that says it has no length.
    pub fn without_length() -> Self {
        Self::Bytes(vec![0; 16])
    }

    /// The same frame with a wrong checksum.
    #[must_use]
    pub fn damaged(self) -> Self {
        let mut bytes = self.bytes();
        *bytes.last_mut().unwrap() ^= 1;
        Self::Bytes(bytes)
    }

    /// The first bytes of the frame.
    #[must_use]
    pub fn cut(self, after: usize) -> Self {
        let mut bytes = self.bytes();
        bytes.truncate(after);
        Self::Bytes(bytes)
    }

    /// Its bytes.
    pub fn bytes(self) -> Vec<u8> {
        match self {
            Self::Event(event) => Self::chunk(event.to_string().as_bytes()).bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }

    fn event(kind: &str, payload: &Value) -> Self {
        let headers = [(":event-type", kind), (":content-type", JSON), (":message-type", "event")];
        Self::of(&headers, payload.to_string())
    }

    fn of(headers: &[(&'static str, &str)], payload: String) -> Self {
        let headers = headers.iter().map(|(name, value)| {
            Header::new(*name, HeaderValue::String((*value).to_owned().into()))
        });
        let message = Message::new_from_parts(headers.collect(), payload);
        let mut bytes: Vec<u8> = Vec::new();
        write_message_to(&message, &mut bytes).unwrap();
        Self::Bytes(bytes)
    }
}

/// The bytes of each frame. The last event gets what Bedrock has measured.
pub(super) fn encode(frames: impl Iterator<Item = Frame>) -> Vec<Vec<u8>> {
    let mut usage = Value::Null;
    let measured = frames.map(|frame| match frame {
        Frame::Event(mut event) => {
            if event["usage"].is_object() {
                usage = event["usage"].clone();
            }
            if event["type"] == "message_stop" {
                event[METRICS] = metrics(&usage);
            }
            Frame::Event(event).bytes()
        }
        other @ Frame::Bytes(_) => other.bytes(),
    });
    measured.collect()
}

fn metrics(usage: &Value) -> Value {
    json!({
        "inputTokenCount": usage["input_tokens"],
        "outputTokenCount": usage["output_tokens"],
        "cacheReadInputTokenCount": usage["cache_read_input_tokens"],
        "cacheWriteInputTokenCount": usage["cache_creation_input_tokens"],
        "invocationLatency": 812,
        "firstByteLatency": 402,
    })
}
