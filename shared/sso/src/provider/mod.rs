//! The identity provider: its metadata, its keys and its token endpoint.
//!
//! The documents are kept in the process alone. If the provider is down, there are no new tokens
//! either, so a table of its keys would not help.
//!
//! - `client`: HTTP; `cache`: when a document is fetched
//! - `metadata`, `keys`: the documents

mod cache;
mod client;
mod keys;
mod metadata;

use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use jiff::Timestamp;
use platform::{ConfigError, Platform};
use reqwest::{StatusCode, Url};

use crate::store::Outages;
use crate::{Refusal, Settings};
use cache::Cache;
use client::{FetchError, HttpClient};
pub(crate) use keys::Keys;
pub use metadata::Metadata;

/// The identity provider. Nothing is fetched before a call needs it.
#[derive(Clone)]
pub struct Provider {
    shared: Arc<Shared>,
}

platform::opaque!(Provider);

struct Shared {
    settings: Settings,
    client: HttpClient,
    metadata: Cache<Metadata>,
    keys: Cache<Keys>,
    outages: Outages,
}

impl Provider {
    /// The provider of this deployment; `None` where single sign-on is off. All endpoints of a
    /// process share it, and with it the documents.
    pub fn of_process(platform: &Platform) -> Result<Option<Self>, ConfigError> {
        static PROVIDER: OnceLock<Provider> = OnceLock::new();
        let Some(settings) = Settings::from_config(&platform.config)? else { return Ok(None) };
        let provider = Self::new(platform, settings)?;
        Ok(Some(PROVIDER.get_or_init(|| provider).clone()))
    }

    /// The provider of these settings. `OUTAGES_TABLE` names the table where it notes that its keys
    /// do not arrive.
    pub(crate) fn new(platform: &Platform, settings: Settings) -> Result<Self, ConfigError> {
        let shared = Shared {
            settings,
            client: HttpClient::default(),
            metadata: Cache::default(),
            keys: Cache::default(),
            outages: Outages::new(platform)?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// The metadata, at most twelve hours old.
    pub async fn metadata(&self, now: Timestamp) -> Result<Arc<Metadata>, Refusal> {
        let fetch = || {
            let url = &self.shared.settings.metadata_url;
            self.fetch(url, Metadata::parse, now).boxed()
        };
        self.shared.metadata.get(now, |_| true, fetch).await?.ok_or(Refusal::Unavailable)
    }

    /// The keys, at most twelve hours old. They have one of this name: the provider may have
    /// rotated its keys, so an unknown name fetches them again.
    pub(crate) async fn keys(&self, kid: &str, now: Timestamp) -> Result<Arc<Keys>, Refusal> {
        let fetch = || self.fetch_keys(now).boxed();
        self.shared.keys.get(now, |keys| keys.has(kid), fetch).await?.ok_or(Refusal::SIGNATURE)
    }

    /// Sends a form to an endpoint of the provider, and gives the status and the body of its
    /// answer. `basic` has the client's id and secret as they are: both are encoded here.
    pub(crate) async fn post_form(
        &self,
        url: &Url,
        form: &[(&str, &str)],
        basic: Option<(&str, &str)>,
    ) -> Result<(StatusCode, Vec<u8>), Refusal> {
        self.shared.client.post_form(url, form, basic).await.map_err(|error| {
            tracing::error!(%url, %error, "failed to send a form to the identity provider");
            Refusal::Unavailable
        })
    }

    async fn fetch_keys(&self, now: Timestamp) -> Result<Keys, Refusal> {
        let metadata = self.metadata(now).await?;
        let keys = self.fetch(&metadata.jwks_uri, |body, _| Keys::parse(body), now).await;
        match &keys {
            Ok(_) => self.shared.outages.keys_arrived(now).await,
            // The provider may have moved its keys.
            Err(_) => self.shared.metadata.forget(),
        }
        keys
    }

    async fn fetch<T>(
        &self,
        url: &Url,
        parse: fn(&[u8], &Settings) -> Result<T, FetchError>,
        now: Timestamp,
    ) -> Result<T, Refusal> {
        let fetched = self.shared.client.get(url).await;
        match fetched.and_then(|body| parse(&body, &self.shared.settings)) {
            Ok(document) => Ok(document),
            Err(error) => {
                tracing::error!(
                    %url,
                    %error,
                    "failed to fetch a document of the identity provider"
                );
                self.shared.outages.keys_failed(now).await;
                Err(Refusal::Unavailable)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use futures_util::future::join_all;
    use serde_json::json;

    use super::*;
    use crate::samples::{CURVE, FIRST, SECOND, TestProvider, at};

    const HOUR: i64 = 3600;

    /// The refusal of a key name at a second; `None` if the key is there.
    async fn refusal(provider: &Provider, kid: &str, second: i64) -> Option<Refusal> {
        provider.keys(kid, at(second)).await.err()
    }

    #[tokio::test]
    async fn first_calls_at_once_fetch_each_document_once() {
        let server = TestProvider::start().await;
        let provider = server.entra(&[]);
        assert_eq!(server.fetched(), (0, 0), "nothing is fetched before it is needed");
        let refusals = join_all((0..20).map(|_| refusal(&provider, "first", 0))).await;
        assert!(refusals.iter().all(Option::is_none), "{refusals:?}");
        assert_eq!(server.fetched(), (1, 1));
        for second in [1, HOUR, 12 * HOUR - 1] {
            assert_eq!(refusal(&provider, "first", second).await, None);
        }
        assert_eq!(server.fetched(), (1, 1));
        assert_eq!(refusal(&provider, "first", 12 * HOUR).await, None);
        assert_eq!(server.fetched(), (2, 2));
        assert_eq!(provider.metadata(at(12 * HOUR)).await.unwrap().token_endpoint.path(), "/token");
        assert_eq!(server.fetched(), (2, 2));
        assert!(server.writes().is_empty());
    }

    #[tokio::test]
    async fn calls_at_once_share_a_failure() {
        let server = TestProvider::start().await;
        server.answer("/entra", "500 Internal Server Error", "");
        let provider = server.entra(&[]);
        let refusals = join_all((0..20).map(|_| refusal(&provider, "first", 0))).await;
        assert_eq!(refusals, [Some(Refusal::Unavailable); 20]);
        assert_eq!(server.fetched(), (1, 0));
        server.describe(&json!({}));
        assert_eq!(refusal(&provider, "first", 0).await, None, "a later call tries again");
    }

    #[tokio::test]
    async fn a_flood_of_made_up_names_fetches_once_a_minute() {
        let server = TestProvider::start().await;
        let provider = server.entra(&[]);
        for second in 0..120 {
            let names: Vec<_> = (0..8).map(|call| format!("{second}-{call}")).collect();
            let calls = names.iter().map(|name| refusal(&provider, name, second));
            assert_eq!(join_all(calls).await, [Some(Refusal::SIGNATURE); 8]);
            assert_eq!(refusal(&provider, "first", second).await, None);
        }
        assert_eq!(server.fetched(), (1, 2));
        assert_eq!(refusal(&provider, "made-up", 120).await, Some(Refusal::SIGNATURE));
        assert_eq!(server.fetched(), (1, 3));
    }

    #[tokio::test]
    async fn a_rotation_is_seen_at_the_first_new_name() {
        let server = TestProvider::start().await;
        let provider = server.entra(&[]);
        assert_eq!(refusal(&provider, "first", 0).await, None);
        server.publish(&[FIRST.jwk("first"), SECOND.jwk("second")]);
        for name in ["second", "first"] {
            assert_eq!(refusal(&provider, name, 1).await, None);
        }
        server.publish(&[CURVE.jwk("third")]);
        assert_eq!(refusal(&provider, "third", 60).await, Some(Refusal::SIGNATURE));
        assert_eq!(refusal(&provider, "third", 61).await, None);
        assert_eq!(refusal(&provider, "first", 61).await, Some(Refusal::SIGNATURE));
        assert_eq!(server.fetched(), (1, 3));
    }

    #[tokio::test]
    async fn keys_stay_for_twelve_hours_while_no_newer_ones_arrive() {
        let server = TestProvider::start().await;
        let provider = server.entra(&[]);
        assert_eq!(refusal(&provider, "first", 0).await, None);
        server.answer("/keys", "503 Service Unavailable", "");
        for second in [10, 11, 69] {
            let of_new = refusal(&provider, "second", second).await;
            assert_eq!(of_new, Some(Refusal::Unavailable), "its key may be there");
            assert_eq!(refusal(&provider, "first", second).await, None);
        }
        assert_eq!(server.fetched(), (1, 2), "one fetch a minute");
        assert_eq!(refusal(&provider, "second", 70).await, Some(Refusal::Unavailable));
        assert_eq!(server.fetched(), (2, 3), "the provider may have moved its keys");
        assert_eq!(refusal(&provider, "first", 12 * HOUR - 1).await, None);
        assert_eq!(refusal(&provider, "first", 12 * HOUR).await, Some(Refusal::Unavailable));
        server.publish(&[FIRST.jwk("first")]);
        assert_eq!(refusal(&provider, "first", 12 * HOUR).await, None);
        let updates: Vec<_> =
            server.writes().into_iter().map(|write| write["UpdateExpression"].clone()).collect();
        let (failed, arrived) = ("SET #at = :now, expires_at = :expires", "REMOVE #at");
        assert_eq!(updates, [failed, failed, failed, arrived]);
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_used_is_refused() {
        const LARGEST: usize = 512 * 1024;
        let server = TestProvider::start().await;
        let keys = json!({"keys": [FIRST.jwk("first")]}).to_string();
        let spaces = |length: usize| " ".repeat(length - keys.len());
        for (status, body, is_used) in [
            ("200 OK", keys.clone(), true),
            ("200 OK", keys.clone() + &spaces(LARGEST), true),
            ("200 OK", keys.clone() + &spaces(LARGEST + 1), false),
            ("302 Found\r\nlocation: /moved", keys.clone(), false),
            ("201 Created", keys.clone(), false),
            ("404 Not Found", keys.clone(), false),
            ("200 OK", "<html></html>".to_owned(), false),
            ("200 OK", json!({"keys": []}).to_string(), false),
            ("200 OK", json!({"keys": vec![FIRST.jwk("first"); 65]}).to_string(), false),
        ] {
            server.answer("/keys", status, &body);
            let refused = refusal(&server.entra(&[]), "first", 0).await;
            let expected = (!is_used).then_some(Refusal::Unavailable);
            assert_eq!(refused, expected, "{status} {body:.100}");
        }
        assert!(server.requests("GET /moved").is_empty());
        server.publish(&[FIRST.jwk("first")]);
        for patch in [
            json!({"issuer": "https://login.example.com/v2.0"}),
            json!({"jwks_uri": "http://keys.example.com/"}),
            json!({"jwks_uri": null}),
        ] {
            server.describe(&patch);
            let refused = refusal(&server.entra(&[]), "first", 0).await;
            assert_eq!(refused, Some(Refusal::Unavailable), "{patch}");
        }
    }

    #[tokio::test]
    async fn a_form_is_sent_once_and_its_answer_is_given_as_it_is() {
        let server = TestProvider::start().await;
        let provider = server.oidc(&[]);
        let url = provider.metadata(at(0)).await.unwrap().token_endpoint.clone();
        let form = [("code", "a b&c"), ("grant_type", "authorization_code")];
        for (status, body) in [
            ("200 OK", r#"{"id_token": "x"}"#),
            ("400 Bad Request", r#"{"error": "invalid_grant"}"#),
            ("302 Found\r\nlocation: /moved", ""),
            ("500 Internal Server Error", ""),
        ] {
            server.answer("/token", status, body);
            let (answered, text) =
                provider.post_form(&url, &form, Some(("cl:ient", "s e+c/r"))).await.unwrap();
            assert_eq!((answered.as_str(), &text[..]), (&status[..3], body.as_bytes()));
        }
        let requests = server.requests("POST /token");
        assert_eq!(requests.len(), 4);
        let basic = STANDARD.encode("cl%3Aient:s+e%2Bc%2Fr");
        for request in requests {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            assert_eq!(body, "code=a+b%26c&grant_type=authorization_code");
            assert!(head.contains(&format!("authorization: Basic {basic}")), "{head}");
            assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
        }
        server.answer("/token", "200 OK", &" ".repeat(512 * 1024 + 1));
        let refused = provider.post_form(&url, &form, None).await.unwrap_err();
        assert_eq!(refused, Refusal::Unavailable);
        assert!(!server.requests("POST /token")[4].contains("authorization:"));
    }
}
