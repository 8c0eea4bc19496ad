//! The models that write replies, behind one trait. The crate `tally-chat` stands on it, and knows
//! no provider.
//!
//! - [`Provider`]: one streaming call to any model, and the tokens of a request before it is sent;
//!   [`provider`] chooses by the setting `AI_PROVIDER`
//! - [`Lorem`]: the provider that needs no account and costs nothing
//! - `anthropic`: Claude, by the Messages API; `bedrock`: Claude, by Amazon Bedrock; `claude`: what
//!   both share
//! - `openai`: any server that speaks OpenAI's chat completions
//! - `remote`: what all providers over a network share
//! - [`pricing`]: the cost of a call, and its worst case; [`tokens_shown`]: the tokens of a request
//! - [`store`]: which models fail; [`domain`]: the vocabulary of a call

mod anthropic;
mod bedrock;
mod claude;
pub mod domain;
mod error;
mod lorem;
mod openai;
pub mod pricing;
mod provider;
mod remote;
mod request;
mod shown;
pub mod store;
mod tool;

pub use error::{Fault, ProviderError};
pub use lorem::Lorem;
pub use provider::{Event, Events, Provider};
pub use request::{Content, Document, Request, Turn};
pub use shown::tokens_shown;
pub use tool::{Tool, ToolResult, ToolUse};

use platform::config::{Config, invalid};
use platform::{ConfigError, Platform};
use pricing::Pricing;

/// The provider that `AI_PROVIDER` names (default `lorem`).
pub fn provider(platform: &Platform) -> Result<Box<dyn Provider>, ConfigError> {
    let config = &platform.config;
    Ok(match config.get("AI_PROVIDER") {
        None | Some("lorem") => Box::new(Lorem::from_config(config)?),
        Some("anthropic") => Box::new(anthropic::provider(platform)?),
        Some("openai") => Box::new(openai::provider(platform)?),
        Some("bedrock") => Box::new(bedrock::provider(platform)?),
        Some(other) => {
            let known = "it must be `lorem`, `anthropic`, `openai` or `bedrock`";
            return Err(invalid("AI_PROVIDER", other, known));
        }
    })
}

/// Checks whether [`provider`] can use its settings. It makes no provider, and needs no key.
pub fn check(config: &Config) -> Result<(), ConfigError> {
    match config.get("AI_PROVIDER") {
        Some("anthropic") => anthropic::check(config)?,
        Some("openai") => openai::check(config)?,
        Some("bedrock") => bedrock::check(config)?,
        _ => return Lorem::from_config(config).map(drop),
    }
    Pricing::of_settings(config).map(drop)
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
