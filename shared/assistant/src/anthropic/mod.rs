//! `anthropic`: Claude, by the Messages API with server-sent events, in the same way as the
//! provider's own SDK for Python.
//!
//! <https://platform.claude.com/docs/en/api/messages>

use platform::config::Config;
use platform::{ConfigError, Platform};
use reqwest::Url;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue};
use serde::Deserialize;
use sse_stream::Sse;

use crate::claude::{self, Purpose, StreamEvent};
use crate::domain::Usage;
use crate::error::{Fault, ProviderError};
use crate::provider::Provider;
use crate::remote::{
    self, EVENTS, Failure, Http, Key, Messages, Patience, Remote, Sending, Takes, frames,
    has_frames, server_url,
};
use crate::request::{Request, Turn};

/// The setting with the URL of the server.
const BASE_URL: &str = "ANTHROPIC_BASE_URL";

/// Its default: the provider itself.
const PROVIDER: &str = "https://api.anthropic.com";

/// The version of the API that this code uses.
const VERSION: &str = "2026-10-21";

/// The provider. Settings: `ANTHROPIC_BASE_URL`, `ANTHROPIC_KEY_ARN` (a secret with the key), and
/// those of [`Remote`] and [`Patience`].
pub(crate) fn provider(platform: &Platform) -> Result<impl Provider + use<>, ConfigError> {
    let patience = Patience::from_config(&platform.config)?;
    let urls = Urls::from_config(&platform.config)?;
    let http = Http::new(platform, patience, (BASE_URL, &urls.call), |_, body| {
        claude::errors::said(body)
    })?;
    let key = Key::required(platform, "ANTHROPIC_KEY_ARN")?;
    Remote::new(platform, Api { http, urls }, key, patience, Takes::ALL)
}

/// Checks whether [`provider`] can read its own settings.
pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
    Patience::from_config(config)?;
    Urls::from_config(config).map(drop)
}

/// The API.
struct Api {
    http: Http,
    urls: Urls,
}

/// Where the requests go.
struct Urls {
    call: Url,
    count: Url,
}

impl Urls {
    fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let base = config.get(BASE_URL).unwrap_or(PROVIDER);
        Ok(Self {
            call: server_url(BASE_URL, base, &["v1", "messages"])?,
            count: server_url(BASE_URL, base, &["v1", "messages", "count_tokens"])?,
        })
    }
}

impl remote::Api for Api {
    type Message = Sse;
    type Reply = claude::Reply;

    const COUNTS: bool = true;

    fn sent(turns: &[Turn]) -> Vec<usize> {
        claude::sent(turns).collect()
    }

    fn body(
        &self,
        request: &Request,
        model: &str,
        max_tokens: u64,
        takes: Takes,
    ) -> Result<Vec<u8>, ProviderError> {
        claude::body(request, Purpose::Call { model, max_tokens }, takes)
    }

    async fn send(&self, body: Vec<u8>, sending: Sending<'_>) -> Result<Messages<Sse>, Failure> {
        let by = sending.by;
        let response = self.http.post(&self.urls.call, headers(EVENTS, sending), body, by).await?;
        if has_frames(&response) {
            return Ok(frames(response));
        }
        Err(Failure::lasting(Fault::Broken, "the answer is not an event stream"))
    }

    fn reply(request: &Request, input: Usage, max_tokens: u64) -> claude::Reply {
        claude::Reply::new(request, input, max_tokens)
    }

    /// <https://platform.claude.com/docs/en/build-with-claude/token-counting>
    async fn count(
        &self,
        request: &Request,
        takes: Takes,
        sending: Sending<'_>,
    ) -> Result<u64, Failure> {
        let body = claude::body(request, Purpose::Count { model: sending.model }, takes)?;
        let by = sending.by;
        let headers = headers("application/json", sending);
        let response = self.http.post(&self.urls.count, headers, body, by).await?;
        counted(&self.http.whole_body(response).await?)
    }
}

/// The headers of a request whose answer has this media type.
fn headers(accept: &'static str, sending: Sending<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static(VERSION));
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    headers.extend(sending.authorization.map(|key| (AUTHORIZATION, key)));
    headers
}

impl claude::Message for Sse {
    fn event(&self) -> Result<Option<StreamEvent>, Failure> {
        StreamEvent::read(self.event.as_deref(), self.data.as_deref())
    }
}

/// The answer to a request for a count.
#[derive(Deserialize)]
struct Counted {
    input_tokens: u64,
}

fn counted(body: &[u8]) -> Result<u64, Failure> {
    let counted = serde_json::from_slice::<Counted>(body);
    let counted = counted.map_err(|_| Failure::passing(Fault::Broken, "the answer has no count"));
    Ok(counted?.input_tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_counts_go_to_the_same_server() {
        for (base, expected) in [
            ("", "https://api.anthropic.com/v1/messages"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/messages"),
        ] {
            let urls = Urls::from_config(&[(BASE_URL, base)].into_iter().collect()).unwrap();
            assert_eq!(urls.call.as_str(), expected);
            assert_eq!(urls.count.as_str(), format!("{expected}/count_tokens"));
        }
    }

    #[test]
    fn the_count_is_read_or_the_answer_is_broken() {
        for (body, expected) in [
            (r#"{"input_tokens": 2095}"#, Some(2_095)),
            (r#"{"input_tokens": 0, "new": {}}"#, Some(0)),
            ("{}", None),
            (r#"{"input_tokens": -1}"#, None),
            (r#"{"input_tokens": "7"}"#, None),
            ("<html>", None),
            ("", None),
        ] {
            let found = counted(body.as_bytes());
            let fault = found.as_ref().err().map(|failure| failure.error.fault);
            assert_eq!(fault, expected.is_none().then_some(Fault::Broken), "{body}");
            assert_eq!(found.ok(), expected, "{body}");
        }
    }
}
