//! One request to the API, until the head of its answer is there.

use jiff::Timestamp;
use platform::clock::Clock;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, StatusCode, Url};
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::Failure;
use super::settings::Patience;
use crate::error::Fault;

/// The version of the API that this code uses.
const VERSION: &str = "2026-10-21";

/// Bytes of a body that are read at most, if it is no stream.
const LARGEST_BODY: usize = 64 * 1024;

/// The parts that a request needs.
pub(super) struct Line<'a> {
    pub client: &'a Client,
    pub url: &'a Url,
    pub patience: Patience,
    pub clock: &'a Clock,
}

impl Line<'_> {
    /// Sends a body and waits for the head of a 200 until `by`. `accept` is the media type of the
    /// answer.
    pub async fn post(
        &self,
        authorization: HeaderValue,
        accept: &'static str,
        body: Vec<u8>,
        by: Instant,
    ) -> Result<Response, Failure> {
        let request = self
            .client
            .post(self.url.clone())
            .header(AUTHORIZATION, authorization)
            .header("anthropic-version", VERSION)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, accept)
            .body(body);
        let response = timeout_at(by, request.send())
            .await
            .map_err(|_| silent())?
            .map_err(Failure::of_transport)?;
        if response.status() != StatusCode::OK {
            return Err(failure_of(response, self.patience, self.clock.now()).await);
        }
        Ok(response)
    }
}

/// The whole body of an answer that is no stream.
pub(super) async fn body_of(
    mut response: Response,
    patience: Patience,
) -> Result<Vec<u8>, Failure> {
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
    timeout(patience.idle, read).await.map_err(|_| silent())??;
    Ok(body)
}

/// The failure of a provider that sends nothing.
pub(super) fn silent() -> Failure {
    Failure::passing(Fault::TimedOut, "the provider sent nothing for too long")
}

/// The failure that an answer other than 200 stands for. Its body is a help, and no more: it is
/// read within limits of time and size.
async fn failure_of(mut response: Response, patience: Patience, now: Timestamp) -> Failure {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(piece)) = response.chunk().await
            && body.len() < LARGEST_BODY
        {
            body.extend_from_slice(&piece);
        }
    };
    // A body that cannot be read in time is no error.
    let _ = timeout(patience.idle, read).await;
    Failure::of_status(response.status(), response.headers(), &body, now)
}
