//! One call: attempts, one after the other, until one has begun to write; then that one to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::sleep;

use super::attempt::Attempt;
use super::body::{body, sent};
use super::estimate::Estimate;
use super::failure::Failure;
use super::{Shared, unpriced};
use crate::domain::Usage;
use crate::error::{Fault, ProviderError};
use crate::provider::Event;
use crate::request::Request;

/// Retries with one model, as in the provider's own SDK.
const RETRIES: u32 = 2;

/// A call.
pub(super) struct ModelCall {
    shared: Arc<Shared>,
    request: Request,
    /// Turns that the request had at first.
    turns: usize,
    /// The models to ask, in order, by their indices in [`Shared::models`].
    models: Vec<usize>,
    /// Place in that order of the model that is asked.
    model: usize,
    /// Whether the model has been announced.
    is_announced: bool,
    /// Whether the latest attempt may have had strict tools.
    is_strict: bool,
    /// Attempts with this model that have failed.
    retries: u32,
    /// The pause before the next attempt.
    pause: Option<Duration>,
    /// The next attempt: its events have been given, but it has not been sent.
    prepared: Option<(HeaderValue, Vec<u8>)>,
    attempt: Option<Attempt>,
    /// The header `Authorization` of the latest attempt.
    authorization: Option<HeaderValue>,
    /// The key that replaced a refused one.
    replacement: Option<HeaderValue>,
    ready: VecDeque<Event>,
    /// The error to return when no events are left.
    failed: Option<ProviderError>,
    is_over: bool,
}

impl ModelCall {
    /// A call that has not begun. It asks these models in turn.
    pub fn new(shared: Arc<Shared>, models: Vec<usize>, request: Request) -> Self {
        let failed = models.is_empty().then(unpriced);
        Self {
            shared,
            turns: request.turns.len(),
            request,
            models,
            model: 0,
            is_announced: false,
            is_strict: false,
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
        if let Some((authorization, body)) = self.prepared.take() {
            let line = self.shared.line(&self.shared.settings.url);
            let attempt = Attempt::begin(&line, authorization, body, self.max_tokens());
            self.attempt = Some(attempt.await?);
            return Ok(());
        }
        let Some(attempt) = &mut self.attempt else {
            let model = &self.shared.models[self.models[self.model]];
            self.is_strict = model.takes_strict.load(Ordering::Relaxed);
            let body = body(&self.request, &model.name, self.max_tokens(), self.is_strict)
                .map_err(Failure::from)?;
            let authorization = match &self.replacement {
                Some(key) => key.clone(),
                None => self.shared.key.authorization().await.map_err(Failure::from)?,
            };
            if !model.circuit.admits().await {
                return Err(Failure::lasting(Fault::CircuitOpen, model.name.as_str()));
            }
            self.authorization = Some(authorization.clone());
            if !self.is_announced {
                self.is_announced = true;
                self.ready.push_back(Event::Model(model.name.clone()));
            }
            // A request that was too long has lost its first turns.
            let lost = self.turns - self.request.turns.len();
            let shown: Vec<_> = sent(&self.request.turns).map(|index| lost + index).collect();
            if shown.len() < self.turns {
                self.ready.push_back(Event::Shown(shown));
            }
            // If the caller drops the call before the provider has counted, this estimate of the
            // input stands as its usage.
            let input_tokens = Estimate::of(&self.request).tokens();
            self.ready.push_back(Event::Usage(Usage { input_tokens, ..Usage::default() }));
            self.prepared = Some((authorization, body));
            return Ok(());
        };
        self.ready.extend(attempt.next().await?);
        if attempt.is_over() {
            self.is_over = true;
            self.attempt = None;
            self.shared.models[self.models[self.model]].circuit.succeeded().await;
        }
        Ok(())
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
            self.replacement = match &self.authorization {
                Some(refused) => self.shared.key.replacement(refused).await,
                None => None,
            };
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
            Some(part) => part.leave_out(&mut self.request, self.is_strict, &model.takes_strict),
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
