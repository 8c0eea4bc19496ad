//! A stand-in for an API: its server, its script, and the requests so far.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;

use super::{Answer, ModelServer, Received};

/// The API of a stand-in: which requests it takes.
pub trait Api: Default + Send + Sync + 'static {
    /// A request that it takes.
    type Asked: Clone + Send + Sync + 'static;

    /// The request, if the API takes it. It has taken `number` requests before.
    fn check(&self, received: &Received, number: usize) -> Result<Self::Asked, Other>;

    /// Number of turns of the model after the user's message.
    fn step(asked: &Self::Asked) -> usize;

    /// The answer of the script to a request, as the API sends it.
    fn finish(&self, asked: &Self::Asked, answer: Answer) -> Answer;
}

/// The answer to a request that the script does not see.
pub struct Other {
    answer: Box<Answer>,
    /// Why the API refuses the request, if it does.
    refused: Option<String>,
}

/// An answer that says nothing of the body of a request, such as that to a wrong key.
impl From<Answer> for Other {
    fn from(answer: Answer) -> Self {
        Self { answer: Box::new(answer), refused: None }
    }
}

impl Other {
    /// The refusal of a request for this reason.
    pub fn refused(answer: Answer, why: String) -> Self {
        Self { answer: Box::new(answer), refused: Some(why) }
    }
}

/// A stand-in on a free port of loopback. It ends when it is dropped.
pub struct StandIn<A: Api> {
    /// Its URL, without a path.
    pub url: String,
    pub(crate) api: Arc<A>,
    requests: Arc<Requests<A::Asked>>,
    server: ModelServer,
}

/// The requests so far.
struct Requests<R> {
    taken: watch::Sender<Vec<R>>,
    /// Why others were refused.
    refused: Mutex<Vec<String>>,
}

impl<A: Api> StandIn<A> {
    /// Starts one whose script gives the answers.
    pub async fn start(script: impl Fn(&A::Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::by(move |_, asked| script(asked)).await
    }

    /// Starts one that gives these answers in turn, and repeats the last one for ever.
    pub async fn with(answers: Vec<Answer>) -> Self {
        Self::by(move |number, _| answers[number.min(answers.len() - 1)].clone()).await
    }

    /// Starts one that gives these answers to the steps of a reply, in any conversation. It repeats
    /// the last one for ever.
    pub async fn steps(answers: Vec<Answer>) -> Self {
        Self::start(move |asked| answers[A::step(asked).min(answers.len() - 1)].clone()).await
    }

    /// Starts one whose script gets the number of requests before each one, too.
    async fn by(script: impl Fn(usize, &A::Asked) -> Answer + Send + Sync + 'static) -> Self {
        let api = Arc::new(A::default());
        let requests =
            Arc::new(Requests { taken: watch::Sender::default(), refused: Mutex::default() });
        let (answering, noted) = (Arc::clone(&api), Arc::clone(&requests));
        let server = ModelServer::start(move |received: &Received| {
            // Under this lock each request gets a number of its own.
            let mut refused = noted.refused.lock().unwrap();
            let number = noted.taken.borrow().len();
            let asked = match answering.check(received, number) {
                Ok(asked) => asked,
                Err(other) => {
                    refused.extend(other.refused);
                    return *other.answer;
                }
            };
            noted.taken.send_modify(|taken| taken.push(asked.clone()));
            drop(refused);
            answering.finish(&asked, script(number, &asked))
        });
        let server = server.await;
        Self { url: server.url.clone(), api, requests, server }
    }

    /// The valid requests so far.
    pub fn asked(&self) -> Vec<A::Asked> {
        self.requests.taken.borrow().clone()
    }

    /// The reasons why it refused requests, so far.
    pub fn refused(&self) -> Vec<String> {
        self.requests.refused.lock().unwrap().clone()
    }

    /// Waits until it has taken this many requests.
    pub async fn was_asked(&self, times: usize) {
        self.requests.taken.subscribe().wait_for(|asked| asked.len() >= times).await.unwrap();
    }

    /// Waits until this many clients have closed a connection before the end of an answer.
    pub async fn hung_up(&self, clients: usize) {
        self.server.hung_up(clients).await;
    }
}
