//! `remember`: keeps a note.

use platform::identity::Scope;
use platform::input::{Fields, Input};
use platform::{ConfigError, Plan, Platform, Problem};
use tally_chat::Notebook;
use tally_chat::domain::{StateKey, StateText};
use tally_tools::{About, CALLED, Effect, Found, Given, Tool};
use utoipa::ToSchema;

use super::change::{Change, Noted};

/// The tool.
pub struct Remember {
    notebook: Notebook,
}

/// The arguments.
#[derive(Debug, ToSchema)]
pub struct RememberInput {
    /// Key of the note. A note that has the key already is replaced.
    #[schema(value_type = String, pattern = "^[a-z0-9_]{1,40}$", example = "company")]
    pub key: StateKey,
    /// The text to keep.
    #[schema(value_type = String, min_length = 1, max_length = 2_000, example = "Alpha")]
    pub value: StateText,
}

impl Input for RememberInput {
    fn read(fields: &mut Fields) -> Option<Self> {
        let key = fields.required("key");
        let value = fields.required("value");
        Some(Self { key: key?, value: value? })
    }
}

impl Tool for Remember {
    const ABOUT: About = About {
        name: "remember",
        title: "Remember",
        description: "Keeps a short text under a key for this conversation. You see all notes with \
                      each message, so keep what the user will need again. There are at most 16 \
                      notes, which have 8 KB together.",
        scope: Scope::ChatWrite,
        roles: &[],
        effect: Effect::Note,
        idempotent: true,
        action: CALLED,
        limits: &[],
    };

    type Input = RememberInput;
    type Output = Noted;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { notebook: Notebook::new(platform)? })
    }

    async fn preview(&self, _: Given<'_>, input: &RememberInput) -> Result<String, Problem> {
        Ok(format!("Keep the note {} for this conversation.", input.key.as_str()))
    }

    async fn handle(
        &self,
        given: Given<'_>,
        input: RememberInput,
    ) -> Result<Plan<Found<Noted>>, Problem> {
        Change::of(&self.notebook, given, input.key, Some(input.value)).await
    }

    fn summary(noted: &Noted) -> Option<String> {
        Some(format!("Noted `{}`.", noted.key))
    }
}
