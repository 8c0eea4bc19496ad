//! The tools of agents. They are made when the first reply needs them, because most replies need
//! none, and would wait for them after a cold start.

use std::sync::OnceLock;

use assistant::Tool;
use platform::identity::Authority;
use platform::limits::Limits;
use platform::{ConfigError, Platform, Problem};
use tally_tools::{About, Effect, Toolbox};

use crate::tools::{Forget, Remember};

/// Settings that the tools need besides those of the worker.
const SETTINGS: [&str; 5] =
    ["TASKS_TABLE", "PROFITS_TABLE", "CONVERSATIONS_TABLE", "LIMITS_TABLE", "SEAL_SECRET_ARN"];

/// The tools of agents.
pub struct Toolset {
    platform: Platform,
    made: OnceLock<Toolbox>,
}

impl Toolset {
    /// Checks the settings of the tools, and makes none of them.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        for setting in SETTINGS {
            platform.config.require(setting)?;
        }
        Limits::from_config(&platform.config)?;
        Ok(Self { platform: platform.clone(), made: OnceLock::new() })
    }

    /// All tools.
    pub fn toolbox(&self) -> Result<&Toolbox, Problem> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = make(&self.platform).map_err(|error| {
            tracing::error!(%error, "failed to make the tools of agents");
            Problem::internal()
        })?;
        Ok(self.made.get_or_init(|| made))
    }

    /// What a tool is, also for callers that may not use it. `None` if there is no such tool.
    pub fn about(&self, name: &str) -> Option<About> {
        let found = self.toolbox().ok()?.all().find(|listed| listed.about.name == name);
        found.map(|listed| listed.about)
    }

    /// Whether a tool has this effect.
    pub fn has(&self, name: &str, effect: Effect) -> bool {
        self.about(name).is_some_and(|about| about.effect == effect)
    }

    /// Those of these tools that a caller may use now, as they are described to the model.
    pub fn described(&self, names: &[String], authority: &Authority) -> Result<Vec<Tool>, Problem> {
        let listed = self.toolbox()?.listed(authority);
        let offered = listed.filter(|listed| names.iter().any(|name| name == listed.about.name));
        let described = offered.map(|listed| Tool {
            name: listed.about.name.to_owned(),
            description: listed.about.description.to_owned(),
            input_schema: listed.input_schema.clone(),
        });
        Ok(described.collect())
    }
}

fn make(platform: &Platform) -> Result<Toolbox, ConfigError> {
    Toolbox::new(platform)?.with::<Remember>(platform)?.with::<Forget>(platform)
}
