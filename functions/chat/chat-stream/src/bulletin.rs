//! What others are told of the provider: that it is out of order, and that it is not any more.

use std::sync::{Mutex, PoisonError};

use assistant::Outage;
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::platform::Platform;
use platform::store::{self, Outages, StoreError};
use tokio::time::Instant;

/// The bulletin of this process.
pub struct Bulletin {
    outages: Outages,
    clock: Clock,
    /// What it has told last. What another process has told is not its business: that ends in time by itself.
    told: Mutex<Option<Outage>>,
}

impl Bulletin {
    /// Nothing has been told.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let outages = Outages::new(platform.database()?, &platform.config)?;
        Ok(Self { outages, clock: platform.clock.clone(), told: Mutex::default() })
    }

    /// Tells how the provider is, if that is news. Where it can't be told, it is still news the next time.
    pub async fn tell(&self, outage: Option<Outage>) {
        if *self.told.lock().unwrap_or_else(PoisonError::into_inner) == outage {
            return;
        }
        match self.write(outage).await {
            Ok(()) => *self.told.lock().unwrap_or_else(PoisonError::into_inner) = outage,
            Err(error) => tracing::warn!(%error, ?outage, "GET /ready does not know how the provider is"),
        }
    }

    async fn write(&self, outage: Option<Outage>) -> Result<(), StoreError> {
        let Some(Outage { is_total, until }) = outage else { return self.outages.end().await };
        let left = i64::try_from(until.duration_since(Instant::now()).as_millis()).unwrap_or(i64::MAX);
        let until = self.clock.now().as_millisecond().saturating_add(left);
        self.outages.begin(store::Outage { is_total, until }).await
    }
}
