//! What a WebSocket action is: its row of the route table, what it takes and gives, and its handler.

use std::future::Future;

use jiff::Timestamp;

use super::frame::ServerMessage;
use crate::config::ConfigError;
use crate::context::Context;
use crate::idempotency::IdempotencyKey;
use crate::identity::Identity;
use crate::input::Form;
use crate::plan::Plan;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::routes::ActionRoute;
use crate::store::Connection;

/// One action that messages can name.
pub trait Action: Sized + Send + Sync + 'static {
    /// Its row of the route table.
    const ROUTE: ActionRoute;

    /// Members of the message beside `action` and `id`.
    type Body: Form;
    /// What success is answered with.
    type Output: ServerMessage;

    /// Makes the action once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Does the work, but writes nothing: that is what the plan is for. Its answer, if it has one, is posted after the
    /// commit and before what follows it, so that a worker's first message comes after the answer. An error is posted,
    /// and audited as a failure where the route is audited.
    fn handle(&self, message: Message<'_, Self>) -> impl Future<Output = Result<Plan<Option<Self::Output>>, Problem>> + Send;

    /// On a route that is idempotent: the key of a message that has one, and all else that it says.
    fn repetition(_body: &Self::Body) -> Option<(&IdempotencyKey, String)> {
        None
    }

    /// On a route that is idempotent: the answer to a message that has been sent again, with what the first one created as it is now.
    fn repeat(
        &self,
        _message: Message<'_, Self>,
        _created: &str,
    ) -> impl Future<Output = Result<Plan<Option<Self::Output>>, Problem>> + Send {
        async { Err(Problem::internal()) }
    }
}

/// A message that has passed every check before the work.
pub struct Message<'a, A: Action> {
    /// Who sent it.
    pub caller: &'a Identity,
    /// What it says.
    pub body: A::Body,
    /// The client's own id for it, which answers echo.
    pub id: Option<&'a str>,
    /// The connection it came over.
    pub connection: &'a Connection,
    /// Where it came from.
    pub context: &'a Context,
    /// When it arrived.
    pub now: Timestamp,
}
