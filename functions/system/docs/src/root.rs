//! `GET /` and `GET /openapi.json`.

use http::header;
use platform::config::{Config, ConfigError};
use platform::http::{Endpoint, Rendered, Request};
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use serde::Serialize;
use utoipa::ToSchema;

/// Made from the route table and the types; a test keeps it so.
const OPENAPI: &str = include_str!("../../../../docs/api/openapi.json");

/// `GET /`.
pub struct Root {
    config: Config,
    websocket_url: String,
}

/// Where everything is.
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

impl Endpoint for Root {
    const ROUTE: Route = routes::ROOT;
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = Service;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { websocket_url: platform.config.require("WEBSOCKET_URL")?.to_owned(), config: platform.config.clone() })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Service>, Problem> {
        let url = request.context.public_url(&self.config);
        Ok(Plan::reply(Service {
            name: "tally",
            version: env!("CARGO_PKG_VERSION"),
            docs_url: format!("{url}/docs"),
            openapi_url: format!("{url}/openapi.json"),
            health_url: format!("{url}/health"),
            websocket_url: self.websocket_url.clone(),
        }))
    }
}

/// `GET /openapi.json`.
pub struct OpenApi;

impl Endpoint for OpenApi {
    const ROUTE: Route = routes::OPENAPI;
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = Rendered;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<Rendered>, Problem> {
        let document = Rendered { content_type: "application/json", body: OPENAPI.into() };
        Ok(Plan::reply(Reply::new(document).header(header::CACHE_CONTROL, "public, max-age=300")))
    }
}
