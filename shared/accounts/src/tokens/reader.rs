//! Reads tokens of an unknown kind.

use jiff::Timestamp;
use platform::domain::{AccessClaims, RefreshClaims};
use platform::tokens::{LiveRing, RingKind, issuer};
use platform::{ConfigError, Platform, Problem};

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

    /// The claims of a token, if it is one of ours.
    pub async fn read(&self, token: &str, now: Timestamp) -> Result<Option<Genuine>, Problem> {
        // A token whose header names the other kind is refused at its header.
        if let Ok(claims) = self.access_ring.verify(token, &self.issuer, now).await? {
            return Ok(Some(Genuine::Access(claims)));
        }
        Ok(self.refresh_ring.verify(token, &self.issuer, now).await?.ok().map(Genuine::Refresh))
    }
}

impl Genuine {
    /// Id of its user.
    pub fn user_id(&self) -> &str {
        match self {
            Self::Access(claims) => &claims.sub,
            Self::Refresh(claims) => &claims.sub,
        }
    }

    /// Id of its session.
    pub fn session_id(&self) -> &str {
        match self {
            Self::Access(claims) => &claims.sid,
            Self::Refresh(claims) => &claims.sid,
        }
    }
}
