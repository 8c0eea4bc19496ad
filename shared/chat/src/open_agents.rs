//! The agents that a user may use.

use platform::store::Users;
use platform::{ConfigError, Platform, Problem};

use crate::domain::Agent;
use crate::store::Agents;

/// Finds agents that are open to a user.
#[derive(Clone)]
pub struct OpenAgents {
    agents: Agents,
    users: Users,
}

impl OpenAgents {
    /// Uses the tables that `AGENTS_TABLE` and `USERS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { agents: Agents::new(platform)?, users: Users::new(platform)? })
    }

    /// An agent that a user may use now. One that is not for the user is refused like one that does
    /// not exist.
    pub async fn find(&self, name: &str, user_id: &str) -> Result<Agent, Problem> {
        let refused =
            || Problem::invalid_field("agent", "must be the name of an agent that you may use");
        let agent = self.agents.get(name).await?.ok_or_else(refused)?;
        let roles = if agent.roles.is_empty() {
            Vec::new()
        } else {
            let account = self.users.standing(user_id).await?;
            account.filter(|account| account.is_active).map_or_else(Vec::new, |found| found.roles)
        };
        if agent.is_open_to(&roles) { Ok(agent) } else { Err(refused()) }
    }
}
