//! The stand-ins for the APIs of the providers, with one interface.

use serde_json::Value;
use tally_tests::bedrock_api::{self, BedrockApi};
use tally_tests::completions_api::{self, CompletionsApi};
use tally_tests::messages_api::{self, MessagesApi};
use tally_tests::model_server::{Act, Answer};

use super::kind::Kind;

/// A request that a model got, in the words of no API.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Number of requests before this one.
    pub number: usize,
    /// The model.
    pub model: String,
    /// The text of the user's last message.
    pub message: String,
    /// The texts of all messages, without the system prompt.
    pub texts: Vec<String>,
    /// The names of the tools that it offers.
    pub tools: Vec<String>,
    /// Whether it forbids the use of a tool.
    pub without_tools: bool,
    /// The results of tools after the last use: the id of the use, and the text.
    pub results: Vec<(String, String)>,
    /// The schema of the answer.
    pub schema: Option<Value>,
    /// Tokens of the reply at most.
    pub max_tokens: u64,
}

/// A stand-in. `lorem` has no API.
pub enum Server {
    Lorem,
    Anthropic(MessagesApi),
    Openai(CompletionsApi),
    Bedrock(BedrockApi),
}

impl Server {
    /// Starts the stand-in of a provider, which does as the script says.
    pub async fn start(
        kind: Kind,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        match kind {
            Kind::Lorem => Self::Lorem,
            Kind::Anthropic => {
                Self::Anthropic(MessagesApi::start(move |asked| script(&asked.into())).await)
            }
            Kind::Openai => {
                Self::Openai(CompletionsApi::start(move |asked| script(&asked.into())).await)
            }
            Kind::Bedrock => {
                Self::Bedrock(BedrockApi::start(move |asked| script(&asked.into())).await)
            }
        }
    }

    /// Its URL, without a path.
    pub fn url(&self) -> &str {
        match self {
            Self::Lorem => "",
            Self::Anthropic(api) => &api.url,
            Self::Openai(api) => &api.url,
            Self::Bedrock(api) => &api.url,
        }
    }

    /// The requests that it took so far.
    pub fn asked(&self) -> Vec<Asked> {
        match self {
            Self::Lorem => Vec::new(),
            Self::Anthropic(api) => api.asked().iter().map(Asked::from).collect(),
            Self::Openai(api) => api.asked().iter().map(Asked::from).collect(),
            Self::Bedrock(api) => api.asked().iter().map(Asked::from).collect(),
        }
    }

    /// The reasons why it did not take others.
    pub fn refused(&self) -> Vec<String> {
        match self {
            Self::Lorem => Vec::new(),
            Self::Anthropic(api) => api.refused(),
            Self::Openai(api) => api.refused(),
            Self::Bedrock(api) => api.refused(),
        }
    }

    /// Waits until it has taken this many requests.
    pub async fn was_asked(&self, times: usize) {
        match self {
            Self::Lorem => {}
            Self::Anthropic(api) => api.was_asked(times).await,
            Self::Openai(api) => api.was_asked(times).await,
            Self::Bedrock(api) => api.was_asked(times).await,
        }
    }

    /// Waits until this many clients have closed a connection before the end of an answer.
    pub async fn hung_up(&self, clients: usize) {
        match self {
            Self::Lorem => {}
            Self::Anthropic(api) => api.hung_up(clients).await,
            Self::Openai(api) => api.hung_up(clients).await,
            Self::Bedrock(api) => api.hung_up(clients).await,
        }
    }

    /// The key that it takes at first, and the logical id of its secret. `None` without a key.
    pub fn key(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Anthropic(_) => Some(("AnthropicKey", messages_api::KEY)),
            Self::Openai(_) => Some(("OpenaiKey", completions_api::KEY)),
            Self::Lorem | Self::Bedrock(_) => None,
        }
    }

    /// Changes the key that it takes, also in its Secrets Manager.
    pub fn change_key(&self, key: &str) {
        match self {
            Self::Anthropic(api) => api.change_key(key),
            Self::Openai(api) => api.change_key(key),
            Self::Lorem | Self::Bedrock(_) => panic!("it has no key"),
        }
    }
}

impl Kind {
    /// The answer of its API to this act.
    pub fn answer(self, act: &Act) -> Answer {
        match self {
            Self::Lorem => panic!("it has no API"),
            Self::Anthropic => messages_api::act(act),
            Self::Openai => completions_api::act(act),
            Self::Bedrock => bedrock_api::act(act),
        }
    }
}

/// The requests of these APIs, in the words of none.
macro_rules! requests_of {
    ($($api:ident),+) => {
        $(
            impl From<&$api::Asked> for Asked {
                fn from(asked: &$api::Asked) -> Self {
                    Self {
                        number: asked.number,
                        model: asked.model().to_owned(),
                        message: asked.message().to_owned(),
                        texts: texts(&asked.body),
                        tools: owned(asked.tools()),
                        without_tools: asked.without_tools(),
                        results: results(asked.results()),
                        schema: asked.schema().cloned(),
                        max_tokens: asked.max_tokens(),
                    }
                }
            }
        )+
    };
}

// Those of Bedrock are those of the Messages API.
requests_of!(messages_api, completions_api);

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

fn results(results: Vec<(&str, &str, bool)>) -> Vec<(String, String)> {
    results.into_iter().map(|(id, text, _)| (id.to_owned(), text.to_owned())).collect()
}

/// The texts of the messages of a body. A content is a text, or a list of parts.
fn texts(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().into_iter().flatten();
    let contents = messages.filter(|message| message["role"] != "system");
    let texts = contents.flat_map(|message| match &message["content"] {
        Value::Array(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect(),
        content => content.as_str().into_iter().collect::<Vec<_>>(),
    });
    texts.map(str::to_owned).collect()
}
