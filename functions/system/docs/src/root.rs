//! `GET /`.

use platform::config::Config;
use platform::http::PlainEndpoint;
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// `GET /`.
pub struct ReadService {
    config: Config,
    websocket_url: String,
}

/// The URLs of this service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Service {
    /// Always `tally`.
    #[schema(example = "tally")]
    pub name: &'static str,
    /// Version of the deployment.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
    /// The documentation as a page.
    #[schema(example = "https://api.example.com/docs")]
    pub docs_url: String,
    /// The OpenAPI document.
    #[schema(example = "https://api.example.com/openapi.json")]
    pub openapi_url: String,
    /// Whether the API is alive.
    #[schema(example = "https://api.example.com/health")]
    pub health_url: String,
    /// The WebSocket API.
    #[schema(example = "wss://ws.example.com/live")]
    pub websocket_url: String,
}

impl PlainEndpoint for ReadService {
    const ROUTE: Route = routes::ROOT;
    type Output = Service;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            websocket_url: platform.config.require("WEBSOCKET_URL")?.to_owned(),
            config: platform.config.clone(),
        })
    }

    async fn handle(&self, call: &HttpCall) -> Result<Reply<Service>, Problem> {
        let url = call.context.public_url(&self.config);
        Ok(Reply::new(Service {
            name: "tally",
            version: env!("CARGO_PKG_VERSION"),
            docs_url: format!("{url}/docs"),
            openapi_url: format!("{url}/openapi.json"),
            health_url: format!("{url}/health"),
            websocket_url: self.websocket_url.clone(),
        }))
    }
}
