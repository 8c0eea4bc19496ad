//! A stand-in for servers of OpenAI's chat completions, on loopback. It checks requests as the real
//! ones do, gives the answers that a test chooses, and counts clients that hang up.
//! `.ci/check-openai-sdk` checks it against OpenAI's own SDK.
//!
//! - [`CompletionsApi::with`] gives answers in turn, [`CompletionsApi::steps`] by the step of a
//!   reply, and [`CompletionsApi::start`] by any function of the request.
//! - [`Answer`]: an answer, byte by byte: [`reply`] and [`calls`] make the frames of short replies,
//!   [`json`] makes a reply whose text is JSON, and [`error`] an error.
//! - [`Step`]: a reply of several parts: thoughts, texts, parallel calls of tools, a cut within a
//!   call. A loop with tools is a list of them:
//!
//!   ```ignore
//!   let api = CompletionsApi::steps(vec![
//!       Step::new()
//!           .says("Let me see.")
//!           .calls("call_1", "list_tasks", &json!({}))
//!           .calls("call_2", "add_task", &json!({"title": "Pay"}))
//!           .answer(),
//!       Step::new().says("Done.").answer(),
//!   ]);
//!   ```
//! - [`Dialect`]: what servers do differently. [`CompletionsApi::speak`] has the server refuse as
//!   they do, [`Step::answer_in`] makes their answers, and [`act_in`] their [`Act`]s.
//! - [`Asked`]: a request that it took. [`CompletionsApi::refused`] says why it did not take
//!   others. [`bodies()`]: the requests that our own provider sends.
//! - Rules (`rules.rs`, `messages.rs`, `schemas.rs`, `thoughts.rs`, `blocks.rs`): each call of a
//!   tool is answered right after it; a strict schema requires all its properties; a document is a
//!   PDF in base64. A model whose name begins with `new-` takes no `max_tokens`. One with `old-`
//!   takes no `max_completion_tokens` and no `stream_options`, and one with `plain-` no
//!   `reasoning_effort`.
//!
//! [`Act`]: crate::model_server::Act

mod act;
mod asked;
mod blocks;
mod bodies;
mod call;
mod chunks;
mod dialect;
mod errors;
mod messages;
mod rules;
mod schemas;
mod step;
mod thoughts;

use std::sync::Mutex;

use serde_json::Value;

pub use crate::model_server::Answer;
use crate::model_server::{Api, Other, Received, Refusal, StandIn, parts_of, secret_of};
pub use act::{act, act_in};
pub use asked::Asked;
pub use bodies::bodies;
pub use chunks::{calls, chunk, done, finish, frame, reply, reply_of, usage};
pub use dialect::Dialect;
pub use errors::{error, error_saying};
pub use step::Step;

use chunks::is_usage_frame;
use dialect::Told;
use errors::{Wrong, reason};

/// The first key. [`CompletionsApi::change_key`] replaces it.
pub const KEY: &str = "sk-stand-in-0123456789-0123456789-0123456789-0123456789-0123456789";

/// The server. The base URL of a client has `/v1` after its URL.
pub type CompletionsApi = StandIn<Completions>;

/// The API, and what a test has set of it.
pub struct Completions {
    /// `None` if it takes requests without a key.
    key: Mutex<Option<String>>,
    dialect: Mutex<Dialect>,
}

impl Default for Completions {
    fn default() -> Self {
        Self { key: Mutex::new(Some(KEY.to_owned())), dialect: Mutex::default() }
    }
}

impl StandIn<Completions> {
    /// Refuses requests as a server with this dialect does, from now on. The answers to requests
    /// that it takes stay those of the test.
    pub fn speak(&self, dialect: Dialect) {
        *self.api.dialect.lock().unwrap() = dialect;
    }

    /// Takes requests without a key from now on. The key in its Secrets Manager is empty.
    #[must_use]
    pub fn without_key(self) -> Self {
        *self.api.key.lock().unwrap() = None;
        self
    }

    /// Changes the valid key, also in its Secrets Manager.
    pub fn change_key(&self, key: &str) {
        *self.api.key.lock().unwrap() = Some(key.to_owned());
    }
}

impl Api for Completions {
    type Asked = Asked;

    fn check(&self, received: &Received, number: usize) -> Result<Asked, Other> {
        let key = self.key.lock().unwrap().clone();
        if let Some(secret) = secret_of(received, key.as_deref().unwrap_or_default()) {
            return Err(secret.into());
        }
        let dialect = self.dialect();
        let refuses = |wrong: Wrong| Other::from(wrong.answer(dialect));
        let (has_key, body) = read(received, key.as_deref(), dialect).map_err(refuses)?;
        rules::check(&body, dialect)
            .map_err(|wrong| Other::refused(wrong.answer(dialect), wrong.message))?;
        Ok(Asked { number, has_key, body })
    }

    fn step(asked: &Asked) -> usize {
        asked.step()
    }

    /// Leaves the usage out, unless the request asks for it or the server sends it to all.
    fn finish(&self, asked: &Asked, answer: Answer) -> Answer {
        let keeps_usage = asked.asks_for_usage() || self.dialect().told() != Told::WhenAsked;
        if keeps_usage { answer } else { answer.without(is_usage_frame) }
    }
}

impl Completions {
    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap()
    }
}

/// Whether a request has a key, and its body.
fn read(received: &Received, key: Option<&str>, dialect: Dialect) -> Result<(bool, Value), Wrong> {
    if !received.line.starts_with("POST /v1/chat/completions HTTP/1.1") {
        return Err(Wrong::of(404, format!("Invalid URL ({})", received.line.trim_end())));
    }
    let authorization = received.header("authorization");
    if key.is_some_and(|key| authorization != format!("Bearer {key}")) {
        return Err(reason(dialect, Refusal::Key));
    }
    let is_json = received.header("content-type") == "application/json";
    let body = serde_json::from_slice(&received.body).ok().filter(|_| is_json);
    let body: Value = body.ok_or_else(|| {
        Wrong::new("We could not parse the JSON body of your request. The API expects JSON.")
    })?;
    Ok((!authorization.is_empty(), body))
}

/// A reply whose text is this JSON, in several frames.
pub fn json(value: &Value) -> Answer {
    let parts = parts_of(value);
    let parts: Vec<_> = parts.iter().map(String::as_str).collect();
    Answer::stream(reply(&parts))
}
