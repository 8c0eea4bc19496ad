//! `DELETE /agents/{name}`.

use futures_util::FutureExt as _;
use platform::audit::AuditDetails;
use platform::http::{IfMatch, PathParameter};
use platform::identity::Identity;
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::AgentName;
use tally_chat::store::{AgentPlace, Agents};

use crate::{PATH, named};

/// `DELETE /agents/{name}`. Conversations that name the agent keep its name.
pub struct DeleteAgent {
    agents: Agents,
    users: Users,
}

/// The deletion while it is decided.
struct Deletion {
    agents: Agents,
    users: Users,
    admin_id: String,
    name: AgentName,
    if_match: IfMatch,
}

impl Endpoint for DeleteAgent {
    const ROUTE: Route = routes::AGENT_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::PreconditionFailed];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { agents: Agents::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let name = named(request.call)?;
        let place = self.agents.find(name.as_str()).await?;
        let deletion = Deletion {
            agents: self.agents.clone(),
            users: self.users.clone(),
            admin_id: request.caller.user_id,
            name,
            if_match: IfMatch::of(request.call),
        };
        deletion.plan(&place)
    }
}

impl Deletion {
    fn plan(self, place: &AgentPlace) -> Result<Plan<()>, Problem> {
        let details = AuditDetails::default().resource("agent", self.name.as_str());
        let Some(agent) = &place.agent else {
            return Ok(Plan::refuse(Problem::not_found()).details(details));
        };
        if !self.if_match.allows(Some(agent.version)) {
            return Ok(Plan::refuse(Problem::precondition_failed()).details(details));
        }
        let delete = self.agents.delete(self.name.as_str(), place.version)?;
        let still = self.users.on_word_of(&self.admin_id, AdminsChange::Stay);
        let details = details.detail("version", agent.version);
        // Another administrator was faster.
        let again: Retry<()> = Box::new(move |found| {
            async move {
                let place = self.agents.read(found)?;
                self.plan(&place)
            }
            .boxed()
        });
        Ok(Plan::reply(())
            .details(details)
            .write_or_retry(delete, again)
            .write_or(still, Problem::no_longer_admin()))
    }
}
