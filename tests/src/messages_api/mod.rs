//! A stand-in for the Anthropic Messages API: a server on loopback. It checks requests as the real
//! one does, gives the answers that a test chooses, and counts clients that hang up.
//! `.ci/check-anthropic-sdk` checks it against the provider's own SDK.
//!
//! - [`MessagesApi::with`] gives answers in turn, [`MessagesApi::steps`] by the step of a reply,
//!   and [`MessagesApi::start`] by any function of the request.
//! - [`Answer`]: an answer, byte by byte: [`reply`] and [`tool`] make the frames of short ones,
//!   [`Answer::json`] one that has to be JSON. [`Answer::after`] has it take its time.
//! - [`Step`]: a reply of several blocks: thoughts, texts, parallel uses of tools, a pause, a cut
//!   within a use. A loop with tools is a list of them:
//!
//!   ```ignore
//!   let api = MessagesApi::steps(vec![
//!       Step::new()
//!           .thinks("Both at once.")
//!           .says("Let me see.")
//!           .uses("toolu_1", "list_tasks", &json!({}))
//!           .uses("toolu_2", "add_task", &json!({"title": "Pay"}))
//!           .answer(),
//!       Step::new().says("Done.").answer(),
//!   ]);
//!   ```
//! - [`act()`]: the answer to what a model does in the words of no API.
//! - [`Asked`]: a request that it took: [`Asked::model()`], [`Asked::message`],
//!   [`Asked::documents`], [`Asked::schema`], [`Asked::step`], [`Asked::tools`],
//!   [`Asked::without_tools`], [`Asked::results`], [`Asked::max_tokens`].
//!   [`MessagesApi::refused`] says why it did not take others.
//! - [`MessagesApi::counted`]: requests whose tokens it counted. [`MessagesApi::count_by`] and
//!   [`MessagesApi::answer_counts`] choose the count.
//! - Rules (`rules.rs`, `bound.rs`, `documents.rs`, `grammar.rs`): each use of a tool is answered in
//!   the next message, before any text; tools are described where turns use them; the schema of
//!   the answer, or of a strict tool, has only what the grammar knows; a document is a PDF in
//!   base64; a thought comes back unchanged, after the same system prompt, tools and messages.

mod act;
mod answers;
pub(crate) mod bound;
mod documents;
mod events;
mod grammar;
pub(crate) mod rules;
mod step;

use std::sync::{Arc, Mutex};

use serde_json::Value;

pub use crate::model_server::Answer;
use crate::model_server::{Api, Other, Received, StandIn, secret_of};
pub use act::act;
pub(crate) use act::written;
pub use events::{event, reply, reply_of, tool};
pub use step::{Cut, Step};

use bound::Bound;

/// The first key. [`MessagesApi::change_key`] replaces it.
pub const KEY: &str = "sk-ant-stand-in-0123456789-0123456789-0123456789-0123456789-0123456789";

/// Bytes of a request that the API takes.
const LARGEST_REQUEST: usize = 32 * 1024 * 1024;

/// Tokens of a document, if a test does not choose the count.
const DOCUMENT_TOKENS: usize = 1_500;

/// A valid request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of requests before this one.
    pub number: usize,
    /// The request's body.
    pub body: Value,
    pub(crate) model: String,
}

impl Asked {
    /// The model that is asked.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The most tokens that the model may write; 0 in a request for a count.
    pub fn max_tokens(&self) -> u64 {
        self.body["max_tokens"].as_u64().unwrap_or_default()
    }

    /// The user's message, without the documents and the cells before it.
    pub fn message(&self) -> &str {
        self.question().last().copied().unwrap()
    }

    /// The cells before the user's message, if there are any.
    pub fn cells(&self) -> Option<&str> {
        let parts = self.question();
        (parts.len() > 1).then(|| parts[0])
    }

    /// The documents of all messages: title and base64 of each. A title may be absent.
    pub fn documents(&self) -> Vec<(&str, &str)> {
        let contents = self.messages().iter().filter_map(|message| message["content"].as_array());
        let documents = contents.flatten().filter(|block| block["type"] == "document");
        let read = documents.map(|block| {
            let title = block["title"].as_str().unwrap_or_default();
            (title, block["source"]["data"].as_str().unwrap())
        });
        read.collect()
    }

    /// The schema that the answer has to have.
    pub fn schema(&self) -> Option<&Value> {
        self.body.pointer("/output_config/format/schema")
    }

    /// Number of turns of the model after the user's message.
    pub fn step(&self) -> usize {
        let turns = self.messages()[self.place()..].iter();
        turns.filter(|message| message["role"] == "assistant").count()
    }

    /// The names of the tools that it offers.
    pub fn tools(&self) -> Vec<&str> {
        let tools = self.body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
        tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect()
    }

    /// Whether it forbids uses of tools.
    pub fn without_tools(&self) -> bool {
        self.body["tool_choice"]["type"] == "none"
    }

    /// The results of tools in the last message: the id of the use, the text, whether it failed.
    pub fn results(&self) -> Vec<(&str, &str, bool)> {
        let last = self.messages().last().unwrap()["content"].as_array().unwrap();
        let results = last.iter().filter(|block| block["type"] == "tool_result");
        let read = results.map(|result| {
            let content = result["content"].as_str().unwrap_or_default();
            let is_error = result["is_error"].as_bool().unwrap_or_default();
            (result["tool_use_id"].as_str().unwrap(), content, is_error)
        });
        read.collect()
    }

    /// The texts of the user's message.
    fn question(&self) -> Vec<&str> {
        let parts = self.messages()[self.place()]["content"].as_array().unwrap().iter();
        parts.filter_map(|part| part["text"].as_str()).collect()
    }

    /// The index of the user's message: the last one of the user's without results of tools.
    fn place(&self) -> usize {
        let is_said = |message: &Value| {
            let blocks = message["content"].as_array().map(Vec::as_slice).unwrap_or_default();
            let is_text = |block: &Value| block["type"] == "text" || block["type"] == "document";
            message["role"] == "user" && blocks.iter().all(is_text)
        };
        self.messages().iter().rposition(is_said).unwrap()
    }

    fn messages(&self) -> &[Value] {
        self.body["messages"].as_array().unwrap()
    }
}

/// A count that is about right: a token for four bytes, and [`DOCUMENT_TOKENS`] for a document.
fn usual_count(asked: &Asked) -> Answer {
    let documents = asked.documents();
    let data: usize = documents.iter().map(|(_, data)| data.len()).sum();
    let bytes = asked.body.to_string().len() - data;
    Answer::count((bytes / 4 + documents.len() * DOCUMENT_TOKENS) as u64)
}

/// Chooses the answer to a request for a count.
type Counts = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server.
pub type MessagesApi = StandIn<Messages>;

/// The API, and what a test has set of it.
pub struct Messages {
    key: Mutex<String>,
    count: Mutex<Counts>,
    counted: Mutex<Vec<Asked>>,
    bound: Mutex<Bound>,
}

impl Default for Messages {
    fn default() -> Self {
        let count: Counts = Arc::new(usual_count);
        Self {
            key: Mutex::new(KEY.to_owned()),
            count: Mutex::new(count),
            counted: Mutex::default(),
            bound: Mutex::default(),
        }
    }
}

impl StandIn<Messages> {
    /// Counts the tokens of each request by this function from now on.
    pub fn count_by(&self, count: impl Fn(&Asked) -> u64 + Send + Sync + 'static) {
        self.answer_counts(move |asked| Answer::count(count(asked)));
    }

    /// Gives these answers to requests for a count from now on.
    pub fn answer_counts(&self, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.api.count.lock().unwrap() = Arc::new(script);
    }

    /// The valid requests for a count so far.
    pub fn counted(&self) -> Vec<Asked> {
        self.api.counted.lock().unwrap().clone()
    }

    /// Changes the valid key, also in its Secrets Manager.
    pub fn change_key(&self, key: &str) {
        key.clone_into(&mut self.api.key.lock().unwrap());
    }
}

impl Api for Messages {
    type Asked = Asked;

    fn check(&self, received: &Received, number: usize) -> Result<Asked, Other> {
        let key = self.key.lock().unwrap().clone();
        if let Some(secret) = secret_of(received, &key) {
            return Err(secret.into());
        }
        let counts = received.line.starts_with("POST /v1/messages/count_tokens HTTP/1.1");
        if !counts && !received.line.starts_with("POST /v1/messages HTTP/1.1") {
            return Err(Answer::error(404, "not_found_error").into());
        }
        if received.body.len() > LARGEST_REQUEST {
            return Err(Answer::error(413, "request_too_large").into());
        }
        let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        if received.header("authorization") != format!("Bearer {key}") {
            return Err(Answer::error(401, "authentication_error").into());
        }
        if received.header("anthropic-version") != "2026-10-21"
            || received.header("content-type") != "application/json"
        {
            return Err(Answer::error(400, "invalid_request_error").into());
        }
        let is_bound = |()| self.bound.lock().unwrap().check(&body);
        let check = if counts { rules::check_count } else { rules::check };
        if let Err(why) = check(&body).and_then(is_bound) {
            let answer = Answer::error_saying(400, "invalid_request_error", &why);
            return Err(Other::refused(answer, why));
        }
        let model = body["model"].as_str().unwrap_or_default().to_owned();
        if !counts {
            return Ok(Asked { number, body, model });
        }
        let count = self.count.lock().unwrap().clone();
        let asked = Asked { number: self.counted.lock().unwrap().len(), body, model };
        self.counted.lock().unwrap().push(asked.clone());
        Err(count(&asked).into())
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
