//! The HTTP client for the provider. It follows no redirect and uses no proxy, and its answers are
//! bounded in time and size.

use std::sync::OnceLock;
use std::time::Duration;

use form_urlencoded::{Serializer, byte_serialize};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::aws::describe;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, RequestBuilder, StatusCode, Url, redirect};

/// The longest time from the first packet to the end of an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of an answer at most.
const LARGEST: usize = 512 * 1024;

/// An answer of the provider that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// There is no answer, or it broke off.
    #[error("{0}")]
    Transport(String),
    /// The answer to a GET has another status than 200.
    #[error("the answer has the status {0}")]
    Status(StatusCode),
    /// The answer is too large.
    #[error("the answer has more than {LARGEST} bytes")]
    TooLarge,
    /// The document has another form or content than it should.
    #[error("{0}")]
    Document(String),
}

/// The log names the URL in a field.
impl From<reqwest::Error> for FetchError {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(describe(&error.without_url()))
    }
}

/// The client. The first request makes it, because it reads the certificates of the system. A cold
/// start would pay for that.
#[derive(Default)]
pub(super) struct HttpClient {
    client: OnceLock<Client>,
}

impl HttpClient {
    /// The body of a document.
    pub fn get<'a>(&'a self, url: &'a Url) -> BoxFuture<'a, Result<Vec<u8>, FetchError>> {
        async move {
            let request = self.client()?.get(url.clone()).header(ACCEPT, "application/json");
            match answer(request).await? {
                (StatusCode::OK, body) => Ok(body),
                (status, _) => Err(FetchError::Status(status)),
            }
        }
        .boxed()
    }

    /// The status and the body of the answer to a form. `basic` has the id and the secret of a
    /// client, which are encoded as RFC 6749 section 2.3.1 has it.
    pub fn post_form<'a>(
        &'a self,
        url: &'a Url,
        form: &'a [(&'a str, &'a str)],
        basic: Option<(&'a str, &'a str)>,
    ) -> BoxFuture<'a, Result<(StatusCode, Vec<u8>), FetchError>> {
        async move {
            let body = Serializer::new(String::new()).extend_pairs(form).finish();
            let request = self
                .client()?
                .post(url.clone())
                .header(ACCEPT, "application/json")
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(body);
            let request = match basic {
                Some((id, secret)) => request.basic_auth(encoded(id), Some(encoded(secret))),
                None => request,
            };
            answer(request).await
        }
        .boxed()
    }

    fn client(&self) -> Result<&Client, FetchError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().referer(false);
        let client = client
            .timeout(PATIENCE)
            // Lambda freezes the process between two requests. A connection that was kept may be
            // dead when it goes on, and a code of the provider cannot be sent twice.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

async fn answer(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), FetchError> {
    let mut response = request.send().await?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > LARGEST {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&piece);
    }
    Ok((response.status(), body))
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
