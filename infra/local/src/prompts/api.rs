//! The calls of the API.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url, redirect};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::address::ServerUrl;
use super::content::Content;
use super::pause;
use super::problem::CallError;

/// The longest time until there is a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest time until an answer ends. API Gateway's own limit is 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// An API, with a key for it.
pub(crate) struct Api {
    client: Client,
    server: ServerUrl,
}

/// A prompt, without its versions.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Head {
    /// The name.
    pub name: String,
    /// Its purpose, for people.
    #[serde(default)]
    pub description: String,
    /// Whether callers may no longer use it.
    #[serde(default)]
    pub archived: bool,
    /// The version to which each label points.
    #[serde(default)]
    pub labels: BTreeMap<String, u32>,
    /// The number of the newest version. 0 if none is saved.
    pub latest: u32,
}

/// A version.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    /// Its number.
    pub version: u32,
    /// The content.
    #[serde(flatten)]
    pub content: Content,
}

/// A new version.
#[derive(Debug, Serialize)]
pub(crate) struct NewVersion<'a> {
    /// The content.
    #[serde(flatten)]
    pub content: &'a Content,
    /// The newest version, from which it was made.
    pub based_on: u32,
    /// The labels that point to it from now on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<&'a str>,
    /// What has changed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'a str>,
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Head>,
    next_cursor: Option<String>,
}

/// A call, which can be made again.
struct Call {
    method: Method,
    url: Url,
    body: Option<Bytes>,
    idempotency_key: Option<String>,
}

impl Call {
    fn get(url: Url) -> Self {
        Self { method: Method::GET, url, body: None, idempotency_key: None }
    }

    fn of(method: Method, url: Url, body: &impl Serialize) -> Self {
        // All keys are strings, so this cannot fail.
        let body = serde_json::to_vec(body).unwrap_or_default().into();
        Self { method, url, body: Some(body), idempotency_key: None }
    }

    /// The same with a key made of its path and body. So the same call makes nothing twice.
    fn idempotent(self) -> Self {
        let body = self.body.as_deref().unwrap_or_default();
        let hashed = [self.url.path().as_bytes(), b"\n", body].concat();
        let key = URL_SAFE_NO_PAD.encode(digest(&SHA256, &hashed));
        Self { idempotency_key: Some(format!("tally-prompts-{key}")), ..self }
    }
}

impl Api {
    /// The API at this URL, called with this key.
    pub(crate) fn new(server: ServerUrl, key: HeaderValue) -> Result<Self, String> {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", key);
        // It follows no redirect: the key goes to the URL that the user has named.
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .referer(false)
            .default_headers(headers)
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")));
        // A proxy would read the key of calls that are not encrypted. Those need no certificates,
        // and reading them takes long.
        let client =
            if server.is_encrypted() { client } else { client.no_proxy().tls_certs_only([]) };
        let client = client.build().map_err(|error| described(&error))?;
        Ok(Self { client, server })
    }

    /// The prompts that are not archived, by name.
    pub(crate) async fn prompts(&self) -> Result<BTreeMap<String, Head>, CallError> {
        let mut prompts = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut url = self.server.at("/prompts");
            if let Some(cursor) = &cursor {
                url.query_pairs_mut().append_pair("cursor", cursor);
            }
            let page: Page = self.read(&Call::get(url)).await?;
            prompts.extend(page.items.into_iter().map(|head| (head.name.clone(), head)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(prompts);
            }
        }
    }

    /// A prompt, if there is one with this name.
    pub(crate) async fn prompt(&self, name: &str) -> Result<Option<Head>, CallError> {
        self.find(&format!("/prompts/{name}")).await
    }

    /// A version of a prompt, if it is there. 0 is the one that is built in.
    pub(crate) async fn version(
        &self,
        name: &str,
        number: u32,
    ) -> Result<Option<Version>, CallError> {
        self.find(&format!("/prompts/{name}/versions/{number}")).await
    }

    /// Saves a version. If the newest one has the same content, it is that one.
    pub(crate) async fn save(
        &self,
        name: &str,
        version: &NewVersion<'_>,
    ) -> Result<Version, CallError> {
        let url = self.server.at(&format!("/prompts/{name}/versions"));
        self.read(&Call::of(Method::POST, url, version).idempotent()).await
    }

    /// Sets the description of a prompt.
    pub(crate) async fn describe(&self, name: &str, description: &str) -> Result<(), CallError> {
        let url = self.server.at(&format!("/prompts/{name}"));
        let call = Call::of(Method::PATCH, url, &json!({ "description": description }));
        self.send(&call).await.map(drop)
    }

    /// Moves a label to a version.
    pub(crate) async fn move_label(
        &self,
        name: &str,
        label: &str,
        version: u32,
        note: Option<&str>,
    ) -> Result<(), CallError> {
        let url = self.server.at(&format!("/prompts/{name}/labels/{label}"));
        let body = match note {
            Some(note) => json!({ "version": version, "note": note }),
            None => json!({ "version": version }),
        };
        self.send(&Call::of(Method::PUT, url, &body)).await.map(drop)
    }

    async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, CallError> {
        match self.read(&Call::get(self.server.at(path))).await {
            Err(CallError::Refused(problem)) if problem.status == 404 => Ok(None),
            answer => answer.map(Some),
        }
    }

    async fn read<T: DeserializeOwned>(&self, call: &Call) -> Result<T, CallError> {
        let body = self.send(call).await?;
        serde_json::from_slice(&body).map_err(|error| CallError::Foreign(error.to_string()))
    }

    /// Makes a call, again while the server asks to wait. Returns the body of the answer.
    async fn send(&self, call: &Call) -> Result<Bytes, CallError> {
        let mut attempt = 1;
        loop {
            let (status, retry_after, body) =
                self.attempt(call).await.map_err(|error| CallError::Unreachable {
                    url: self.server.as_str().to_owned(),
                    reason: described(&error.without_url()),
                })?;
            if status.is_success() {
                return Ok(body);
            }
            let error = CallError::of(status, &body);
            let code = error.code();
            let pause = pause::before_next(status.as_u16(), code, retry_after, attempt);
            let Some(pause) = pause else { return Err(error) };
            tracing::warn!(
                status = status.as_u16(),
                code,
                seconds = pause.as_secs(),
                "the server asks to wait"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    /// The status of an answer, the seconds in `Retry-After`, and the body.
    async fn attempt(
        &self,
        call: &Call,
    ) -> Result<(StatusCode, Option<u64>, Bytes), reqwest::Error> {
        let mut request = self.client.request(call.method.clone(), call.url.clone());
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if let Some(key) = &call.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let response = request.send().await?;
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
        Ok((response.status(), retry_after, response.bytes().await?))
    }
}

/// An error with its causes.
fn described(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_call_has_the_same_key_and_another_one_has_another() {
        let server: ServerUrl = "http://127.0.0.1:8787".parse().unwrap();
        let key = |path: &str, system: &str, based_on: u32, labels: Vec<&str>| {
            let content = json!({"kind": "chat", "system": system});
            let content = serde_json::from_value(content).unwrap();
            let version = NewVersion { content: &content, based_on, labels, note: None };
            Call::of(Method::POST, server.at(path), &version).idempotent().idempotency_key.unwrap()
        };
        let first = key("/prompts/a/versions", "x", 1, vec![]);
        assert!(first.len() <= 128 && first.is_ascii(), "{first}");
        assert_eq!(first, key("/prompts/a/versions", "x", 1, vec![]));
        for other in [
            key("/prompts/b/versions", "x", 1, vec![]),
            key("/prompts/a/versions", "y", 1, vec![]),
            key("/prompts/a/versions", "x", 2, vec![]),
            key("/prompts/a/versions", "x", 1, vec!["staging"]),
        ] {
            assert_ne!(first, other);
        }
    }
}
