//! One call: attempts, one after the other, until one has begun to write; then that one to its end.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::time::sleep;

use super::Shared;
use super::attempt::{Attempt, Line};
use super::body::{body, sent};
use super::estimate::Estimate;
use super::failure::Failure;
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
    /// Index of the model that is asked.
    model: usize,
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
    /// A call that has not begun.
    pub fn new(shared: Arc<Shared>, request: Request) -> Self {
        Self {
            shared,
            turns: request.turns.len(),
            request,
            model: 0,
            retries: 0,
            pause: None,
            prepared: None,
            attempt: None,
            authorization: None,
            replacement: None,
            ready: VecDeque::new(),
            failed: None,
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
            let Shared { client, settings, clock, max_tokens, .. } = &*self.shared;
            let line = Line {
                client,
                url: &settings.url,
                patience: settings.patience,
                clock,
                max_tokens: *max_tokens,
            };
            self.attempt = Some(Attempt::begin(&line, authorization, body).await?);
            return Ok(());
        }
        let Some(attempt) = &mut self.attempt else {
            let (model, circuit) = &self.shared.models[self.model];
            let body = body(&self.request, model, self.shared.max_tokens).map_err(Failure::from)?;
            let authorization = match &self.replacement {
                Some(key) => key.clone(),
                None => self.shared.key.authorization().await.map_err(Failure::from)?,
            };
            if !circuit.admits().await {
                return Err(Failure::lasting(Fault::CircuitOpen, model.as_str()));
            }
            self.authorization = Some(authorization.clone());
            if self.retries == 0 {
                self.ready.push_back(Event::Model(model.clone()));
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
            self.shared.models[self.model].1.succeeded().await;
        }
        Ok(())
    }

    /// Decides about a failure: another attempt, or none.
    async fn recover(&mut self, failure: Failure) -> Result<(), ProviderError> {
        // Close its connection before there is another one.
        self.attempt = None;
        let (model, circuit) = &self.shared.models[self.model];
        let error = &failure.error;
        if error.fault == Fault::KeyRefused && self.replacement.is_none() && !failure.is_paid {
            self.replacement = match &self.authorization {
                Some(refused) => self.shared.key.replacement(refused).await,
                None => None,
            };
            if self.replacement.is_some() {
                tracing::warn!(
                    model,
                    %error,
                    "the provider refused the key; the call tries the new key"
                );
                // A refused request is not paid.
                self.ready.push_back(Event::Usage(Usage::default()));
                return Ok(());
            }
        }
        match error.fault {
            fault if fault.is_outage() => circuit.failed().await,
            Fault::NoKey | Fault::KeyRefused => circuit.key_refused().await,
            // No model was asked.
            Fault::CircuitOpen => {}
            // The model answers.
            _ => circuit.succeeded().await,
        }
        tracing::warn!(
            model,
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
        if error.fault == Fault::ContextTooLong && self.request.shorten() {
            return Ok(());
        }
        if self.retries < RETRIES
            && let Some(pause) = failure.pause(self.retries)
        {
            self.retries += 1;
            self.pause = Some(pause);
            return Ok(());
        }
        if failure.is_of_the_model() && self.model + 1 < self.shared.models.len() {
            self.model += 1;
            self.retries = 0;
            return Ok(());
        }
        Err(failure.error)
    }
}
