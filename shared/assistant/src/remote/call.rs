//! One call: attempts, one after the other, until one has begun to write; then that one to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::{Instant, sleep};

use super::api::{Api, Sending};
use super::attempt::Attempt;
use super::estimate::Estimate;
use super::failure::Failure;
use super::part::Takes;
use super::{Model, Shared, unpriced};
use crate::domain::Usage;
use crate::error::{Fault, ProviderError};
use crate::provider::Event;
use crate::request::Request;

/// Retries with one model, as in the provider's own SDK.
const RETRIES: u32 = 2;

/// A call.
pub(super) struct ModelCall<A: Api> {
    shared: Arc<Shared<A>>,
    request: Request,
    /// Turns that the request had at first.
    turns: usize,
    /// The models to ask, in order, by their indices in [`Shared::models`].
    models: Vec<usize>,
    /// Place in that order of the model that is asked.
    model: usize,
    /// Whether the model has been announced.
    is_announced: bool,
    /// What the model of the latest attempt took, as far as it was known.
    taken: Takes,
    /// Attempts with this model that have failed.
    retries: u32,
    /// The pause before the next attempt.
    pause: Option<Duration>,
    /// The body of the next attempt: its events have been given, but it has not been sent.
    prepared: Option<Vec<u8>>,
    attempt: Option<Attempt<A>>,
    /// The header `Authorization` of the latest attempt, if it had one.
    authorization: Option<HeaderValue>,
    /// The key that replaced a refused one.
    replacement: Option<HeaderValue>,
    ready: VecDeque<Event>,
    /// The error to return when no events are left.
    failed: Option<ProviderError>,
    is_over: bool,
}

impl<A: Api> ModelCall<A> {
    /// A call that has not begun. It asks these models in turn.
    pub fn new(shared: Arc<Shared<A>>, models: Vec<usize>, request: Request) -> Self {
        let failed = models.is_empty().then(unpriced);
        Self {
            shared,
            turns: request.turns.len(),
            request,
            models,
            model: 0,
            is_announced: false,
            taken: Takes::ALL,
            retries: 0,
            pause: None,
            prepared: None,
            attempt: None,
            authorization: None,
            replacement: None,
            ready: VecDeque::new(),
            failed,
            is_over: false,
        }
    }

    /// The next event; `None` after the last one.
    pub async fn next(&mut self) -> Option<Result<Event, ProviderError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            if self.is_over {
                return None;
            }
            if let Some(error) = self.failed.take() {
                self.is_over = true;
                return Some(Err(error));
            }
            if let Err(failure) = self.advance().await {
                self.failed = self.recover(failure).await.err();
            }
        }
    }

    /// Prepares an attempt, begins it, or goes on with it.
    async fn advance(&mut self) -> Result<(), Failure> {
        // By now the caller has got the event that the last attempt cost nothing.
        if let Some(pause) = self.pause.take() {
            sleep(pause).await;
        }
        if let Some(body) = self.prepared.take() {
            self.attempt = Some(self.begin(body).await?);
            return Ok(());
        }
        let Some(attempt) = &mut self.attempt else {
            return self.prepare().await;
        };
        self.ready.extend(attempt.next().await?);
        if attempt.is_over() {
            self.is_over = true;
            self.attempt = None;
            self.model().circuit.succeeded().await;
        }
        Ok(())
    }

    /// Writes the next attempt, and says what is about to be sent.
    async fn prepare(&mut self) -> Result<(), Failure> {
        let shared = Arc::clone(&self.shared);
        let model = &shared.models[self.models[self.model]];
        self.taken = model.takes();
        let body = shared
            .api
            .body(&self.request, &model.name, self.max_tokens(), self.taken)
            .map_err(Failure::from)?;
        self.authorization = match &self.replacement {
            Some(key) => Some(key.clone()),
            None => shared.key.authorization().await.map_err(Failure::from)?,
        };
        if !model.circuit.admits().await {
            return Err(Failure::lasting(Fault::CircuitOpen, model.name.as_str()));
        }
        if !self.is_announced {
            self.is_announced = true;
            self.ready.push_back(Event::Model(model.name.clone()));
        }
        // A request that was too long has lost its first turns.
        let lost = self.turns - self.request.turns.len();
        let shown = A::sent(&self.request.turns).into_iter();
        let shown: Vec<_> = shown.map(|index| lost + index).collect();
        if shown.len() < self.turns {
            self.ready.push_back(Event::Shown(shown));
        }
        // If the caller drops the call before the provider has counted, this estimate of the
        // input stands as its usage.
        let input_tokens = Estimate::of(&self.request).tokens();
        self.ready.push_back(Event::Usage(Usage { input_tokens, ..Usage::default() }));
        self.prepared = Some(body);
        Ok(())
    }

    /// Sends an attempt.
    async fn begin(&mut self, body: Vec<u8>) -> Result<Attempt<A>, Failure> {
        let Shared { api, patience, .. } = &*self.shared;
        let sending = Sending {
            model: &self.model().name,
            authorization: self.authorization.clone(),
            by: Instant::now() + patience.first_token,
        };
        let reply = A::reply(&self.request, self.max_tokens());
        Attempt::begin(api, body, sending, reply, *patience).await
    }

    /// The model that is asked.
    fn model(&self) -> &Model {
        &self.shared.models[self.models[self.model]]
    }

    /// Tokens of the reply at most.
    fn max_tokens(&self) -> u64 {
        let most = self.shared.max_tokens;
        self.request.max_tokens.map_or(most, |own| own.min(most))
    }

    /// Decides about a failure: another attempt, or none.
    async fn recover(&mut self, failure: Failure) -> Result<(), ProviderError> {
        // Close its connection before there is another one.
        self.attempt = None;
        let shared = Arc::clone(&self.shared);
        let model = &shared.models[self.models[self.model]];
        let error = &failure.error;
        if error.fault == Fault::KeyRefused && self.replacement.is_none() && !failure.is_paid {
            self.replacement = shared.key.replacement(self.authorization.as_ref()).await;
            if self.replacement.is_some() {
                tracing::warn!(
                    model = model.name,
                    %error,
                    "the provider refused the key; the call tries the new key"
                );
                // A refused request is not paid.
                self.ready.push_back(Event::Usage(Usage::default()));
                return Ok(());
            }
        }
        match error.fault {
            fault if fault.is_outage() => model.circuit.failed().await,
            Fault::NoKey | Fault::KeyRefused => model.circuit.key_refused().await,
            // No model was asked.
            Fault::CircuitOpen => {}
            // The model answers.
            _ => model.circuit.succeeded().await,
        }
        tracing::warn!(
            model = model.name,
            retries = self.retries,
            produced = error.produced,
            %error,
            "failed to get a reply in one attempt"
        );
        if failure.is_paid {
            return Err(failure.error);
        }
        // An attempt that fails before anything was counted is not paid.
        self.ready.push_back(Event::Usage(Usage::default()));
        let is_changed = match failure.refused {
            _ if error.fault == Fault::ContextTooLong => self.request.shorten(),
            Some(part) => part.leave_out(&mut self.request, self.taken, model),
            None => false,
        };
        if is_changed {
            return Ok(());
        }
        if self.retries < RETRIES
            && let Some(pause) = failure.pause(self.retries)
        {
            self.retries += 1;
            self.pause = Some(pause);
            return Ok(());
        }
        if failure.is_of_the_model() && self.model + 1 < self.models.len() {
            self.model += 1;
            self.retries = 0;
            self.is_announced = false;
            return Ok(());
        }
        Err(failure.error)
    }
}
