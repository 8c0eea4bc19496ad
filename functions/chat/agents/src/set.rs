//! `PUT /agents/{name}`.

use assistant::pricing::Pricing;
use futures_util::FutureExt as _;
use http::StatusCode;
use platform::audit::AuditDetails;
use platform::http::{
    Answer, Header, IfMatch, Output, PathParameter, Rendered, Versioned, with_version,
};
use platform::identity::Identity;
use platform::plan::{Reply, Retry};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::{Agent, AgentName};
use tally_chat::store::{AgentPlace, Agents};
use tally_prompts::Registry;

use crate::change::AgentChange;
use crate::{PATH, named};

/// `PUT /agents/{name}`. It creates the agent, or replaces it. Without `If-Match` it replaces any
/// version.
pub struct SetAgent {
    agents: Agents,
    users: Users,
    /// The prices of models, where replies cost something.
    pricing: Option<Pricing>,
    prompts: Registry,
}

/// The agent as it was set, with its version as `ETag`.
pub struct AgentSet(Versioned<Agent>);

/// The change while it is decided.
struct Setting {
    agents: Agents,
    users: Users,
    admin_id: String,
    name: AgentName,
    change: AgentChange,
    if_match: IfMatch,
}

impl Output for AgentSet {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        self.0.render()
    }

    fn describe() -> Vec<Answer> {
        let created = Answer::json::<Agent>().status(StatusCode::CREATED);
        vec![
            Answer::json::<Agent>().header(Header::ETag),
            created.header(Header::ETag).header(Header::Location),
        ]
    }
}

impl Endpoint for SetAgent {
    const ROUTE: Route = routes::AGENT_SET;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::PreconditionFailed];
    type Caller = Identity;
    type Body = AgentChange;
    type Query = ();
    type Output = AgentSet;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            agents: Agents::new(platform)?,
            users: Users::new(platform)?,
            pricing: Pricing::from_config(&platform.config)?,
            prompts: Registry::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<AgentSet>, Problem> {
        let name = named(request.call)?;
        let change = request.body;
        // A model without a price would be free.
        let is_priced =
            |model: &str| self.pricing.as_ref().is_some_and(|pricing| pricing.is_priced(model));
        if change.model.as_ref().is_some_and(|model| !is_priced(model.as_str())) {
            let detail = "must be a model that has a price in this deployment";
            return Err(Problem::invalid_field("model", detail));
        }
        if self.prompts.find_for_chat(&change.prompt).await?.is_none() {
            let detail = "must be a prompt of the kind chat that exists and is not archived";
            return Err(Problem::invalid_field("prompt", detail));
        }
        let place = self.agents.find(name.as_str()).await?;
        let setting = Setting {
            agents: self.agents.clone(),
            users: self.users.clone(),
            admin_id: request.caller.user_id,
            name,
            change,
            if_match: IfMatch::of(request.call),
        };
        setting.plan(&place)
    }
}

impl Setting {
    fn plan(self, place: &AgentPlace) -> Result<Plan<AgentSet>, Problem> {
        let is_new = place.agent.is_none();
        if !self.if_match.allows(place.agent.as_ref().map(|agent| agent.version)) {
            let details = AuditDetails::default().resource("agent", self.name.as_str());
            return Ok(Plan::refuse(Problem::precondition_failed()).details(details));
        }
        let agent = self.change.agent(&self.name, place.version + 1);
        let details = details(&agent).detail("created", is_new);
        let put = self.agents.put(&agent, place.version)?;
        let still = self.users.on_word_of(&self.admin_id, AdminsChange::Stay);
        let path = format!("/agents/{}", self.name);
        let reply = with_version(Reply::new(agent), |agent| agent.version).map(AgentSet);
        let reply = if is_new { reply.status(StatusCode::CREATED).location(&path) } else { reply };
        // Another administrator was faster.
        let again: Retry<AgentSet> = Box::new(move |found| {
            async move {
                let place = self.agents.read(found)?;
                self.plan(&place)
            }
            .boxed()
        });
        Ok(Plan::reply(reply)
            .details(details)
            .write_or_retry(put, again)
            .write_or(still, Problem::no_longer_admin()))
    }
}

/// The parts of an agent that decide about its rights and its cost, for the event.
fn details(agent: &Agent) -> AuditDetails {
    let roles: Vec<_> = agent.roles.iter().map(|role| role.as_str()).collect();
    AuditDetails::default()
        .resource("agent", &agent.name)
        .detail("version", agent.version)
        .detail("prompt", agent.prompt.to_string())
        .detail("tools", agent.tools.clone())
        .detail("model", agent.model.as_deref().unwrap_or("default"))
        .detail("max_steps", agent.max_steps)
        .detail("max_cost_usd", agent.max_cost_usd.to_string())
        .detail("confirm", agent.confirm.as_str())
        .detail("roles", roles)
        .detail("enabled", agent.enabled)
}
