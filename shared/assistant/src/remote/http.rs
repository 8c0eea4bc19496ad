//! One POST to a server, until the head of its answer is there.

use jiff::Timestamp;
use platform::clock::Clock;
use platform::config::invalid;
use platform::{ConfigError, Platform};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url, redirect};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{Failure, Said};
use super::settings::Patience;
use crate::error::Fault;

/// Bytes of a body that are read at most, if it is no stream.
const LARGEST_BODY: usize = 64 * 1024;

/// Reads the body of an answer with another status than 200.
type Says = fn(StatusCode, &[u8]) -> Said;

/// The HTTP client of a provider.
pub(crate) struct Http {
    client: Client,
    patience: Patience,
    clock: Clock,
    says: Says,
}

impl Http {
    /// A client for the server that the setting `name` names. `says` reads its errors.
    pub fn new(
        platform: &Platform,
        patience: Patience,
        (name, url): (&str, &Url),
        says: Says,
    ) -> Result<Self, ConfigError> {
        // Without proxies and redirects: the key goes to the configured URL alone.
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().referer(false);
        let client = client
            .connect_timeout(patience.connect)
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")));
        let client =
            client.build().map_err(|error| invalid(name, url.as_str(), &error.to_string()))?;
        Ok(Self { client, patience, clock: platform.clock.clone(), says })
    }

    /// Sends a body of JSON, and waits for the head of a 200 until `by`.
    pub async fn post(
        &self,
        url: &Url,
        headers: HeaderMap,
        body: Vec<u8>,
        by: Instant,
    ) -> Result<Response, Failure> {
        let json = HeaderValue::from_static("application/json");
        let request = self.client.post(url.clone()).headers(headers).header(CONTENT_TYPE, json);
        let response = timeout_at(by, request.body(body).send())
            .await
            .map_err(|_| silent())?
            .map_err(Failure::of_transport)?;
        if response.status() != StatusCode::OK {
            return Err(self.failure_of(response, self.clock.now()).await);
        }
        Ok(response)
    }

    /// The whole body of an answer that is no stream.
    pub async fn whole_body(&self, mut response: Response) -> Result<Vec<u8>, Failure> {
        let mut body = Vec::new();
        let read = async {
            while let Some(piece) = response.chunk().await.map_err(Failure::of_transport)? {
                if body.len() + piece.len() > LARGEST_BODY {
                    return Err(Failure::lasting(Fault::Broken, "the answer is too long"));
                }
                body.extend_from_slice(&piece);
            }
            Ok(())
        };
        timeout(self.patience.idle, read).await.map_err(|_| silent())??;
        Ok(body)
    }

    /// The failure that an answer other than 200 stands for. Its body is a help, and no more: it is
    /// read within limits of time and size.
    async fn failure_of(&self, mut response: Response, now: Timestamp) -> Failure {
        let mut body = Vec::new();
        let read = async {
            while let Ok(Some(piece)) = response.chunk().await
                && body.len() < LARGEST_BODY
            {
                body.extend_from_slice(&piece);
            }
        };
        // A body that cannot be read in time is no error.
        let _ = timeout(self.patience.idle, read).await;
        let status = response.status();
        Failure::of_status(status, response.headers(), (self.says)(status, &body), now)
    }
}

/// The failure of a provider that sends nothing.
pub(crate) fn silent() -> Failure {
    Failure::passing(Fault::TimedOut, "the provider sent nothing for too long")
}
