//! `GET /agents`, `GET|PUT|DELETE /agents/{name}`: the agents that answer in a chat. Users see
//! those that they may use. Administrators see all, and change them.

mod change;
mod delete;
mod read;
mod set;

use platform::Problem;
use platform::http::PathParameter;
use platform::request::HttpCall;
use tally_chat::domain::{AgentName, NotAName};

pub use change::AgentChange;
pub use delete::DeleteAgent;
pub use read::{ListAgents, ReadAgent};
pub use set::{AgentSet, SetAgent};

/// The endpoints of this function.
pub type Endpoints = (ListAgents, ReadAgent, SetAgent, DeleteAgent);

/// The parameter of the paths below `/agents`.
const PATH: &[PathParameter] =
    &[PathParameter::matching("name", "Name of the agent.", "^[a-z][a-z0-9-]{0,39}$")];

/// The name in the path. Another text names no agent, so it is answered 404.
fn named(call: &HttpCall) -> Result<AgentName, Problem> {
    call.path_parameter("name").parse().map_err(|NotAName| Problem::not_found())
}
