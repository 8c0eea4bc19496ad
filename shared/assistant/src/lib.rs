//! The models that write replies, behind one trait. The crate `tally-chat` stands on it, and knows
//! no provider.
//!
//! - [`Provider`]: one streaming call to any model, and the tokens of a request before it is sent;
//!   [`provider`] chooses by the setting `AI_PROVIDER`
//! - [`Anthropic`]: Claude, by the Messages API
//! - [`Lorem`]: the provider that needs no account and costs nothing
//! - [`pricing`]: the cost of a call, and its worst case; [`tokens_shown`]: the tokens of a request
//! - [`store`]: which models fail; [`domain`]: the vocabulary of a call

mod anthropic;
pub mod domain;
mod error;
mod lorem;
pub mod pricing;
mod provider;
mod request;
mod shown;
pub mod store;
mod tool;

pub use anthropic::Anthropic;
pub use error::{Fault, ProviderError};
pub use lorem::Lorem;
pub use provider::{Event, Events, Provider};
pub use request::{Content, Document, Request, Turn};
pub use shown::tokens_shown;
pub use tool::{Tool, ToolResult, ToolUse};

use platform::config::{Config, invalid};
use platform::{ConfigError, Platform};

/// The provider that `AI_PROVIDER` names (default `lorem`).
pub fn provider(platform: &Platform) -> Result<Box<dyn Provider>, ConfigError> {
    match platform.config.get("AI_PROVIDER") {
        None | Some("lorem") => Ok(Box::new(Lorem::from_config(&platform.config)?)),
        Some("anthropic") => Ok(Box::new(Anthropic::new(platform)?)),
        Some(other) => Err(invalid("AI_PROVIDER", other, "it must be `lorem` or `anthropic`")),
    }
}

/// Checks whether [`provider`] can use its settings. It makes no provider, and needs no key.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    match config.get("AI_PROVIDER") {
        Some("anthropic") => Anthropic::check(config),
        _ => Lorem::from_config(config).map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::provider;
    use platform::Platform;
    use platform::clock::Clock;

    #[test]
    fn a_provider_is_chosen_by_its_name() {
        for (name, known) in [("lorem", true), ("", true), ("Lorem", false), ("anthropic ", false)]
        {
            let platform =
                Platform::new([("AI_PROVIDER", name)].into_iter().collect(), Clock::System);
            assert_eq!(provider(&platform).is_ok(), known, "{name:?}");
        }
    }
}
