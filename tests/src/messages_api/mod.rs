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
//! - [`Asked`]: a request that it took: [`Asked::message`], [`Asked::documents`],
//!   [`Asked::schema`], [`Asked::step`], [`Asked::tools`], [`Asked::results`].
//!   [`MessagesApi::refused`] says why it did not take others.
//! - [`MessagesApi::counted`]: requests whose tokens it counted. [`MessagesApi::count_by`] and
//!   [`MessagesApi::answer_counts`] choose the count.
//! - Rules (`rules.rs`, `bound.rs`, `documents.rs`, `grammar.rs`): each use of a tool is answered in
//!   the next message, before any text; tools are described where turns use them; the schema of
//!   the answer, or of a strict tool, has only what the grammar knows; a document is a PDF in
//!   base64; a thought comes back unchanged, after the same system prompt, tools and messages.

mod answers;
mod bound;
mod documents;
mod events;
mod grammar;
mod rules;
mod step;

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::watch;

pub use crate::model_server::Answer;
use crate::model_server::{self, ModelServer, Received, secret_of};
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
}

impl Asked {
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

/// Chooses the answer to a request.
type Script = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server.
pub struct MessagesApi {
    /// Its URL, without a path.
    pub url: String,
    state: Arc<State>,
    server: ModelServer,
}

struct State {
    script: Script,
    key: Mutex<String>,
    asked: watch::Sender<Vec<Asked>>,
    count: Mutex<Script>,
    counted: watch::Sender<Vec<Asked>>,
    /// Why other requests were refused.
    refused: Mutex<Vec<String>>,
    bound: Mutex<Bound>,
}

impl MessagesApi {
    /// Starts one on a free port.
    pub async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let key = Mutex::new(KEY.to_owned());
        let count: Script = Arc::new(usual_count);
        let state = Arc::new(State {
            script: Arc::new(script),
            key,
            asked: watch::Sender::default(),
            count: Mutex::new(count),
            counted: watch::Sender::default(),
            refused: Mutex::default(),
            bound: Mutex::default(),
        });
        let api: Arc<dyn model_server::Api> = state.clone();
        let server = ModelServer::start(api).await;
        Self { url: server.url.clone(), state, server }
    }

    /// Starts one that gives these answers in turn, and repeats the last one for ever.
    pub async fn with(answers: Vec<Answer>) -> Self {
        Self::start(move |asked| answers[asked.number.min(answers.len() - 1)].clone()).await
    }

    /// Starts one that gives these answers to the steps of a reply, in any conversation. It repeats
    /// the last one for ever.
    pub async fn steps(answers: Vec<Answer>) -> Self {
        Self::start(move |asked| answers[asked.step().min(answers.len() - 1)].clone()).await
    }

    /// The valid requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.borrow().clone()
    }

    /// Counts the tokens of each request by this function from now on.
    pub fn count_by(&self, count: impl Fn(&Asked) -> u64 + Send + Sync + 'static) {
        self.answer_counts(move |asked| Answer::count(count(asked)));
    }

    /// Gives these answers to requests for a count from now on.
    pub fn answer_counts(&self, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) {
        *self.state.count.lock().unwrap() = Arc::new(script);
    }

    /// The valid requests for a count so far.
    pub fn counted(&self) -> Vec<Asked> {
        self.state.counted.borrow().clone()
    }

    /// The reasons why it refused requests as invalid, so far.
    pub fn refused(&self) -> Vec<String> {
        self.state.refused.lock().unwrap().clone()
    }

    /// Waits until it has received this many requests.
    pub async fn was_asked(&self, times: usize) {
        self.state.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }

    /// Changes the valid key, also in its Secrets Manager.
    pub fn change_key(&self, key: &str) {
        key.clone_into(&mut self.state.key.lock().unwrap());
    }

    /// Waits until this many clients have closed a connection before the end of an answer.
    pub async fn hung_up(&self, clients: usize) {
        self.server.hung_up(clients).await;
    }
}

impl model_server::Api for State {
    fn answer(&self, received: &Received) -> Answer {
        let key = self.key.lock().unwrap().clone();
        if let Some(secret) = secret_of(received, &key) {
            return secret;
        }
        let counts = received.line.starts_with("POST /v1/messages/count_tokens HTTP/1.1");
        if !counts && !received.line.starts_with("POST /v1/messages HTTP/1.1") {
            return Answer::error(404, "not_found_error");
        }
        if received.body.len() > LARGEST_REQUEST {
            return Answer::error(413, "request_too_large");
        }
        let body: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        if received.header("authorization") != format!("Bearer {key}") {
            return Answer::error(401, "authentication_error");
        }
        if received.header("anthropic-version") != "2026-10-21"
            || received.header("content-type") != "application/json"
        {
            return Answer::error(400, "invalid_request_error");
        }
        let is_bound = |()| self.bound.lock().unwrap().check(&body);
        let check = if counts { rules::check_count } else { rules::check };
        if let Err(why) = check(&body).and_then(is_bound) {
            self.refused.lock().unwrap().push(why.clone());
            return Answer::error_saying(400, "invalid_request_error", &why);
        }
        if counts {
            let count = self.count.lock().unwrap().clone();
            return count(&noted(&self.counted, body));
        }
        let asked = noted(&self.asked, body);
        let answer = (self.script)(&asked);
        self.bound.lock().unwrap().bind(answer.signs.clone(), &asked.body);
        answer
    }
}

/// Notes a valid request.
fn noted(all: &watch::Sender<Vec<Asked>>, body: Value) -> Asked {
    let mut asked = Asked { number: 0, body };
    all.send_modify(|all| {
        asked.number = all.len();
        all.push(asked.clone());
    });
    asked
}
