//! All tools. The rights of the caller are checked here, before a call takes its path.

use std::collections::BTreeMap;

use jiff::Timestamp;
use platform::context::Context;
use platform::database::Write;
use platform::gate::{Always, Committer, RateLimiter, RequestInfo};
use platform::identity::{Authority, Principal};
use platform::{ConfigError, Platform, Problem};
use serde_json::{Map, Value};
use tally_access::sources::Sources;

use crate::answer::{Answer, Refused};
use crate::entry::{AnyTool, Entry, Gate, Listed};
use crate::tool::{About, Given, Tool};
use crate::tools::{Visitor, visit};

/// All tools.
pub struct Toolbox {
    tools: BTreeMap<&'static str, Box<dyn AnyTool>>,
    gate: Gate,
}

/// A call of a tool.
pub struct Call<'a> {
    /// Name of the tool.
    pub tool: &'a str,
    /// Its arguments.
    pub arguments: &'a Map<String, Value>,
    /// Who calls.
    pub caller: &'a Principal,
    /// The rights of the caller at this moment.
    pub authority: &'a Authority,
    /// From where.
    pub context: &'a Context,
    /// When.
    pub now: Timestamp,
    /// The conversation in which a model calls; `None` for an MCP client.
    pub conversation_id: Option<&'a str>,
    /// The columns that the model had seen when it asked for the call: the sources of its reply;
    /// `None` for an MCP client.
    pub seen: Option<&'a Sources>,
    /// Details that the event has beside those of the tool: `via` and `tool` among them.
    pub details: Vec<(&'static str, Value)>,
    /// Writes that are in the transaction of the call if it succeeds, each with the problem for its
    /// failed condition.
    pub writes: Vec<(Write, Problem)>,
}

/// A toolbox while it is filled.
struct Filling<'a> {
    toolbox: Toolbox,
    platform: &'a Platform,
}

impl Toolbox {
    /// Makes every tool but those of a chat alone. Uses the tables of each, and those of limits,
    /// idempotency and the audit log.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let gate = Gate {
            limiter: RateLimiter::new(platform, "tools".to_owned())?,
            committer: Committer::for_tools(platform)?,
        };
        let toolbox = Self { tools: BTreeMap::new(), gate };
        Ok(visit(Filling { toolbox, platform })?.toolbox)
    }

    /// Adds a tool.
    pub fn with<T: Tool>(mut self, platform: &Platform) -> Result<Self, ConfigError> {
        let entry = Entry { tool: T::new(platform)?, listed: Listed::of::<T>() };
        self.tools.insert(T::ABOUT.name, Box::new(entry));
        Ok(self)
    }

    /// All tools, by name, also those that no caller may use now.
    pub fn all(&self) -> impl Iterator<Item = &Listed> {
        self.tools.values().map(|tool| tool.listed())
    }

    /// The tools that a caller may use now, by name.
    pub fn listed<'a>(&'a self, authority: &'a Authority) -> impl Iterator<Item = &'a Listed> {
        self.all().filter(move |Listed { about, .. }| {
            authority.has_scope(about.scope) && authority.has_role(about.roles)
        })
    }

    /// A tool that this caller may use now.
    pub fn permitted(&self, name: &str, authority: &Authority) -> Result<&Listed, Refused> {
        Ok(self.find(name, authority)?.listed())
    }

    /// One sentence that says what a call will do. The arguments are checked like those of a call.
    pub async fn preview(&self, call: &Call<'_>) -> Result<String, Refused> {
        let tool = self.find(call.tool, call.authority)?;
        Ok(tool.preview(call.given()).await?)
    }

    /// Calls a tool. A problem means that the transaction was not made, unless it is a
    /// [`fault`](Refused::fault): then it may have been.
    pub async fn call(&self, mut call: Call<'_>) -> Result<Answer, Refused> {
        let tool = self.find(call.tool, call.authority)?;
        let always = Always {
            writes: std::mem::take(&mut call.writes),
            details: std::mem::take(&mut call.details),
        };
        let action = Some(tool.listed().about.action);
        let info = RequestInfo { always, ..RequestInfo::new(call.context, call.now, action) };
        Ok(tool.run(call.given(), &self.gate, info).await?)
    }

    /// A tool that this caller may use now. A user without its role does not learn that it exists.
    fn find(&self, name: &str, authority: &Authority) -> Result<&dyn AnyTool, Refused> {
        let tool = self.tools.get(name).ok_or(Refused::Unknown)?;
        let About { scope, roles, .. } = tool.listed().about;
        if !authority.has_role(roles) {
            return Err(Refused::Unknown);
        }
        if !authority.has_scope(scope) {
            return Err(Refused::MissingScope(scope));
        }
        Ok(tool.as_ref())
    }
}

impl Call<'_> {
    fn given(&self) -> Given<'_> {
        let Self { caller, now, arguments, conversation_id, seen, .. } = *self;
        Given { caller, now, arguments, conversation_id, seen }
    }
}

impl Visitor for Filling<'_> {
    type Error = ConfigError;

    fn tool<T: Tool>(self) -> Result<Self, ConfigError> {
        let Self { toolbox, platform } = self;
        Ok(Self { toolbox: toolbox.with::<T>(platform)?, platform })
    }
}
