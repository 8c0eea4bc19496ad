//! `forget`: deletes a note.

use platform::identity::Scope;
use platform::input::{Fields, Input};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_chat::Notebook;
use tally_chat::domain::StateKey;
use tally_tools::{About, CALLED, Effect, Found, Given, Tool};
use utoipa::ToSchema;

use super::change::{Change, Noted};

/// The tool.
pub struct Forget {
    notebook: Notebook,
}

/// The arguments.
#[derive(Debug, ToSchema)]
pub struct ForgetInput {
    /// Key of the note. If there is none with this key, nothing changes.
    #[schema(value_type = String, pattern = "^[a-z0-9_]{1,40}$", example = "company")]
    pub key: StateKey,
}

impl Input for ForgetInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { key: fields.required("key")? })
    }
}

impl Tool for Forget {
    const ABOUT: About = About {
        name: "forget",
        title: "Forget",
        description: "Deletes the note with a key from the notes of this conversation.",
        scope: Scope::ChatWrite,
        roles: &[],
        effect: Effect::Note,
        idempotent: true,
        action: CALLED,
        limits: &[],
    };

    type Input = ForgetInput;
    type Output = Noted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { notebook: Notebook::new(platform)? })
    }

    async fn preview(&self, _: Given<'_>, input: &ForgetInput) -> Result<String, Problem> {
        Ok(format!("Delete the note {} of this conversation.", input.key.as_str()))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        input: ForgetInput,
    ) -> Result<Plan<Found<Noted>>, Problem> {
        Change::of(&self.notebook, given, input.key, None).await
    }

    fn summary(noted: &Noted) -> Option<String> {
        Some(format!("Forgot `{}`.", noted.key))
    }
}
