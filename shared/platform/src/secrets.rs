//! Secrets from Secrets Manager, kept for at most five minutes so that a rotation reaches warm functions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::aws::{Service, describe, sdk_config};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

/// How long a secret is believed.
const BELIEVED_FOR: Duration = Duration::from_mins(5);

/// Characters that a member has at least: a shorter one, or an empty one that someone left behind, is a key that can be guessed.
const SHORTEST: usize = 64;

/// A secret could not be read. The log has why.
#[derive(Debug, thiserror::Error)]
#[error("the secret does not arrive: {0}")]
pub struct SecretError(String);

/// A client of Secrets Manager with a cache.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    clock: Clock,
    cache: Arc<Mutex<Cache>>,
}

/// By ARN: when it was read, and what was read.
type Cache = HashMap<String, (Timestamp, Arc<Secret>)>;

/// The members of a secret that is a JSON object of strings.
#[derive(serde::Deserialize)]
pub struct Secret(HashMap<String, String>);

impl Secret {
    /// One member. One that is too short to be a key counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let member = self.0.get(name).map(String::as_str)?;
        if member.len() < SHORTEST {
            tracing::error!(name, "a member of a secret is too short to be a key");
            return None;
        }
        Some(member)
    }
}

/// Secrets must not reach a log.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secrets {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, ConfigError> {
        let client = aws_sdk_secretsmanager::Client::new(&sdk_config(config, Service::SecretsManager)?);
        Ok(Self { client, clock, cache: Arc::default() })
    }

    /// The secret with this ARN, from the cache if it is fresh.
    pub async fn get(&self, arn: &str) -> Result<Arc<Secret>, SecretError> {
        let now = self.clock.now();
        let mut cache = self.cache.lock().await;
        if let Some((read_at, secret)) = cache.get(arn)
            && now.duration_since(*read_at).unsigned_abs() < BELIEVED_FOR
        {
            return Ok(Arc::clone(secret));
        }
        let answer = self.client.get_secret_value().secret_id(arn).send().await;
        let answer = answer.map_err(|error| SecretError(describe(&error)))?;
        // The parser's own message would quote the secret.
        let secret = serde_json::from_str(answer.secret_string().unwrap_or_default());
        let secret: Arc<Secret> = Arc::new(secret.map_err(|_| SecretError(format!("{arn} is not a JSON object of strings")))?);
        cache.insert(arn.to_owned(), (now, Arc::clone(&secret)));
        Ok(secret)
    }
}
