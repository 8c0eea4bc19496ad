//! `ping`: keeps a connection from idling out, and tells the client that it works both ways.

use platform::routes::{self, ActionRoute};
use platform::socket::{Action, Message, ServerMessage};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use utoipa::ToSchema;

/// The action.
pub struct Ping;

/// The connection works both ways.
#[derive(Debug, Serialize, ToSchema)]
pub struct Pong {}

impl ServerMessage for Pong {
    const TYPE: &'static str = "pong";
}

impl Action for Ping {
    const ROUTE: ActionRoute = routes::PING;
    type Body = ();
    type Output = Pong;

    fn new(_: &Platform) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    async fn handle(&self, _: Message<'_, Self>) -> Result<Plan<Option<Pong>>, Problem> {
        Ok(Plan::reply(Some(Pong {})))
    }
}
