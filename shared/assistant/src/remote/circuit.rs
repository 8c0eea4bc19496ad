//! The circuit breaker of a model: a model that has failed often in a row is not asked for a while.
//! All workers share it, see [`Outages`]. If the store does not answer, the model is asked. A
//! circuit breaker saves waiting, so no call may wait long for it.

use std::time::Duration;

use platform::clock::Clock;
use platform::database::StoreError;
use tokio::time::timeout;

use crate::store::{Outages, THRESHOLD};

/// The longest time to wait for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// The circuit breaker of one model.
#[derive(Debug)]
pub(super) struct Circuit {
    model: String,
    /// Number of models.
    models: usize,
    outages: Outages,
    clock: Clock,
}

impl Circuit {
    /// The circuit breaker of one of `models` models.
    pub fn new(model: &str, models: usize, outages: Outages, clock: Clock) -> Self {
        Self { model: model.to_owned(), models, outages, clock }
    }

    /// Whether the model may be asked.
    pub async fn admits(&self) -> bool {
        self.ask(self.outages.admits(&self.model, self.clock.now())).await.unwrap_or(true)
    }

    /// The model has answered.
    pub async fn succeeded(&self) {
        if self.ask(self.outages.succeeded(&self.model, self.clock.now())).await == Some(true) {
            tracing::info!(model = self.model, "the circuit is closed again");
        }
    }

    /// The model has failed.
    pub async fn failed(&self) {
        let failures =
            self.ask(self.outages.failed(&self.model, self.models, self.clock.now())).await;
        if let Some(failures) = failures.filter(|failures| *failures >= THRESHOLD) {
            tracing::warn!(model = self.model, failures, "the circuit is open");
        }
    }

    /// There is no key, or the provider refuses it: `GET /ready` says so.
    pub async fn key_refused(&self) {
        self.ask(self.outages.key_refused(self.models, self.clock.now())).await;
    }

    async fn ask<T>(&self, answer: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Some(answer),
            Ok(Err(error)) => {
                tracing::warn!(%error, model = self.model, "failed to use the circuit of a model");
                None
            }
            Err(_) => {
                tracing::warn!(model = self.model, "failed to use the circuit of a model in time");
                None
            }
        }
    }
}
