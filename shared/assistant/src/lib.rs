//! The models that write replies, behind one trait. Only what talks to a model depends on this crate.
//!
//! - [`Provider`]: one streaming call, whoever answers it; [`provider`] chooses by the setting `AI_PROVIDER`
//! - [`Lorem`]: the provider that needs no account and costs nothing

mod lorem;
mod provider;

pub use lorem::Lorem;
pub use provider::{Event, Events, Provider, ProviderError, Request, Turn};

use platform::config::{Config, ConfigError, invalid};

/// The provider that `AI_PROVIDER` names (default `lorem`).
pub fn provider(config: &Config) -> Result<Box<dyn Provider>, ConfigError> {
    match config.get("AI_PROVIDER") {
        None | Some("lorem") => Ok(Box::new(Lorem::from_config(config)?)),
        Some(other) => Err(invalid("AI_PROVIDER", other, "it must be `lorem`")),
    }
}

#[cfg(test)]
mod tests {
    use super::provider;
    use platform::config::Config;

    #[test]
    fn a_provider_is_chosen_by_its_name() {
        for (name, known) in [("lorem", true), ("", true), ("Lorem", false), ("anthropic ", false)] {
            let config: Config = [("AI_PROVIDER", name)].into_iter().collect();
            assert_eq!(provider(&config).is_ok(), known, "{name:?}");
        }
    }
}
