//! What the stand-ins for the APIs of models share. Each of them is a [`StandIn`] with an [`Api`] of
//! its own.
//!
//! - `stand_in`: the script of a stand-in, and the requests so far
//! - `connection`: an HTTP/1.1 connection; `answer`: an answer, byte by byte
//! - `act`: what a model does, in the words of no API; `parts`: texts as models write them

mod act;
mod answer;
mod connection;
mod parts;
mod stand_in;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use act::{Act, Break, Refusal, Use};
pub use answer::Answer;
pub(crate) use parts::{halves, owned, parts_of};
pub use stand_in::{Api, Other, StandIn};

/// Gives the answer to a request.
type Answers = dyn Fn(&Received) -> Answer + Send + Sync;

/// A request as it arrived.
#[derive(Debug)]
pub struct Received {
    /// The request line.
    pub line: String,
    /// The headers, with names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Received {
    /// A header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A server on a free port of loopback. It ends when it is dropped.
struct ModelServer {
    /// Its URL, without a path.
    url: String,
    /// Number of clients that closed a connection before the end of an answer.
    hung_up: watch::Sender<usize>,
    serving: JoinHandle<()>,
}

impl ModelServer {
    /// Starts a server with these answers.
    async fn start(answers: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let answers: Arc<Answers> = Arc::new(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hung_up = watch::Sender::default();
        let noted = hung_up.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(connection::serve(stream, Arc::clone(&answers), noted.clone()));
            }
        });
        Self { url, hung_up, serving }
    }

    /// Waits until this many clients have closed a connection before the end of an answer.
    async fn hung_up(&self, clients: usize) {
        self.hung_up.subscribe().wait_for(|number| *number >= clients).await.unwrap();
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The answer of Secrets Manager with this key, if a request asks for that. A stand-in is also its
/// own Secrets Manager, so a provider needs no other server.
pub(crate) fn secret_of(received: &Received, key: &str) -> Option<Answer> {
    let is_asked = received.header("x-amz-target") == "secretsmanager.GetSecretValue";
    let secret = json!({"SecretString": json!({"api_key": key}).to_string()});
    is_asked.then(|| Answer::body(200, "application/x-amz-json-1.1", &secret.to_string()))
}
