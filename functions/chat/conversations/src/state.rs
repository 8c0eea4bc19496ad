//! `GET|PUT|DELETE /conversations/{id}/state`: short texts that the assistant keeps for a
//! conversation, and that a client may keep there too.

use futures_util::FutureExt as _;
use platform::clock::Timestamp;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_access::sources::Sources;
use tally_chat::domain::StateValues;
use tally_chat::{Notebook, Opened, Reading};
use utoipa::{PartialSchema as _, ToSchema};

use crate::PATH;

/// `GET /conversations/{id}/state`.
pub struct ReadConversationState {
    notebook: Notebook,
    reading: Reading,
}

/// `PUT /conversations/{id}/state`. All values are replaced.
pub struct SetConversationState {
    notebook: Notebook,
    reading: Reading,
}

/// `DELETE /conversations/{id}/state`. The version stays, and goes on.
pub struct DeleteConversationState {
    notebook: Notebook,
}

/// The working state of a conversation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConversationState)]
pub struct StateView {
    /// The values. There are none in an idle conversation, or if they are withheld.
    #[schema(schema_with = StateValues::schema)]
    pub values: StateValues,
    /// Whether the values are withheld. The assistant kept them while it saw cells that you may no
    /// longer read. Absent if they are not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub withheld: bool,
    /// Number of the changes. Send it back with other values. It never goes back.
    #[schema(example = 3)]
    pub version: u64,
}

/// The values from now on.
#[derive(ToSchema)]
pub struct StateChange {
    /// All values. A key that you leave out loses its value.
    #[schema(schema_with = StateValues::schema)]
    pub values: StateValues,
    /// The version that you have read; 0 if the conversation has never had a state.
    #[schema(example = 2)]
    pub version: u64,
}

/// The deletion while it is decided.
struct Deletion {
    notebook: Notebook,
    now: Timestamp,
}

impl Input for StateChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let values = fields.required("values");
        let version = fields.required("version");
        Some(Self { values: values?, version: version? })
    }
}

impl Endpoint for ReadConversationState {
    const ROUTE: Route = routes::CONVERSATION_STATE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = StateView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { notebook: Notebook::new(platform)?, reading: Reading::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<StateView>, Problem> {
        let (id, user_id) = (request.call.path_id("id")?, &request.caller.user_id);
        let opened = self.notebook.open(user_id, &id).await?.ok_or_else(Problem::not_found)?;
        let state = opened.state(request.now);
        let shown = self.reading.show(user_id, state, request.now).await?;
        let withheld = shown.is_withheld();
        let state = shown.into_inner();
        Ok(Plan::reply(StateView { values: state.values, withheld, version: state.version }))
    }
}

impl Endpoint for SetConversationState {
    const ROUTE: Route = routes::CONVERSATION_STATE_SET;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict];
    type Caller = Principal;
    type Body = StateChange;
    type Query = ();
    type Output = StateView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { notebook: Notebook::new(platform)?, reading: Reading::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<StateView>, Problem> {
        let (id, user_id, now) =
            (request.call.path_id("id")?, &request.caller.user_id, request.now);
        let StateChange { values, version } = request.body;
        let opened = self.notebook.open(user_id, &id).await?.ok_or_else(Problem::not_found)?;
        if opened.is_idle(now) {
            let detail = "The conversation is idle and keeps no state. Send a message first.";
            return Err(Problem::new(Code::Conflict, detail));
        }
        let before = opened.state(now);
        if before.version != version {
            return Err(Problem::conflict());
        }
        // A value that the caller sends back still comes from cells. Of values that are withheld
        // the caller can send none back.
        let before = self.reading.show(user_id, before, now).await?;
        let sources = if values.share_any(&before.values) {
            before.into_inner().sources
        } else {
            Sources::default()
        };
        let (after, [exists, put]) = self.notebook.set(&opened, values, sources, now)?;
        let view = StateView { values: after.values, withheld: false, version: after.version };
        Ok(Plan::reply(view)
            .write_or(exists, Problem::not_found())
            .write_or(put, Problem::conflict()))
    }
}

impl Endpoint for DeleteConversationState {
    const ROUTE: Route = routes::CONVERSATION_STATE_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { notebook: Notebook::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (id, user_id) = (request.call.path_id("id")?, &request.caller.user_id);
        let opened = self.notebook.open(user_id, &id).await?.ok_or_else(Problem::not_found)?;
        Deletion { notebook: self.notebook.clone(), now: request.now }.plan(opened)
    }
}

impl Deletion {
    fn plan(self, opened: Opened) -> Result<Plan<()>, Problem> {
        if !opened.has_values() {
            return Ok(Plan::reply(()));
        }
        let (values, sources) = (StateValues::default(), Sources::default());
        let (_, [exists, put]) = self.notebook.set(&opened, values, sources, self.now)?;
        // The assistant or another client was faster.
        let again: Retry<()> = Box::new(move |found| {
            async move {
                let opened = self.notebook.again(opened, found)?;
                self.plan(opened)
            }
            .boxed()
        });
        Ok(Plan::reply(()).write_or(exists, Problem::not_found()).write_or_retry(put, again))
    }
}
