//! `GET /health`: the function is alive. It calls no other service, so it says nothing about
//! anything but itself.

use platform::http::{Plain, PlainEndpoint};
use platform::plan::Reply;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = Plain<(ReadHealth,)>;

/// The endpoint.
pub struct ReadHealth;

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alive {
    /// Always `ok`.
    #[schema(example = "ok")]
    pub status: &'static str,
    /// Version of the deployment.
    #[schema(example = "0.1.0")]
    pub version: &'static str,
}

impl PlainEndpoint for ReadHealth {
    const ROUTE: Route = routes::HEALTH;
    type Output = Alive;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: &HttpCall) -> Result<Reply<Alive>, Problem> {
        Ok(Reply::new(Alive { status: "ok", version: env!("CARGO_PKG_VERSION") }))
    }
}
