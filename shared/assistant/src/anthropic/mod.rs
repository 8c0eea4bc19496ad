//! `anthropic`: Claude, by the Messages API with server-sent events, in the same way as the
//! provider's own SDK for Python.
//!
//! - `settings`: the configuration; `key`: the key in Secrets Manager; `circuit`: when a model is
//!   not asked
//! - `call`: attempts until one begins to write: retries, the other model, another key; `part`: a
//!   request without the part that was refused; `failure`: the meaning of a failed attempt
//! - `attempt`: one request and its stream; `post`: one request until the head of its answer;
//!   `body`: the request body; `strict`: the schemas of its answer and tools; `event`, `reply`: the
//!   parsed events of the answer; `estimate`: the usage until the provider has counted it
//! - `count`: the tokens of a request before it is sent

mod attempt;
mod body;
mod call;
mod circuit;
mod count;
mod estimate;
mod event;
mod failure;
mod key;
mod part;
mod post;
mod reply;
mod settings;
mod strict;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use platform::clock::Clock;
use platform::config::{Config, invalid};
use platform::{ConfigError, Platform};
use reqwest::{Client, Url, redirect};

use crate::domain::{Cost, Usage};
use crate::error::{Fault, ProviderError};
use crate::pricing::Pricing;
use crate::provider::{Events, Provider};
use crate::request::Request;
use crate::store::Outages;
use call::ModelCall;
use circuit::Circuit;
use count::count;
use key::Key;
use post::Line;
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
    /// The models of the settings, then the others that have a price; there is at least one.
    models: Vec<Model>,
    /// Tokens of one reply at most.
    max_tokens: u64,
    clock: Clock,
}

impl Shared {
    /// What a request to this URL needs.
    fn line<'a>(&'a self, url: &'a Url) -> Line<'a> {
        let Self { client, settings, clock, .. } = self;
        Line { client, url, patience: settings.patience, clock }
    }
}

/// A model that may be asked.
struct Model {
    name: String,
    circuit: Circuit,
    /// Whether it takes strict tools. It does until it has refused them.
    takes_strict: AtomicBool,
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
        let model = |name: &str, count| Model {
            name: name.to_owned(),
            circuit: Circuit::new(name, count, outages.clone(), platform.clock.clone()),
            takes_strict: AtomicBool::new(true),
        };
        let count = pricing.models().count();
        let own = pricing.models().map(|name| model(name, count));
        // A model that only agents name is one more than those of the settings.
        let of_settings: Vec<_> = pricing.models().collect();
        let others = pricing.priced().filter(|name| !of_settings.contains(name));
        let models = own.chain(others.map(|name| model(name, count + 1))).collect();
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

    /// The models that are asked for a request, in order, by their indices in [`Shared::models`].
    fn asked(&self, request: &Request) -> Vec<usize> {
        let own = request.model.as_deref();
        if let Some(model) = own.filter(|model| !self.pricing.is_priced(model)) {
            tracing::warn!(model, "the model of a request has no price, so it is not asked");
        }
        let place = |name: &str| self.shared.models.iter().position(|model| model.name == name);
        self.pricing.asked(own).filter_map(place).collect()
    }
}

/// The error of a request without a model to ask.
fn unpriced() -> ProviderError {
    ProviderError::new(Fault::UnknownModel, "the model of the request has no price")
}

impl Provider for Anthropic {
    fn model(&self) -> &str {
        &self.shared.models[0].name
    }

    fn call(&self, request: Request) -> Events {
        let models = self.asked(&request);
        let call = ModelCall::new(Arc::clone(&self.shared), models, request);
        stream::unfold(call, |mut call| async move { Some((call.next().await?, call)) }).boxed()
    }

    fn cost(&self, model: &str, usage: &Usage) -> Cost {
        self.pricing.cost(model, usage)
    }

    fn count_tokens(
        &self,
        request: &Request,
    ) -> BoxFuture<'static, Result<Option<u64>, ProviderError>> {
        let shared = Arc::clone(&self.shared);
        let first = self.asked(request).first().copied();
        let request = request.clone();
        Box::pin(async move {
            let model = first.map(|index| &shared.models[index]).ok_or_else(unpriced)?;
            count(&shared, model, request).await.map(Some)
        })
    }
}
