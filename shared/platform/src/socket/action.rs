//! A WebSocket action: its row of the route table, its input and output, and its handler.

use std::future::Future;

use jiff::Timestamp;

use super::frame::ServerMessage;
use crate::config::ConfigError;
use crate::context::Context;
use crate::idempotency::IdempotencyKey;
use crate::identity::Identity;
use crate::input::Input;
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
    type Body: Input;
    /// Output of a success.
    type Output: ServerMessage;

    /// Makes the action once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// Does the work, but writes nothing itself: the plan holds the writes.
    ///
    /// The answer, if there is one, is posted after the commit and before the steps that follow it.
    /// So a worker's first message comes after the answer. An error is posted, and is audited as a
    /// failure if the route is audited.
    fn handle(
        &self,
        message: Message<'_, Self>,
    ) -> impl Future<Output = Result<Plan<Option<Self::Output>>, Problem>> + Send;

    /// On an idempotent route, the key of a message that has one, and the rest of its content as
    /// text.
    fn repetition(_body: &Self::Body) -> Option<(&IdempotencyKey, String)> {
        None
    }

    /// Answers a repeated message on an idempotent route, with the current state of the resource
    /// that the first one created.
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
    /// Its content.
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
