//! Secrets from Secrets Manager. They are cached for at most five minutes, so that a rotation
//! reaches warm functions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Mutex;

use crate::aws::{Service, describe, sdk_config};
use crate::clock::Clock;
use crate::config::{Config, ConfigError};

/// How long a cached secret is used.
pub const BELIEVED_FOR: Duration = Duration::from_mins(5);

/// A cached secret that is still fresh is read again at most this often.
const REREAD_EVERY: Duration = Duration::from_mins(1);

/// Characters that a member has at least. A shorter one, or one left empty by mistake, is a key
/// that can be guessed.
const SHORTEST: usize = 64;

/// A secret could not be read. The log has the reason.
#[derive(Debug, thiserror::Error)]
#[error("the secret could not be read: {0}")]
pub struct SecretError(String);

/// A client of Secrets Manager with a cache.
#[derive(Debug, Clone)]
pub struct Secrets {
    client: aws_sdk_secretsmanager::Client,
    clock: Clock,
    cache: Arc<Mutex<Cache>>,
}

/// The cached secrets by ARN.
type Cache = HashMap<String, Kept>;

/// The secret that was read, when it was read, and when a caller last asked to read it anew.
#[derive(Debug)]
struct Kept {
    secret: Arc<Secret>,
    read_at: Timestamp,
    doubted_at: Option<Timestamp>,
}

/// The members of a secret that is a JSON object of strings.
#[derive(serde::Deserialize)]
pub struct Secret(HashMap<String, String>);

impl Secret {
    /// One member. A member that is too short to be a key counts as absent.
    pub fn get(&self, name: &str) -> Option<&str> {
        let member = self.0.get(name).map(String::as_str)?;
        if member.len() < SHORTEST {
            tracing::error!(
                name,
                "a member of a secret is too short to be a key: it counts as absent"
            );
            return None;
        }
        Some(member)
    }

    /// One member that a third party has issued, of any length, because the issuer chooses it.
    pub fn issued(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

crate::opaque!(Secret);

impl Secrets {
    /// Makes the client; nothing is sent yet.
    pub fn new(config: &Config, clock: Clock) -> Result<Self, ConfigError> {
        let client =
            aws_sdk_secretsmanager::Client::new(&sdk_config(config, Service::SecretsManager)?);
        Ok(Self { client, clock, cache: Arc::default() })
    }

    /// The secret with this ARN, from the cache if it is fresh.
    pub async fn get(&self, arn: &str) -> Result<Arc<Secret>, SecretError> {
        let now = self.clock.now();
        let mut cache = self.cache.lock().await;
        match cache.get(arn) {
            Some(kept) if is_within(BELIEVED_FOR, kept.read_at, now) => {
                Ok(Arc::clone(&kept.secret))
            }
            _ => self.read(arn, &mut cache, now).await,
        }
    }

    /// Reads the secret with this ARN anew, for a caller who misses something in the cached one. If
    /// a caller did so within the last minute, even in vain, it returns the cached one.
    pub async fn reread(&self, arn: &str) -> Result<Arc<Secret>, SecretError> {
        let now = self.clock.now();
        // The cache stays locked while the secret is read. A caller who comes meanwhile waits, and
        // gets the new secret.
        let mut cache = self.cache.lock().await;
        match cache.get_mut(arn) {
            Some(Kept { secret, doubted_at: Some(at), .. })
                if is_within(REREAD_EVERY, *at, now) =>
            {
                return Ok(Arc::clone(secret));
            }
            Some(kept) => kept.doubted_at = Some(now),
            None => {}
        }
        self.read(arn, &mut cache, now).await
    }

    fn read<'a>(
        &'a self,
        arn: &'a str,
        cache: &'a mut Cache,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Arc<Secret>, SecretError>> {
        async move {
            let answer = self.client.get_secret_value().secret_id(arn).send().await;
            let answer = answer.map_err(|error| SecretError(describe(&error)))?;
            // The parser's own message would quote the secret.
            let secret = serde_json::from_str(answer.secret_string().unwrap_or_default());
            let secret: Arc<Secret> = Arc::new(
                secret
                    .map_err(|_| SecretError(format!("{arn} is not a JSON object of strings")))?,
            );
            let doubted_at = cache.get(arn).and_then(|kept| kept.doubted_at);
            cache.insert(
                arn.to_owned(),
                Kept { secret: Arc::clone(&secret), read_at: now, doubted_at },
            );
            Ok(secret)
        }
        .boxed()
    }
}

fn is_within(time: Duration, then: Timestamp, now: Timestamp) -> bool {
    now.duration_since(then).unsigned_abs() < time
}
