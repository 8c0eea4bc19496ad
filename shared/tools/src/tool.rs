//! A tool: its description, its input and output, and its work.

use std::future::Future;

use jiff::Timestamp;
use platform::domain::Role;
use platform::idempotency::IdempotencyKey;
use platform::identity::{Principal, Scope};
use platform::input::Input;
use platform::limits::Policy;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use serde_json::{Map, Value};
use tally_access::sources::Sources;
use utoipa::ToSchema;

/// Audit action of tools whose work has none of its own.
pub const CALLED: &str = "tool.called";

/// Bytes of an output, at most. A tool cuts a longer list at an item.
pub const OUTPUT_BYTES: usize = 32 * 1024;

/// What a tool is, and who may use it.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Name, 1 to 64 of `[a-z_]`.
    pub name: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// Its purpose and its bounds, for a model.
    pub description: &'static str,
    /// The scope that an API key needs.
    pub scope: Scope,
    /// The roles of which the user needs one; none where every user may use it.
    pub roles: &'static [Role],
    /// What it does to data.
    pub effect: Effect,
    /// For a tool that writes: whether a second call with the same arguments changes nothing.
    pub idempotent: bool,
    /// Audit action of a call.
    pub action: &'static str,
    /// Its limits, beside those of the caller's own way in.
    pub limits: &'static [Policy],
}

/// What a tool does to data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It reads.
    Read,
    /// It adds data, or changes it in a way that loses nothing.
    Write,
    /// It overwrites or deletes data.
    Destroy,
    /// It changes only the notes that the model keeps for the conversation. The user never confirms
    /// it.
    Note,
}

/// Who calls, when, and with which arguments.
#[derive(Debug, Clone, Copy)]
pub struct Given<'a> {
    /// The caller.
    pub caller: &'a Principal,
    /// The time of the call.
    pub now: Timestamp,
    /// The arguments as they were sent. A cursor is sealed to them.
    pub arguments: &'a Map<String, Value>,
    /// The conversation in which a model calls; `None` for an MCP client.
    pub conversation_id: Option<&'a str>,
    /// The columns that the model had seen when it asked for the call; `None` for an MCP client. A
    /// tool that keeps a text of the model keeps them with it.
    pub seen: Option<&'a Sources>,
}

/// The output of a tool, and the cells that it comes from.
#[derive(Debug, Clone)]
pub struct Found<O> {
    /// The output.
    pub output: O,
    /// The columns that it comes from. The reply of the model is for readers of these alone.
    pub sources: Sources,
}

impl<O> From<O> for Found<O> {
    fn from(output: O) -> Self {
        Self { output, sources: Sources::default() }
    }
}

/// A tool.
pub trait Tool: Sized + Send + Sync + 'static {
    /// What it is.
    const ABOUT: About;
    /// Its arguments. Their schema is that of an object.
    type Input: Input + ToSchema + Send + Sync;
    /// Its output: the JSON of the HTTP route that does the same, an object.
    type Output: Serialize + ToSchema + Send + 'static;

    /// Makes the tool once per process.
    fn new(platform: &Platform) -> Result<Self, ConfigError>;

    /// One sentence that says what the call will do, with names as the store has them. It is for
    /// the person who confirms the call, so texts in it are [`quoted`](crate::quoted). A tool that
    /// only reads has a sentence too, because an agent may ask for a confirmation of every call.
    fn preview(
        &self,
        given: Given<'_>,
        input: &Self::Input,
    ) -> impl Future<Output = Result<String, Problem>> + Send;

    /// Does the work, but writes nothing itself: the plan holds the writes.
    fn handle(
        &self,
        given: Given<'_>,
        input: Self::Input,
    ) -> impl Future<Output = Result<Plan<Found<Self::Output>>, Problem>> + Send;

    /// The `idempotency_key` of a call that has one. The plan of such a call names the resource
    /// that it creates.
    fn repetition(_input: &Self::Input) -> Option<&IdempotencyKey> {
        None
    }

    /// Answers a repeated call with the current state of the resource that the first one created.
    fn repeat(
        &self,
        _given: Given<'_>,
        _input: Self::Input,
        _created: &str,
    ) -> impl Future<Output = Result<Plan<Found<Self::Output>>, Problem>> + Send {
        async { Err(Problem::internal()) }
    }

    /// One sentence for people that says what was done. `None` for a list, whose items are counted.
    fn summary(_: &Self::Output) -> Option<String> {
        None
    }

    /// The output as a model reads it.
    fn text(output: &Self::Output) -> Result<String, serde_json::Error> {
        serde_json::to_string(output)
    }
}
