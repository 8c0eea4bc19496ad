//! What the providers over a network share: attempts, retries, a fallback model, circuits, time
//! limits, keys. Each of them adds an [`Api`]: how it writes a request, and reads the answer.
//!
//! - `api`: the traits of an API and of a reply while it is written
//! - `settings`: the time limits, and the URL of a server; `key`: the key in Secrets Manager;
//!   `circuit`: when a model is not asked
//! - `call`: attempts until one begins to write: retries, the other model, another key; `part`: a
//!   request without the part that was refused; `failure`: the meaning of a failed attempt
//! - `attempt`: one request and the messages that answer it; `estimate`: the usage until the
//!   provider has counted it; `count`: the tokens of a request before it is sent
//! - `http`: one POST until the head of its answer; `frames`: an answer of server-sent events

mod api;
mod attempt;
mod call;
mod circuit;
mod count;
mod estimate;
mod failure;
mod frames;
mod http;
mod key;
mod part;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt as _};
use platform::{ConfigError, Platform};

use crate::domain::{Cost, Usage};
use crate::error::{Fault, ProviderError};
use crate::pricing::Pricing;
use crate::provider::{Events, Provider};
use crate::request::Request;
use crate::store::Outages;
use call::ModelCall;
use circuit::Circuit;

pub(crate) use api::{Api, Messages, Reply, Sending};
pub(crate) use estimate::Estimate;
pub(crate) use failure::{Failure, Said};
pub(crate) use frames::{EVENTS, LARGEST_EVENT, frames, has_frames};
pub(crate) use http::{Http, silent};
pub(crate) use key::Key;
pub(crate) use part::{Part, Takes};
pub(crate) use settings::{Patience, server_url};

/// A provider over a network.
pub(crate) struct Remote<A> {
    shared: Arc<Shared<A>>,
    pricing: Pricing,
}

/// The parts that all calls share.
struct Shared<A> {
    api: A,
    key: Key,
    patience: Patience,
    /// The models of the settings, then the others that have a price; there is at least one.
    models: Vec<Model>,
    /// Tokens of one reply at most.
    max_tokens: u64,
}

/// A model that may be asked.
struct Model {
    name: String,
    circuit: Circuit,
    /// What it takes, as far as it is known.
    takes: Mutex<Takes>,
}

impl Model {
    /// What the model takes, as far as it is known now.
    fn takes(&self) -> Takes {
        *self.takes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that the model has taken a request that was written for this. A refusal alone
    /// teaches nothing: its words may quote the conversation, and name a part that is innocent.
    fn learn(&self, taken: Takes) {
        let mut known = self.takes.lock().unwrap_or_else(PoisonError::into_inner);
        *known = known.and(taken);
    }
}

impl<A: Api> Remote<A> {
    /// A provider with this API, whose models first take what `takes` says. Settings: those of
    /// [`Pricing`] and `OUTAGES_TABLE`.
    pub fn new(
        platform: &Platform,
        api: A,
        key: Key,
        patience: Patience,
        takes: Takes,
    ) -> Result<Self, ConfigError> {
        let pricing = Pricing::of_settings(&platform.config)?;
        let outages = Outages::new(platform)?;
        let model = |name: &str, count| Model {
            name: name.to_owned(),
            circuit: Circuit::new(name, count, outages.clone(), platform.clock.clone()),
            takes: Mutex::new(takes),
        };
        let count = pricing.models().count();
        let own = pricing.models().map(|name| model(name, count));
        // A model that only agents name is one more than those of the settings.
        let of_settings: Vec<_> = pricing.models().collect();
        let others = pricing.priced().filter(|name| !of_settings.contains(name));
        let models = own.chain(others.map(|name| model(name, count + 1))).collect();
        let max_tokens = pricing.max_tokens();
        let shared = Shared { api, key, patience, models, max_tokens };
        Ok(Self { shared: Arc::new(shared), pricing })
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

impl<A: Api> Provider for Remote<A> {
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
        if !A::COUNTS {
            return Box::pin(std::future::ready(Ok(None)));
        }
        let shared = Arc::clone(&self.shared);
        let first = self.asked(request).first().copied();
        let request = request.clone();
        Box::pin(async move {
            let model = first.map(|index| &shared.models[index]).ok_or_else(unpriced)?;
            count::count(&shared, model, request).await.map(Some)
        })
    }
}
