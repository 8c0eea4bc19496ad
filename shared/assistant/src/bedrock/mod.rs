//! `bedrock`: Claude, by Amazon Bedrock. The function's own role is the key.
//!
//! - `chunk`: the events of an answer; `bound`: how large one may be
//! - `failure`: the meaning of an error, as an answer or in one
//!
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModelWithResponseStream.html>

mod bound;
mod chunk;
mod failure;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::config::timeout::TimeoutConfig;
use aws_sdk_bedrockruntime::config::{Builder, StalledStreamProtectionConfig};
use aws_sdk_bedrockruntime::primitives::Blob;
use platform::aws::{Service, sdk_config};
use platform::clock::Clock;
use platform::config::Config;
use platform::{ConfigError, Platform};
use tokio::time::timeout_at;

use crate::claude::{self, Purpose};
use crate::domain::Usage;
use crate::error::ProviderError;
use crate::provider::Provider;
use crate::remote::{
    self, Failure, Key, Messages, Patience, Remote, Sending, Takes, server_url, silent,
};
use crate::request::{Request, Turn};
use bound::Bound;
use chunk::{Chunk, chunks};

/// The setting with the URL of another endpoint.
const URL: &str = "BEDROCK_URL";

/// The provider. Settings: `BEDROCK_URL` (a VPC endpoint, or a stand-in of the tests), the region
/// and the credentials that Lambda sets, and those of [`Remote`] and [`Patience`].
pub(crate) fn provider(platform: &Platform) -> Result<impl Provider + use<>, ConfigError> {
    check(&platform.config)?;
    let patience = Patience::from_config(&platform.config)?;
    let api = Api { client: client(&platform.config)?, clock: platform.clock.clone() };
    Remote::new(platform, api, Key::None, patience, Takes::ALL)
}

/// Checks whether [`provider`] can read its own settings.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    Patience::from_config(config)?;
    config.get(URL).map_or(Ok(()), |url| server_url(URL, url, &[]).map(drop))
}

/// A client for answers that take minutes. The retries and the time limits are those of [`Remote`];
/// the SDK keeps its limit for a connection.
fn client(config: &Config) -> Result<Client, ConfigError> {
    let timeouts = TimeoutConfig::builder()
        .disable_operation_timeout()
        .disable_operation_attempt_timeout()
        .disable_read_timeout();
    let own = Builder::from(&sdk_config(config, Service::Bedrock)?)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(timeouts.build());
    Ok(Client::from_conf(own.build()))
}

/// The API.
struct Api {
    client: Client,
    clock: Clock,
}

impl remote::Api for Api {
    type Message = Chunk;
    type Reply = claude::Reply;

    fn sent(turns: &[Turn]) -> Vec<usize> {
        claude::sent(turns).collect()
    }

    fn body(
        &self,
        request: &Request,
        _: &str,
        max_tokens: u64,
        takes: Takes,
    ) -> Result<Vec<u8>, ProviderError> {
        claude::body(request, Purpose::BedrockCall { max_tokens }, takes)
    }

    async fn send(&self, body: Vec<u8>, sending: Sending<'_>) -> Result<Messages<Chunk>, Failure> {
        let bound = Bound::default();
        let call = self.client.invoke_model_with_response_stream();
        let call = call
            .model_id(sending.model)
            .content_type("application/json")
            .body(Blob::new(body))
            .customize()
            .interceptor(bound.clone())
            .send();
        let answer = timeout_at(sending.by, Box::pin(call)).await.map_err(|_| silent())?;
        let answer = answer.map_err(|error| failure::of_call(&error, self.clock.now()))?;
        Ok(chunks(answer, bound))
    }

    fn reply(request: &Request, input: Usage, max_tokens: u64) -> claude::Reply {
        claude::Reply::new(request, input, max_tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_endpoint_has_tls_or_is_this_machine() {
        for (url, expected) in [
            ("", true),
            ("https://vpce-1.bedrock-runtime.eu-central-1.vpce.amazonaws.com", true),
            ("http://127.0.0.1:8080", true),
            ("http://bedrock.example.com", false),
            ("https://user@example.com", false),
            ("bedrock.example.com", false),
        ] {
            let config = [(URL, url)].into_iter().collect();
            assert_eq!(check(&config).is_ok(), expected, "{url}");
        }
        let config = [("AI_IDLE_MILLISECONDS", "soon")].into_iter().collect();
        assert!(check(&config).is_err());
    }

    #[test]
    fn the_client_has_neither_retries_nor_limits_for_an_answer() {
        let settings = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
        ];
        let client = client(&settings.into_iter().collect()).unwrap();
        let config = client.config();
        let timeouts = config.timeout_config().unwrap();
        assert_eq!(config.retry_config().map(RetryConfig::max_attempts), Some(1));
        assert!(!config.stalled_stream_protection().unwrap().is_enabled());
        assert!(timeouts.connect_timeout().is_some());
        assert_eq!(
            (
                timeouts.operation_timeout(),
                timeouts.operation_attempt_timeout(),
                timeouts.read_timeout()
            ),
            (None, None, None)
        );
    }
}
