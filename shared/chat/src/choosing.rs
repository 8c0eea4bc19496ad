//! Which prompt, or which agent, answers a message.

use assistant::domain::PromptName;
use platform::store::Users;
use platform::{ConfigError, Platform, Problem};

use crate::domain::{Agent, AgentName};
use crate::store::{Agents, Conversation};

/// Chooses who answers.
#[derive(Clone)]
pub struct Choosing {
    agents: Agents,
    users: Users,
}

/// What a request names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// An agent.
    pub agent: Option<AgentName>,
    /// A prompt.
    pub prompt: Option<PromptName>,
}

/// Who answers a message.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The system prompt.
    pub prompt: PromptName,
    /// The agent, if one answers.
    pub agent: Option<Agent>,
}

impl Choosing {
    /// Uses the tables that `AGENTS_TABLE` and `USERS_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { agents: Agents::new(platform)?, users: Users::new(platform)? })
    }

    /// Who answers a message in this conversation; `None` stands for a new one. The agent that the
    /// request names comes before the agent of the conversation. Without an agent, nothing is read.
    pub async fn writer(
        &self,
        named: &Named,
        conversation: Option<&Conversation>,
        user_id: &str,
    ) -> Result<Writer, Problem> {
        let kept = conversation.and_then(|conversation| conversation.agent.as_deref());
        let name = match (&named.agent, kept) {
            (Some(name), _) => name.as_str(),
            (None, Some(_)) if named.prompt.is_some() => {
                let fault = "must not be sent in a conversation with an agent";
                return Err(Problem::invalid_field("prompt", fault));
            }
            (None, Some(kept)) => kept,
            (None, None) => {
                let prompt = named.prompt.unwrap_or_default();
                return Ok(Writer { prompt, agent: None });
            }
        };
        let agent = self.agent(name, user_id).await?;
        Ok(Writer { prompt: agent.prompt, agent: Some(agent) })
    }

    /// An agent that a user may use now. One that is not for the user is refused like one that does
    /// not exist.
    pub async fn agent(&self, name: &str, user_id: &str) -> Result<Agent, Problem> {
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
