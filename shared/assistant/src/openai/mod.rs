//! `openai`: any server that speaks OpenAI's chat completions with streaming and tools. Among them
//! are OpenAI, the compatible endpoints of Gemini and others, `LiteLLM`, vLLM and Ollama. Their
//! dialects differ. Each module names the differences that it bridges, and its tests have a case for
//! each.
//!
//! <https://platform.openai.com/docs/api-reference/chat>
//!
//! - `body`, `messages`, `schema`: the request
//! - `chunk`: a chunk of the stream; `uses`: uses of tools from their pieces; `meter`: the usage;
//!   `finish`: the reasons why a reply stops; `reply`: the reply
//! - `thought`: what goes back to the server with the next step; `blocks`: reasoning in blocks, from
//!   their pieces
//! - `errors`, `refusal`: the meaning of errors

mod blocks;
mod body;
mod chunk;
mod errors;
mod finish;
mod messages;
mod meter;
mod refusal;
mod reply;
mod schema;
mod thought;
mod uses;

use platform::config::{Config, invalid};
use platform::{ConfigError, Platform};
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use sse_stream::Sse;

use crate::domain::Usage;
use crate::error::ProviderError;
use crate::provider::Provider;
use crate::remote::{
    self, EVENTS, Failure, Http, Key, Messages, Patience, Remote, Sending, Takes, frames,
    has_frames, server_url,
};
use crate::request::{Request, Turn};
use body::{Limit, body};
use reply::Reply;

/// The setting with the URL of the server, with the version in its path.
const BASE_URL: &str = "OPENAI_BASE_URL";

/// The provider. Settings: `OPENAI_BASE_URL`, `OPENAI_KEY_ARN` (a secret with the key, which may be
/// empty), and those of [`Remote`] and [`Patience`].
pub(crate) fn provider(platform: &Platform) -> Result<impl Provider + use<>, ConfigError> {
    let patience = Patience::from_config(&platform.config)?;
    let url = url(&platform.config)?;
    let http = Http::new(platform, patience, (BASE_URL, &url), errors::said)?;
    let key = Key::optional(platform, "OPENAI_KEY_ARN")?;
    let limit = usual_limit(&url);
    Remote::new(platform, Api { http, url, limit }, key, patience, Takes::ALL)
}

/// Checks whether [`provider`] can read its own settings.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    Patience::from_config(config)?;
    url(config).map(drop)
}

/// The API.
struct Api {
    http: Http,
    url: Url,
    /// The usual name of the bound of the reply's tokens.
    limit: Limit,
}

/// Where the requests go.
fn url(config: &Config) -> Result<Url, ConfigError> {
    let base = config.get(BASE_URL).ok_or_else(|| {
        invalid(BASE_URL, "", "the provider `openai` needs it, such as https://api.openai.com/v1")
    })?;
    server_url(BASE_URL, base, &["chat", "completions"])
}

/// The name that the server takes for the bound, as far as its host tells.
fn usual_limit(url: &Url) -> Limit {
    let host = url.host_str().unwrap_or_default();
    if host == "api.openai.com" || host.ends_with(".openai.azure.com") {
        return Limit::MaxCompletionTokens;
    }
    Limit::MaxTokens
}

impl remote::Api for Api {
    type Message = Sse;
    type Reply = Reply;

    /// OpenAI and Azure send nothing while a model thinks, not even the head of an answer:
    /// <https://github.com/BerriAI/litellm/issues/36992>
    const THINKS_IN_SILENCE: bool = true;

    fn sent(turns: &[Turn]) -> Vec<usize> {
        messages::sent(turns).collect()
    }

    fn body(
        &self,
        request: &Request,
        model: &str,
        max_tokens: u64,
        takes: Takes,
    ) -> Result<Vec<u8>, ProviderError> {
        body(request, model, max_tokens, takes, self.limit)
    }

    async fn send(&self, body: Vec<u8>, sending: Sending<'_>) -> Result<Messages<Sse>, Failure> {
        let by = sending.by;
        let response = self.http.post(&self.url, headers(sending), body, by).await?;
        if has_frames(&response) {
            return Ok(frames(response));
        }
        // Some servers say with a 200 that they have failed.
        Err(errors::in_body(self.http.whole_body(response).await))
    }

    fn reply(request: &Request, input: Usage, max_tokens: u64) -> Reply {
        Reply::new(request, input, max_tokens)
    }
}

fn headers(sending: Sending<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(EVENTS));
    headers.extend(sending.authorization.map(|key| (AUTHORIZATION, key)));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_to_the_server_whose_version_is_in_the_path() {
        use Limit::{MaxCompletionTokens, MaxTokens};
        for (name, base, expected, limit) in [
            (
                "OpenAI",
                "https://api.openai.com/v1",
                "https://api.openai.com/v1",
                MaxCompletionTokens,
            ),
            (
                "Azure",
                "https://me.openai.azure.com/openai/v1/",
                "https://me.openai.azure.com/openai/v1",
                MaxCompletionTokens,
            ),
            (
                "Gemini",
                "https://generativelanguage.googleapis.com/v1beta/openai/",
                "https://generativelanguage.googleapis.com/v1beta/openai",
                MaxTokens,
            ),
            ("LiteLLM", "https://litellm.example.com", "https://litellm.example.com", MaxTokens),
            ("vLLM", "http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1", MaxTokens),
            ("Ollama", "http://localhost:11434/v1", "http://localhost:11434/v1", MaxTokens),
            (
                "another host",
                "https://api.openai.com.example.com/v1",
                "https://api.openai.com.example.com/v1",
                MaxTokens,
            ),
        ] {
            let config = [(BASE_URL, base)].into_iter().collect();
            let url = url(&config).unwrap();
            assert_eq!(url.as_str(), format!("{expected}/chat/completions"), "{name}");
            assert_eq!(usual_limit(&url), limit, "{name}");
            assert!(check(&config).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_provider_without_its_url_is_refused_by_the_name_of_the_parameter() {
        for settings in [&[][..], &[(BASE_URL, "")], &[(BASE_URL, "http://vllm.example.com/v1")]] {
            let error = check(&settings.iter().copied().collect()).unwrap_err().to_string();
            assert!(error.contains("the parameter OpenaiBaseUrl"), "{error}");
        }
        let config = [(BASE_URL, "https://example.com/v1"), ("AI_IDLE_MILLISECONDS", "0")];
        assert!(check(&config.into_iter().collect()).is_err());
    }

    #[test]
    fn a_server_that_takes_no_key_gets_none() {
        for key in [None, Some("Bearer sk-1")] {
            let authorization = key.map(HeaderValue::from_static);
            let by = tokio::time::Instant::now();
            let headers = headers(Sending { model: "m", authorization, by });
            let sent = headers.get(AUTHORIZATION).map(|key| key.to_str().unwrap());
            assert_eq!((sent, headers[ACCEPT].to_str().unwrap()), (key, EVENTS));
        }
    }
}
