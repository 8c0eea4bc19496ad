//! A stand-in for Amazon Bedrock Runtime: a server on loopback. It checks requests as the real one
//! does, gives the answers that a test chooses, and counts clients that hang up. Its events are
//! those of [`messages_api`](crate::messages_api), so it answers with the same frames and steps,
//! and follows the same rules. `.ci/check-bedrock-client` checks it against boto3.
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>
//!
//! - [`BedrockApi::with`] gives answers in turn, [`BedrockApi::steps`] by the step of a reply, and
//!   [`BedrockApi::start`] by any function of the request.
//! - [`stream`]: an answer of frames, each of them an event or any other [`Frame`]. [`of_step`]: a
//!   [`Step`] of a loop with tools. [`error`]: a refusal before the stream. [`act()`]: what a model
//!   does in the words of no API.
//!
//!   ```ignore
//!   let api = BedrockApi::with(vec![
//!       error(errors::THROTTLED),
//!       stream(reply(&["Good", " morning"])),
//!       of_step(&Step::new().says("So.").uses("toolu_1", "add_task", &json!({"title": "Pay"}))),
//!   ]);
//!   ```
//! - [`Asked`]: a request that it took. [`BedrockApi::refused`] says why it did not take others.
//! - `signature.rs`: a request is signed for `bedrock` in [`REGION`], by [`BedrockApi::credentials`]
//!   or by those that [`BedrockApi::admit`] adds. [`BedrockApi::without_signatures`] ends this check.
//!
//! What users of Bedrock complain of, and how a test has it:
//!
//! | complaint | here |
//! |---|---|
//! | an exception in the middle of a stream whose status was 200 | [`Frame::exception`] |
//! | an error in the stream that no SDK models | [`Frame::error`] |
//! | an error event of the model itself, in a chunk | [`Frame::Event`] |
//! | the stream ends without `message_stop` | fewer frames, or [`Answer::up_to`] |
//! | the stream has no frame at all | [`nothing`] |
//! | a frame is cut off at the end of the stream | [`Frame::cut`] |
//! | a frame has a wrong checksum, or no length | [`Frame::damaged`], [`Frame::without_length`] |
//! | frames arrive in any pieces | [`Answer::in_pieces_of`] |
//! | a first frame that is an `initial-response` | [`Frame::initial_response`] |
//! | events of a new type | [`Frame::unknown`] |
//! | a chunk without bytes, or with bytes that are no JSON | [`Frame::chunk`], [`Frame::hollow`] |
//! | server-sent events instead of frames | [`Answer::stream`] |
//! | the first byte, or the next one, takes minutes | [`Answer::after`], [`Answer::paced`] |
//! | the stream falls silent | [`Answer::then_silence`] |
//! | the connection breaks | [`Answer::then_reset`] |
//! | throttling, models that are old or denied, refused members | [`errors`] |

mod act;
pub mod errors;
mod frame;
mod rules;
mod signature;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tally_local::aws::Credentials;

pub use crate::messages_api::{Asked, Cut, Step, event, reply, reply_of, tool};
pub use crate::model_server::Answer;
pub use act::act;
pub use errors::Error;
pub use frame::Frame;

use crate::messages_api::bound::Bound;
use crate::model_server::{Api, Other, Received, StandIn};

/// The region of the stand-in, which is that of the local stack.
pub const REGION: &str = "us-east-1";

/// Bytes of a body that the API takes.
const LARGEST_BODY: usize = 25_000_000;

/// The id of every request.
const REQUEST_ID: &str = "7711b029-fdf3-4a28-9585-38de03122abc";

/// A stream of these frames. Each frame is a piece of its own.
pub fn stream<F: Into<Frame>>(frames: impl IntoIterator<Item = F>) -> Answer {
    let headers = [
        ("content-type", "application/vnd.amazon.eventstream"),
        ("x-amzn-bedrock-content-type", "application/json"),
        ("x-amzn-requestid", REQUEST_ID),
    ];
    Answer::new(200, &headers, frame::encode(frames.into_iter().map(Into::into)))
}

/// A stream that ends before its first frame.
pub fn nothing() -> Answer {
    stream(Vec::<Frame>::new())
}

/// A reply of several blocks. The server binds its thoughts to the request.
pub fn of_step(step: &Step) -> Answer {
    stream(step.frames()).signed(step.signs())
}

/// A refusal before the stream.
pub fn error((status, kind, message): Error<'_>) -> Answer {
    let kind = format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/");
    let headers = [
        ("content-type", "application/json"),
        ("x-amzn-errortype", kind.as_str()),
        ("x-amzn-requestid", REQUEST_ID),
    ];
    // A request that is not authorized is refused by another part of AWS, with another spelling.
    let body =
        if status == 403 { json!({"Message": message}) } else { json!({"message": message}) };
    Answer::new(status, &headers, vec![body.to_string().into_bytes()])
}

/// A refusal whose message is made for the request: status, type, message.
type Refused = (u16, &'static str, String);

/// The server.
pub type BedrockApi = StandIn<Bedrock>;

/// The API, and what a test has set of it.
pub struct Bedrock {
    /// The credentials that it takes. There is at least one.
    known: Mutex<Vec<Credentials>>,
    /// Whether it checks signatures.
    checks_signatures: AtomicBool,
    bound: Mutex<Bound>,
}

impl Default for Bedrock {
    fn default() -> Self {
        Self {
            known: Mutex::new(vec![Credentials::random()]),
            checks_signatures: true.into(),
            bound: Mutex::default(),
        }
    }
}

impl StandIn<Bedrock> {
    /// Credentials that it takes.
    pub fn credentials(&self) -> Credentials {
        self.api.known.lock().unwrap()[0].clone()
    }

    /// Takes these credentials too from now on. A stack and [`crate::Circuits`] have their own.
    pub fn admit(&self, credentials: &Credentials) {
        self.api.known.lock().unwrap().push(credentials.clone());
    }

    /// Takes requests with any signature from now on, and those without one.
    #[must_use]
    pub fn without_signatures(self) -> Self {
        self.api.checks_signatures.store(false, Ordering::Relaxed);
        self
    }
}

impl Api for Bedrock {
    type Asked = Asked;

    fn check(&self, received: &Received, number: usize) -> Result<Asked, Other> {
        let read = self.read(received);
        let (model, body) =
            read.map_err(|(status, kind, why)| Other::refused(error((status, kind, &why)), why))?;
        Ok(Asked { number, body, model })
    }

    fn step(asked: &Asked) -> usize {
        asked.step()
    }

    /// Binds the thoughts of the answer to the request.
    fn finish(&self, asked: &Asked, answer: Answer) -> Answer {
        self.bound.lock().unwrap().bind(answer.signs.clone(), &asked.body);
        answer
    }
}

impl Bedrock {
    /// The model and the body of a request, if it is taken.
    fn read(&self, received: &Received) -> Result<(String, Value), Refused> {
        let always = |(status, kind, why): Error<'static>| (status, kind, why.to_owned());
        let invalid = |why: String| -> Refused { (400, "ValidationException", why) };
        let (path, model) =
            target(&received.line).ok_or_else(|| always(errors::UNKNOWN_OPERATION))?;
        if self.checks_signatures.load(Ordering::Relaxed) {
            let known = self.known.lock().unwrap().clone();
            signature::check(received, path, &known).map_err(always)?;
        }
        if received.body.len() > LARGEST_BODY {
            return Err(always(errors::TOO_LARGE));
        }
        if received.header("content-type") != "application/json" {
            return Err(always(errors::NO_JSON));
        }
        let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        rules::check(&body).map_err(invalid)?;
        self.bound.lock().unwrap().check(&body).map_err(invalid)?;
        Ok((model, body))
    }
}

/// The path of a call in a request line, and the model in it.
fn target(line: &str) -> Option<(&str, String)> {
    let path = line.trim_end().strip_prefix("POST ")?.strip_suffix(" HTTP/1.1")?;
    let model = path.strip_prefix("/model/")?.strip_suffix("/invoke-with-response-stream")?;
    let is_label = !model.is_empty() && !model.contains('/');
    let model = percent_decode_str(model).decode_utf8().ok()?.into_owned();
    is_label.then_some((path, model))
}
