//! What each method answers.

mod asked;
mod resources;
mod server;
mod tools;

use platform::identity::{Authority, Scope};
use platform::{ConfigError, Platform};
use serde_json::{Value, json};
use tally_tools::Toolbox;

use self::asked::text;
use self::resources::Resources;
use self::tools::Tools;
use crate::protocol::{Era, Fault, RpcRequest, RpcResult};

pub use asked::{Asked, Refusal};

/// The methods.
pub struct Methods {
    tools: Tools,
    resources: Resources,
}

impl Methods {
    /// Uses the tables of every tool.
    pub fn new(platform: &Platform, toolbox: Toolbox) -> Result<Self, ConfigError> {
        Ok(Self { tools: Tools::new(toolbox), resources: Resources::new(platform)? })
    }

    /// The scope that a request needs and the caller lacks. A tool or a resource that the roles of
    /// the caller hide needs none.
    pub fn missing_scope(&self, message: &RpcRequest, authority: &Authority) -> Option<Scope> {
        let tool = match message.method.as_str() {
            "tools/call" => message.params.get("name").and_then(Value::as_str),
            "resources/read" => resources::tool_of(message.params.get("uri")?.as_str()?),
            _ => None,
        };
        self.tools.missing_scope(tool?, authority)
    }

    /// Answers a request.
    pub async fn answer(&self, asked: &Asked<'_>) -> Result<RpcResult, Refusal> {
        let Asked { message, era, authority, .. } = asked;
        match (message.method.as_str(), *era) {
            ("initialize", Era::Legacy) => server::initialize(message),
            ("ping", Era::Legacy) => Ok(RpcResult::default()),
            ("server/discover", Era::Modern) => Ok(server::discover()),
            ("tools/list", _) => {
                first_page(message)?;
                Ok(self.tools.list(authority))
            }
            ("tools/call", _) => self.tools.call(asked).await,
            ("resources/list", _) => {
                first_page(message)?;
                Ok(resources::list(&self.tools, authority))
            }
            ("resources/templates/list", _) => {
                first_page(message)?;
                Ok(resources::templates(&self.tools, authority))
            }
            ("resources/read", _) => self.resources.read(&self.tools, asked).await,
            // There are no prompts. Clients ask for them all the same.
            ("prompts/list", _) => {
                first_page(message)?;
                Ok(RpcResult::default().with("prompts", json!([])).cacheable())
            }
            ("prompts/get", _) => {
                text(message, "name")?;
                Err(Fault::invalid_params("`params.name` names no prompt: there are none.").into())
            }
            _ => Err(Fault::no_method(*era).into()),
        }
    }
}

/// Refuses a cursor. Each list is one page, so the server has given none.
fn first_page(message: &RpcRequest) -> Result<(), Fault> {
    match message.params.get("cursor") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Fault::invalid_params("The list has one page: leave `cursor` out.")),
    }
}
