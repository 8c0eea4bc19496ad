//! The rights to move the label `production`, to render drafts, and to read all of a prompt.

use platform::domain::Role;
use platform::store::Users;
use platform::{ConfigError, Platform, Problem};
use tally_prompts::domain::Label;

/// The rights of callers beyond those that a row of the route table asks for.
#[derive(Debug, Clone)]
pub struct Rights {
    users: Users,
    /// Whether `production` takes an administrator other than the author of the version.
    review: bool,
}

impl Rights {
    /// Uses the table that `USERS_TABLE` names, and the setting `PROMPT_REVIEW`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let review = platform.config.switch("PROMPT_REVIEW")?;
        Ok(Self { users: Users::new(platform)?, review })
    }

    /// The roles of a caller, as they are now.
    pub async fn roles(&self, user_id: &str) -> Result<Vec<Role>, Problem> {
        let user = self.users.get(user_id).await?.filter(|user| user.is_active);
        Ok(user.ok_or_else(Problem::invalid_token)?.roles)
    }

    /// Refuses a draft to a caller who writes no prompts.
    pub async fn require_editor(&self, user_id: &str) -> Result<(), Problem> {
        let roles = self.roles(user_id).await?;
        if Role::PROMPT_EDITORS.iter().any(|role| roles.contains(role)) {
            Ok(())
        } else {
            Err(Problem::forbidden("Only editors and administrators may render a draft."))
        }
    }

    /// Refuses to let a caller with these roles move a label to a version of this author, or remove
    /// it. The version that is built in has no author.
    pub fn may_move(
        &self,
        label: &Label,
        roles: &[Role],
        author: Option<&str>,
        user_id: &str,
    ) -> Result<(), Problem> {
        if !label.is_production() {
            return Ok(());
        }
        if !roles.contains(&Role::Admin) {
            return Err(Problem::forbidden(
                "Only an administrator may move the label `production`.",
            ));
        }
        if self.review && author == Some(user_id) {
            let detail = "You wrote this version. Ask another administrator to move the label \
                          `production` to it.";
            return Err(Problem::forbidden(detail));
        }
        Ok(())
    }
}

/// Whether a caller with these roles reads the texts of prompts and the moves of their labels.
pub fn reads_all(roles: &[Role]) -> bool {
    Role::PROMPT_READERS.iter().any(|role| roles.contains(role))
}
