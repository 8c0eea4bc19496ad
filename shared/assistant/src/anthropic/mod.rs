//! `anthropic`: Claude, by the Messages API with server-sent events, in the same way as the
//! provider's own SDK for Python.
//!
//! - `settings`: the configuration; `key`: the key in Secrets Manager; `circuit`: when a model is
//!   not asked
//! - `call`: attempts until one begins to write: retries, the other model, another key; `failure`:
//!   the meaning of a failed attempt
//! - `attempt`: one request and its stream; `body`: the request body; `event`, `reply`: the parsed
//!   events of the answer; `estimate`: the usage until the provider has counted it

mod attempt;
mod body;
mod call;
mod circuit;
mod estimate;
mod event;
mod failure;
mod key;
mod reply;
mod settings;

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use platform::clock::Clock;
use platform::config::{Config, invalid};
use platform::{ConfigError, Platform};
use reqwest::{Client, redirect};

use crate::domain::{Cost, Usage};
use crate::pricing::Pricing;
use crate::provider::{Events, Provider};
use crate::request::Request;
use crate::store::Outages;
use call::ModelCall;
use circuit::Circuit;
use key::Key;
use settings::Settings;

/// The provider.
pub struct Anthropic {
    shared: Arc<Shared>,
    pricing: Pricing,
}

/// The parts that all calls share.
struct Shared {
    client: Client,
    key: Key,
    settings: Settings,
    /// The models in the order in which they are asked, each with its circuit; there is at least
    /// one.
    models: Vec<(String, Circuit)>,
    /// Tokens of one reply at most.
    max_tokens: u64,
    clock: Clock,
}

impl Anthropic {
    /// Settings: those of `settings.rs`, those of [`Pricing`], `ANTHROPIC_KEY_ARN` (`key.rs`) and
    /// `OUTAGES_TABLE`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let settings = Settings::from_config(&platform.config)?;
        let pricing = Pricing::of_anthropic(&platform.config)?;
        // Without proxies and redirects: the key goes to the configured URL alone.
        let client = Client::builder().redirect(redirect::Policy::none()).no_proxy().referer(false);
        let client = client
            .connect_timeout(settings.patience.connect)
            .user_agent(concat!("tally/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|error| {
            invalid("ANTHROPIC_BASE_URL", settings.url.as_str(), &error.to_string())
        })?;
        let outages = Outages::new(platform)?;
        let count = pricing.models().count();
        let circuit = |model| Circuit::new(model, count, outages.clone(), platform.clock.clone());
        let models = pricing.models().map(|model| (model.to_owned(), circuit(model))).collect();
        let max_tokens = pricing.max_tokens();
        let shared = Shared {
            client,
            key: Key::new(platform)?,
            settings,
            models,
            max_tokens,
            clock: platform.clock.clone(),
        };
        Ok(Self { shared: Arc::new(shared), pricing })
    }
}

impl Anthropic {
    /// Checks whether [`Self::new`] can read its settings.
    pub(crate) fn check(config: &Config) -> Result<(), ConfigError> {
        Settings::from_config(config)?;
        Pricing::of_anthropic(config).map(drop)
    }
}

impl Provider for Anthropic {
    fn model(&self) -> &str {
        &self.shared.models[0].0
    }

    fn call(&self, request: Request) -> Events {
        let call = ModelCall::new(Arc::clone(&self.shared), request);
        stream::unfold(call, |mut call| async move { Some((call.next().await?, call)) }).boxed()
    }

    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.pricing.cost(model, usage)
    }
}
