//! An agent: a prompt, the tools that the model may use with it, and their bounds.

use assistant::domain::Cost;
use platform::domain::Role;
use platform::input::{FromField, RawValue};
use serde::{Deserialize, Serialize};
use tally_prompts::domain::PromptRef;
use utoipa::ToSchema;

/// An agent, as it is stored and as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Agent {
    /// The name by which messages and conversations name it.
    #[schema(pattern = "^[a-z][a-z0-9-]{0,39}$", example = "finance")]
    pub name: String,
    /// Name for people.
    #[schema(example = "Finance")]
    pub title: String,
    /// Its purpose, for people. It may be empty.
    #[schema(example = "Answers questions about profits and uploaded ranges.")]
    pub description: String,
    /// The server's prompt, as messages name it: `name`, `name@label` or `name@7`.
    #[schema(value_type = String, example = "default")]
    pub prompt: PromptRef,
    /// Names of the tools that the model may use. A tool that the user may not use is left out when
    /// the model is asked.
    #[schema(example = json!(["query_profits", "remember"]))]
    pub tools: Vec<String>,
    /// The model to ask. Absent if it is the deployment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub model: Option<String>,
    /// Calls of the model for one reply, at most.
    #[schema(minimum = 1, maximum = 8, example = 8)]
    pub max_steps: u8,
    /// The most that one reply may cost, in US dollars. A message whose first call of the model
    /// could cost more is refused (402).
    #[schema(value_type = String, example = "0.50")]
    pub max_cost_usd: Cost,
    /// The calls of tools that the user has to confirm.
    pub confirm: Confirm,
    /// The roles of which a user needs one. An empty list stands for every user.
    pub roles: Vec<Role>,
    /// Whether users may use it.
    pub enabled: bool,
    /// Number of its changes. Send it as `If-Match` to change what you have read. It never goes
    /// back, also if the agent is deleted and set again.
    #[schema(example = 3)]
    pub version: u64,
}

/// The calls of tools that wait for a confirmation of the user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Confirm {
    /// Calls that change data of the user.
    #[default]
    Writes,
    /// Calls that overwrite or delete data of the user.
    Destructive,
    /// Every call, also one that reads.
    Always,
}

impl Agent {
    /// Whether a user with these roles may use it now.
    pub fn is_open_to(&self, roles: &[Role]) -> bool {
        let is_for = self.roles.is_empty() || self.roles.iter().any(|role| roles.contains(role));
        self.enabled && is_for
    }
}

impl Confirm {
    /// The word that is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Writes => "writes",
            Self::Destructive => "destructive",
            Self::Always => "always",
        }
    }
}

impl FromField for Confirm {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let text = raw.text()?;
        let all = [Self::Writes, Self::Destructive, Self::Always];
        let found = all.into_iter().find(|confirm| confirm.as_str() == text);
        found.ok_or_else(|| "must be writes, destructive or always".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn agent(roles: &[Role], enabled: bool) -> Agent {
        Agent {
            name: "a".into(),
            title: "A".into(),
            description: String::new(),
            prompt: PromptRef::default(),
            tools: vec!["remember".into()],
            model: None,
            max_steps: 8,
            max_cost_usd: "0.5".parse().unwrap(),
            confirm: Confirm::Writes,
            roles: roles.to_vec(),
            enabled,
            version: 3,
        }
    }

    #[test]
    fn an_agent_is_for_those_with_one_of_its_roles() {
        use Role::{Admin, Auditor, User};
        for (roles, of_user, may) in [
            (&[][..], &[User][..], true),
            (&[], &[], true),
            (&[Auditor, Admin], &[User], false),
            (&[Auditor, Admin], &[User, Auditor], true),
            (&[Auditor], &[User, Admin], false),
        ] {
            assert_eq!(agent(roles, true).is_open_to(of_user), may, "{roles:?} {of_user:?}");
            assert!(!agent(roles, false).is_open_to(of_user), "{roles:?} {of_user:?}");
        }
    }

    #[test]
    fn an_agent_is_stored_as_it_is_shown() {
        let agent = agent(&[Role::Auditor], true);
        let shown = json!({
            "name": "a", "title": "A", "description": "", "prompt": "default",
            "tools": ["remember"], "max_steps": 8, "max_cost_usd": "0.50", "confirm": "writes",
            "roles": ["auditor"], "enabled": true, "version": 3,
        });
        assert_eq!(json!(agent), shown);
        assert_eq!(serde_json::from_value::<Agent>(shown.clone()).unwrap(), agent);
        let mut other = shown;
        other["prompt"] = json!("No prompt");
        assert!(serde_json::from_value::<Agent>(other).is_err());
    }

    #[test]
    fn what_has_to_be_confirmed_is_one_of_three_words() {
        for (sent, expected) in [
            (json!("writes"), Some(Confirm::Writes)),
            (json!("destructive"), Some(Confirm::Destructive)),
            (json!("always"), Some(Confirm::Always)),
            (json!("never"), None),
            (json!("Always"), None),
            (json!(true), None),
        ] {
            assert_eq!(Confirm::read(&RawValue::Json(&sent)).ok(), expected, "{sent}");
            assert!(expected.is_none_or(|confirm| sent == confirm.as_str()), "{sent}");
        }
    }
}
