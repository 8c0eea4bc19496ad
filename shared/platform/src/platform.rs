//! The shared parts of every function: settings, the clock, and clients. A client is made once per
//! process, at its first use.

use std::sync::OnceLock;

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::database::Database;
use crate::secrets::Secrets;

/// The parts that endpoints are built from.
#[derive(Debug, Clone, Default)]
pub struct Platform {
    /// Settings.
    pub config: Config,
    /// The clock.
    pub clock: Clock,
    database: OnceLock<Database>,
    secrets: OnceLock<Secrets>,
}

impl Platform {
    /// A platform with these settings and this clock.
    pub fn new(config: Config, clock: Clock) -> Self {
        Self { config, clock, ..Self::default() }
    }

    /// DynamoDB.
    pub fn database(&self) -> Result<Database, ConfigError> {
        if let Some(database) = self.database.get() {
            return Ok(database.clone());
        }
        let database = Database::new(&self.config)?;
        Ok(self.database.get_or_init(|| database).clone())
    }

    /// Secrets Manager, with one cache for all callers.
    pub fn secrets(&self) -> Result<Secrets, ConfigError> {
        if let Some(secrets) = self.secrets.get() {
            return Ok(secrets.clone());
        }
        let secrets = Secrets::new(&self.config, self.clock.clone())?;
        Ok(self.secrets.get_or_init(|| secrets).clone())
    }
}
