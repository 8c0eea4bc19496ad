//! Which prompt, or which agent, answers a message.

use std::sync::Arc;

use assistant::domain::ModelName;
use platform::domain::Role;
use platform::store::Users;
use platform::{ConfigError, Platform, Problem};
use tally_prompts::Registry;
use tally_prompts::domain::{PromptRef, Version};

use crate::domain::{Agent, AgentName};
use crate::open_agents::OpenAgents;
use crate::store::Conversation;

/// Chooses who answers.
#[derive(Clone)]
pub struct Choosing {
    agents: OpenAgents,
    users: Users,
    registry: Registry,
}

/// What a request names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// An agent.
    pub agent: Option<AgentName>,
    /// A prompt.
    pub prompt: Option<PromptRef>,
}

/// Who answers a message.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The version of the prompt.
    pub prompt: Arc<Version>,
    /// The agent, if one answers.
    pub agent: Option<Agent>,
}

impl Writer {
    /// The model to ask, if it is not the first one of the settings. The agent's comes before the
    /// prompt's.
    pub fn model(&self) -> Option<&str> {
        let agent = self.agent.as_ref().and_then(|agent| agent.model.as_deref());
        agent.or(self.prompt.content.model.as_ref().map(ModelName::as_str))
    }
}

impl Choosing {
    /// Uses the tables of [`OpenAgents`] and of [`Registry`].
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            agents: OpenAgents::new(platform)?,
            users: Users::new(platform)?,
            registry: Registry::new(platform)?,
        })
    }

    /// Who answers a message in this conversation; `None` stands for a new one. The agent that the
    /// request names comes before the agent of the conversation. Without an agent and with a known
    /// prompt, nothing is read.
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
                let reference = named.prompt.clone().unwrap_or_default();
                if reference.which.is_some() {
                    self.require_editor(user_id).await?;
                }
                let prompt = self.registry.find_for_chat(&reference).await?;
                let wrong = "must be a prompt that you may use";
                let prompt = prompt.ok_or_else(|| Problem::invalid_field("prompt", wrong))?;
                return Ok(Writer { prompt, agent: None });
            }
        };
        let agent = self.agents.find(name, user_id).await?;
        // The prompt was there when an administrator named it.
        let gone = || Problem::invalid_field("agent", "names a prompt that cannot be used now");
        let prompt = self.registry.find_for_chat(&agent.prompt).await?.ok_or_else(gone)?;
        Ok(Writer { prompt, agent: Some(agent) })
    }

    async fn require_editor(&self, user_id: &str) -> Result<(), Problem> {
        let account = self.users.standing(user_id).await?.filter(|account| account.is_active);
        let roles = account.map_or_else(Vec::new, |account| account.roles);
        if Role::PROMPT_EDITORS.iter().any(|role| roles.contains(role)) {
            Ok(())
        } else {
            Err(Problem::forbidden(
                "Only editors and administrators may name a version of a prompt.",
            ))
        }
    }
}
