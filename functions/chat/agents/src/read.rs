//! `GET /agents`, `GET /agents/{name}`.

use platform::cursor::{Cursors, Page, Paging};
use platform::domain::Role;
use platform::http::{PathParameter, WithETag, unless_known};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::store::Users;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::domain::Agent;
use tally_chat::store::Agents;

use crate::{PATH, named};

/// `GET /agents`.
pub struct ListAgents {
    agents: Agents,
    users: Users,
    cursors: Cursors,
}

/// `GET /agents/{name}`.
pub struct ReadAgent {
    agents: Agents,
    users: Users,
}

impl Endpoint for ListAgents {
    const ROUTE: Route = routes::AGENTS;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = Page<Agent>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            agents: Agents::new(platform)?,
            users: Users::new(platform)?,
            cursors: Cursors::new(platform)?,
        })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<Agent>>, Problem> {
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let mut after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let roles = roles(&self.users, user_id).await?;
        let mut page = Vec::new();
        loop {
            let (found, next) = self.agents.list(after.as_deref()).await?;
            page.extend(found.into_iter().filter(|agent| sees(&roles, agent)));
            after = next;
            if page.len() > paging.limit || after.is_none() {
                break;
            }
        }
        let more = page.len() > paging.limit;
        page.truncate(paging.limit);
        let next = page.last().filter(|_| more).map(|agent: &Agent| agent.name.clone());
        Ok(Plan::reply(self.cursors.page(page, next, user_id, request.call).await?))
    }
}

impl Endpoint for ReadAgent {
    const ROUTE: Route = routes::AGENT;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = WithETag<Agent>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { agents: Agents::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<WithETag<Agent>>, Problem> {
        let name = named(request.call)?;
        let roles = roles(&self.users, &request.caller.user_id).await?;
        let agent = self.agents.get(name.as_str()).await?;
        let agent = agent.filter(|agent| sees(&roles, agent)).ok_or_else(Problem::not_found)?;
        let version = agent.version;
        Ok(Plan::reply(unless_known(request.call, agent, version)))
    }
}

/// The current roles of a caller.
async fn roles(users: &Users, user_id: &str) -> Result<Vec<Role>, Problem> {
    let user = users.get(user_id).await?.filter(|user| user.is_active);
    Ok(user.ok_or_else(Problem::invalid_token)?.roles)
}

/// Whether a caller with these roles sees an agent.
fn sees(roles: &[Role], agent: &Agent) -> bool {
    roles.contains(&Role::Admin) || agent.is_open_to(roles)
}
