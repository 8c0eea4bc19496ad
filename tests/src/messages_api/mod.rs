//! A stand-in for the Anthropic Messages API, as it is on the wire: a server on loopback that checks what it is sent as the real
//! one does, answers as it is told to, and knows who has hung up. `.ci/check-anthropic-sdk` holds it against the provider's own SDK.

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

/// The key at first; [`MessagesApi::change_key`] takes another.
pub const KEY: &str = "sk-ant-stand-in-0123456789-0123456789-0123456789-0123456789-0123456789";

/// A request that was as it should be.
#[derive(Debug, Clone)]
pub struct Asked {
    /// How many there had been before.
    pub number: usize,
    /// Its body.
    pub body: Value,
}

impl Asked {
    /// What its user says.
    pub fn message(&self) -> &str {
        let messages = self.body["messages"].as_array().unwrap();
        messages.last().unwrap()["content"][0]["text"].as_str().unwrap()
    }
}

/// What it answers to a request.
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
    /// How many clients have closed a connection on which an answer was not at its end.
    hung_up: watch::Sender<usize>,
}

impl MessagesApi {
    /// Starts one on a free port.
    pub async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (key, asked, hung_up) = (Mutex::new(KEY.to_owned()), watch::Sender::default(), watch::Sender::default());
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

    /// Starts one with these answers in turn, the last one for ever.
    pub async fn with(answers: Vec<Answer>) -> Self {
        Self::start(move |asked| answers[asked.number.min(answers.len() - 1)].clone()).await
    }

    /// What was asked up to now, all that was as it should be.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.borrow().clone()
    }

    /// Waits until it has been asked this many times.
    pub async fn was_asked(&self, times: usize) {
        self.state.asked.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }

    /// Takes another key from now on, which is also in its Secrets Manager.
    pub fn change_key(&self, key: &str) {
        key.clone_into(&mut self.state.key.lock().unwrap());
    }

    /// Waits until this many clients have closed a connection on which an answer was not at its end.
    pub async fn hung_up(&self, clients: usize) {
        self.state.hung_up.subscribe().wait_for(|number| *number >= clients).await.unwrap();
    }
}

impl Drop for MessagesApi {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
