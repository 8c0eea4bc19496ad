//! A stand-in for the Anthropic Messages API: a server on loopback. It checks requests as the real
//! one does, gives the answers that a test chooses, and counts clients that hang up.
//! `.ci/check-anthropic-sdk` checks it against the provider's own SDK.

mod answer;
mod connection;
mod events;

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::Answer;
pub use events::{event, reply, reply_of, tool};

/// The first key. [`MessagesApi::change_key`] replaces it.
pub const KEY: &str = "sk-ant-stand-in-0123456789-0123456789-0123456789-0123456789-0123456789";

/// A valid request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of requests before this one.
    pub number: usize,
    /// The request's body.
    pub body: Value,
}

impl Asked {
    /// The user's message, without the cells before it.
    pub fn message(&self) -> &str {
        self.last().last().unwrap()["text"].as_str().unwrap()
    }

    /// The cells before the user's message, if there are any.
    pub fn cells(&self) -> Option<&str> {
        let parts = self.last();
        (parts.len() > 1).then(|| parts[0]["text"].as_str().unwrap())
    }

    /// The parts of the last message.
    fn last(&self) -> &[Value] {
        let messages = self.body["messages"].as_array().unwrap();
        messages.last().unwrap()["content"].as_array().unwrap()
    }
}

/// Chooses the answer to a request.
type Script = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// The server.
pub struct MessagesApi {
    /// Its URL, without a path.
    pub url: String,
    state: Arc<State>,
    serving: JoinHandle<()>,
}

struct State {
    script: Script,
    key: Mutex<String>,
    asked: watch::Sender<Vec<Asked>>,
    /// Number of clients that closed a connection before the end of an answer.
    hung_up: watch::Sender<usize>,
}

impl MessagesApi {
    /// Starts one on a free port.
    pub async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let key = Mutex::new(KEY.to_owned());
        let asked = watch::Sender::default();
        let hung_up = watch::Sender::default();
        let state = Arc::new(State { script: Arc::new(script), key, asked, hung_up });
        let served = Arc::clone(&state);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(connection::serve(stream, Arc::clone(&served)));
            }
        });
        Self { url, state, serving }
    }

    /// Starts one that gives these answers in turn, and repeats the last one for ever.
    pub async fn with(answers: Vec<Answer>) -> Self {
        Self::start(move |asked| answers[asked.number.min(answers.len() - 1)].clone()).await
    }

    /// The valid requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.borrow().clone()
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
        self.state.hung_up.subscribe().wait_for(|number| *number >= clients).await.unwrap();
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
