//! A whole stack whose assistant is one of the providers.

use serde_json::json;
use tally_local::StackOptions;
use tally_tests::TestStack;
use tally_tests::model_server::Answer;

use super::kind::Kind;
use super::server::{Asked, Server};

/// The models of every stack, and their prices.
const MODELS: [(&str, &str); 4] = [
    ("RateLimits", "*=100000/1m"),
    ("AiModel", "first"),
    ("AiFallbackModel", "second"),
    ("AiPrices", "first=5/25/6.25/0.50,second=1/5/1.25/0.10"),
];

/// ARNs of the models, as a role has to name them.
const ARNS: &str =
    "arn:aws:bedrock:*::foundation-model/first,arn:aws:bedrock:*::foundation-model/second";

/// A stack whose assistant has these parameters, with further options. The key is put into the
/// secret with this logical id.
pub async fn stack_of(
    assistant: &[(&str, &str)],
    key: Option<(&str, &str)>,
    change: impl FnOnce(&mut StackOptions),
) -> TestStack {
    let sets = [&MODELS[..], assistant].concat().into_iter();
    let sets = sets.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let stack = TestStack::of(|options| {
        options.sets = sets;
        change(options);
    });
    let stack = stack.await;
    if let Some((secret, key)) = key {
        let value = json!({
            "SecretString": json!({"api_key": key}).to_string(),
            "ClientRequestToken": "5f3a1c52-8e53-4a5b-9c3e-0d0a5a6f7b10",
        });
        stack.secrets_manager("PutSecretValue", secret, value).await.unwrap();
    }
    stack
}

/// A stack, and the stand-in for the API of its assistant.
pub struct World {
    pub kind: Kind,
    pub server: Server,
    pub stack: TestStack,
}

impl World {
    /// Starts a stack whose model does as the script says.
    pub async fn start(
        kind: Kind,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(kind, script).await;
        let (url, base) = (server.url(), format!("{}/v1", server.url()));
        let of_kind = match kind {
            Kind::Lorem => vec![("AiProvider", "lorem"), ("LoremWordMilliseconds", "40")],
            Kind::Anthropic => vec![("AiProvider", "anthropic"), ("AnthropicBaseUrl", url)],
            Kind::Openai => vec![("AiProvider", "openai"), ("OpenaiBaseUrl", base.as_str())],
            Kind::Bedrock => {
                vec![("AiProvider", "bedrock"), ("BedrockUrl", url), ("BedrockModelArns", ARNS)]
            }
        };
        let idle = ("AiIdleMilliseconds".to_owned(), "2000".to_owned());
        let stack = stack_of(&of_kind, server.key(), |options| options.sets.push(idle)).await;
        if let Server::Bedrock(api) = &server {
            api.admit(&stack.credentials());
        }
        Self { kind, server, stack }
    }
}
