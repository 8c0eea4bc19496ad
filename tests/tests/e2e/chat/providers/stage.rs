//! A provider with the stand-in for its API, and what a caller hears of a call.

use assistant::domain::{MessageRole, StopReason, Usage};
use assistant::{Event, Fault, Provider, ProviderError, Request, ToolUse, Turn};
use futures_util::StreamExt as _;
use serde_json::Value;
use tally_tests::Circuits;
use tally_tests::model_server::{Act, Answer};

use super::kind::Kind;
use super::server::{Asked, Server};

/// The parts of a reply's text, as they are sent.
pub const PARTS: [&str; 4] = ["Profits", " rose — ", "by €12,", " 👩‍👩‍👧."];

pub const SYSTEM: &str = "You are brief and never guess.";
pub const QUESTION: &str = "How did Alpha do in 2023?";

/// The whole text of [`PARTS`].
pub fn whole() -> String {
    PARTS.concat()
}

/// The reply of [`PARTS`].
pub fn good() -> Act {
    Act::says(&PARTS)
}

/// A request with one message.
pub fn asking(message: &str) -> Request {
    let turns = vec![Turn::text(MessageRole::User, message)];
    Request { reply_id: "r".into(), system: SYSTEM.into(), turns, ..Request::default() }
}

/// A request with [`QUESTION`].
pub fn request() -> Request {
    asking(QUESTION)
}

/// A stand-in, and the circuits of the providers that ask it.
pub struct Stage {
    pub server: Server,
    pub circuits: Circuits,
}

impl Stage {
    /// Starts the stand-in of a provider, which does as the script says.
    pub async fn start(kind: Kind, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self::answers(kind, move |asked| kind.answer(&script(asked))).await
    }

    /// The same with acts in turn, of which the last one is repeated.
    pub async fn with(kind: Kind, acts: Vec<Act>) -> Self {
        Self::start(kind, move |asked| acts[asked.number.min(acts.len() - 1)].clone()).await
    }

    /// The same with answers of the provider's own API in turn.
    pub async fn in_turn(kind: Kind, answers: Vec<Answer>) -> Self {
        Self::answers(kind, move |asked| answers[asked.number.min(answers.len() - 1)].clone()).await
    }

    /// The same with any answers of the provider's own API.
    pub async fn answers(
        kind: Kind,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (circuits, server) = tokio::join!(Circuits::start(), Server::start(kind, script));
        Self { server, circuits }
    }

    /// The provider with these settings of its own, whose first model is `first`.
    pub fn provider(&self, own: &[(&str, &str)]) -> Box<dyn Provider> {
        let free = [("AI_PROVIDER", "lorem"), ("LOREM_WORD_MILLISECONDS", "0")];
        match &self.server {
            Server::Lorem => self.circuits.provider(&free, own),
            Server::Anthropic(api) => self.circuits.anthropic(api, own),
            Server::Openai(api) => self.circuits.openai(api, own),
            Server::Bedrock(api) => self.circuits.bedrock(api, own),
        }
    }

    /// Hears a call of a new provider without settings of its own.
    pub async fn hear(&self, request: Request) -> Heard {
        hear(&*self.provider(&[]), request).await
    }

    /// The models of the requests so far.
    pub fn models_asked(&self) -> Vec<String> {
        self.server.asked().into_iter().map(|asked| asked.model).collect()
    }
}

/// What a caller heard of a call.
#[derive(Debug)]
pub struct Heard {
    /// The models that were announced.
    pub models: Vec<String>,
    /// The turns that the model was shown.
    pub shown: Vec<Vec<usize>>,
    pub text: String,
    pub uses: Vec<ToolUse>,
    pub thoughts: Vec<Value>,
    /// The usage at each of its changes.
    pub usages: Vec<Usage>,
    pub end: Result<StopReason, ProviderError>,
}

impl Heard {
    /// The usage at the end.
    pub fn usage(&self) -> Usage {
        self.usages.last().copied().unwrap_or_default()
    }

    /// The stop reason, or the fault.
    pub fn outcome(&self) -> Result<StopReason, Fault> {
        self.end.as_ref().copied().map_err(|error| error.fault)
    }
}

/// Hears a call to its end.
pub async fn hear(provider: &dyn Provider, request: Request) -> Heard {
    let (mut models, mut shown, mut usages) = (Vec::new(), Vec::new(), Vec::new());
    let (mut text, mut uses, mut thoughts) = (String::new(), Vec::new(), Vec::new());
    let mut end = None;
    let mut events = provider.call(request);
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "nothing comes after the end: {event:?}");
        match event {
            Ok(Event::Model(model)) => models.push(model),
            Ok(Event::Shown(turns)) => shown.push(turns),
            Ok(Event::Text(more)) => text.push_str(&more),
            Ok(Event::ToolUse(call)) => uses.push(call),
            Ok(Event::Usage(now)) => usages.push(now),
            Ok(Event::Stop(reason)) => end = Some(Ok(reason)),
            Ok(Event::Thought(thought)) => thoughts.push(thought),
            Err(error) => end = Some(Err(error)),
        }
    }
    let end = end.expect("a call ends with a stop or an error");
    Heard { models, shown, text, uses, thoughts, usages, end }
}
