//! `GET /openapi.json` and `GET /asyncapi.json`. Both are made from the tables of routes and the types; tests keep them so.

use http::header;
use platform::config::ConfigError;
use platform::http::{Endpoint, Rendered, Request};
use platform::plan::{Plan, Reply};
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};

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
        Ok(document(include_str!("../../../../docs/api/openapi.json")))
    }
}

/// `GET /asyncapi.json`.
pub struct AsyncApi;

impl Endpoint for AsyncApi {
    const ROUTE: Route = routes::ASYNCAPI;
    type Caller = ();
    type Body = ();
    type Query = ();
    type Output = Rendered;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<Rendered>, Problem> {
        Ok(document(include_str!("../../../../docs/api/asyncapi.json")))
    }
}

fn document(text: &'static str) -> Plan<Rendered> {
    let document = Rendered { content_type: "application/json", body: text.into() };
    Plan::reply(Reply::new(document).header(header::CACHE_CONTROL, "public, max-age=300"))
}
