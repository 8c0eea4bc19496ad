//! Reads tokens of which it is not known what kind they are.

use jiff::Timestamp;

use super::{LiveRing, RingKind, issuer};
use crate::config::ConfigError;
use crate::domain::{AccessClaims, RefreshClaims};
use crate::platform::Platform;
use crate::problem::Problem;

/// Reads tokens of either kind.
#[derive(Debug, Clone)]
pub struct TokenReader {
    access_ring: LiveRing,
    refresh_ring: LiveRing,
    issuer: String,
}

/// A token that we have issued and that has not expired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Genuine {
    /// An access token.
    Access(AccessClaims),
    /// A refresh token, spent or not.
    Refresh(RefreshClaims),
}

impl TokenReader {
    /// Uses the rings that `ACCESS_RING_ARN` and `REFRESH_RING_ARN` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            access_ring: LiveRing::new(RingKind::Access, platform)?,
            refresh_ring: LiveRing::new(RingKind::Refresh, platform)?,
            issuer: issuer(&platform.config),
        })
    }

    /// What a token says, if it is one of ours.
    pub async fn read(&self, token: &str, now: Timestamp) -> Result<Option<Genuine>, Problem> {
        // One that says of itself to be of the other kind goes no further than that.
        if let Ok(claims) = self.access_ring.verify(token, &self.issuer, now).await? {
            return Ok(Some(Genuine::Access(claims)));
        }
        Ok(self.refresh_ring.verify(token, &self.issuer, now).await?.ok().map(Genuine::Refresh))
    }
}

impl Genuine {
    /// Whose it is.
    pub fn user_id(&self) -> &str {
        match self {
            Self::Access(claims) => &claims.sub,
            Self::Refresh(claims) => &claims.sub,
        }
    }

    /// Of which session it is.
    pub fn session_id(&self) -> &str {
        match self {
            Self::Access(claims) => &claims.sid,
            Self::Refresh(claims) => &claims.sid,
        }
    }
}
