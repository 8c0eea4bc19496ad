//! `GET /openapi.json` and `GET /asyncapi.json`. Both are made from the tables of routes and the
//! types, and tests keep them up to date.

use std::borrow::Cow;

use http::header;
use platform::config::Config;
use platform::http::{Answer, Output, PlainEndpoint, Rendered};
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};

/// The server's URL in docs/api/openapi.json: that of the local stack. Each deployment replaces it
/// with its own.
pub const SERVER_URL: &str = "http://127.0.0.1:8787";

/// `GET /openapi.json`.
pub struct ReadOpenApi {
    config: Config,
}

impl PlainEndpoint for ReadOpenApi {
    const ROUTE: Route = routes::OPENAPI;
    type Output = Document;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { config: platform.config.clone() })
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<Document>, Problem> {
        let url = call.context.public_url(&self.config);
        let text = include_str!("../../../../docs/api/openapi.json");
        Ok(document(text.replacen(SERVER_URL, &url, 1).into()))
    }
}

/// `GET /asyncapi.json`.
pub struct ReadAsyncApi;

impl PlainEndpoint for ReadAsyncApi {
    const ROUTE: Route = routes::ASYNCAPI;
    type Output = Document;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Document>, Problem> {
        Ok(document(include_str!("../../../../docs/api/asyncapi.json").into()))
    }
}

/// A document in JSON.
pub struct Document(Cow<'static, str>);

impl Output for Document {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(Rendered { content_type: "application/json", body: self.0.into_owned().into() })
    }

    fn describe() -> Vec<Answer> {
        vec![Answer::object()]
    }
}

fn document(text: Cow<'static, str>) -> Reply<Document> {
    Reply::new(Document(text)).header(header::CACHE_CONTROL, "public, max-age=300")
}
