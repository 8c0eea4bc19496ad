//! A ring that follows its secret through rotations.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::ring::{Ring, RingKind};
use super::unverified::Unverified;
use crate::config::ConfigError;
use crate::domain::{Claims, TokenError};
use crate::platform::Platform;
use crate::problem::Problem;
use crate::secrets::{Secret, Secrets};

/// The ring of one kind of token as it stands now. Its keys are derived once for each read of the
/// secret.
#[derive(Clone)]
pub struct LiveRing {
    kind: RingKind,
    arn: String,
    secrets: Secrets,
    derived: Arc<Mutex<Option<Derived>>>,
}

/// A ring and the secret that it was derived from.
type Derived = (Arc<Secret>, Arc<Ring>);

impl LiveRing {
    /// Uses the secret that the ring's setting names; nothing is fetched yet.
    pub fn new(kind: RingKind, platform: &Platform) -> Result<Self, ConfigError> {
        let arn = platform.config.require(kind.setting())?.to_owned();
        Ok(Self { kind, arn, secrets: platform.secrets()?, derived: Arc::default() })
    }

    /// The ring, at most five minutes old.
    pub async fn get(&self) -> Result<Arc<Ring>, Problem> {
        self.ring_of(self.secrets.get(&self.arn).await?)
    }

    /// The ring with the key `kid`. If the key is missing, the secret may have been rotated and is
    /// read again, at most once a minute. The limit exists because a caller can make up key ids,
    /// which must not cost more than that.
    pub async fn with_key(&self, kid: &str) -> Result<Arc<Ring>, Problem> {
        let ring = self.get().await?;
        if ring.kids().any(|known| known == kid) {
            return Ok(ring);
        }
        self.ring_of(self.secrets.reread(&self.arn).await?)
    }

    /// The claims of a token. The outer result is an `Err` only if the ring cannot be read.
    pub async fn verify<C: Claims>(
        &self,
        token: &str,
        issuer: &str,
        now: Timestamp,
    ) -> Result<Result<C, TokenError>, Problem> {
        let Ok(token) = Unverified::parse(token) else { return Ok(Err(TokenError)) };
        Ok(self.with_key(&token.kid).await?.verify(&token, issuer, now))
    }

    fn ring_of(&self, secret: Arc<Secret>) -> Result<Arc<Ring>, Problem> {
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((source, ring)) = &*derived
            && Arc::ptr_eq(source, &secret)
        {
            return Ok(Arc::clone(ring));
        }
        let ring = Arc::new(Ring::derive(self.kind, &secret)?);
        *derived = Some((secret, Arc::clone(&ring)));
        Ok(ring)
    }
}

/// Keys must not reach a log.
impl std::fmt::Debug for LiveRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LiveRing({:?})", self.kind)
    }
}
