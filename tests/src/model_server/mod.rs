//! The server that the stand-ins for the APIs of models share: connections, and answers byte by
//! byte. A stand-in adds an [`Api`], which decides about each request.

mod act;
mod answer;
mod connection;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use act::{Act, Break, Refusal, Use};
pub use answer::Answer;

/// The API of a stand-in.
pub trait Api: Send + Sync + 'static {
    /// The answer to a request.
    fn answer(&self, received: &Received) -> Answer;
}

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
pub struct ModelServer {
    /// Its URL, without a path.
    pub url: String,
    /// Number of clients that closed a connection before the end of an answer.
    hung_up: watch::Sender<usize>,
    serving: JoinHandle<()>,
}

impl ModelServer {
    /// Starts a server for an API.
    pub async fn start(api: Arc<dyn Api>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hung_up = watch::Sender::default();
        let noted = hung_up.clone();
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(connection::serve(stream, Arc::clone(&api), noted.clone()));
            }
        });
        Self { url, hung_up, serving }
    }

    /// Waits until this many clients have closed a connection before the end of an answer.
    pub async fn hung_up(&self, clients: usize) {
        self.hung_up.subscribe().wait_for(|number| *number >= clients).await.unwrap();
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The answer of Secrets Manager with this key, if that is what was asked. A stand-in is also its
/// own Secrets Manager, so a provider needs no other server.
pub fn secret_of(received: &Received, key: &str) -> Option<Answer> {
    let is_asked = received.header("x-amz-target") == "secretsmanager.GetSecretValue";
    let secret = json!({"SecretString": json!({"api_key": key}).to_string()});
    is_asked.then(|| Answer::body(200, "application/x-amz-json-1.1", &secret.to_string()))
}
