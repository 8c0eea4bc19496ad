//! Access and refresh tokens: JWTs (RFC 7519, RFC 8725) signed with HS256 under two separate key
//! rings.

mod live;
mod ring;
mod unverified;

pub use live::LiveRing;
pub use ring::{Ring, RingError, RingKind};
pub use unverified::Unverified;

use crate::config::{Config, ConfigError};
use crate::domain::AccessClaims;
use crate::identity::Identity;
use crate::platform::Platform;
use crate::problem::Problem;

/// Verifies access tokens. Every protected route needs it.
#[derive(Debug, Clone)]
pub struct AccessTokens {
    ring: LiveRing,
    issuer: String,
    clock: crate::clock::Clock,
}

impl AccessTokens {
    /// Uses the ring that `ACCESS_RING_ARN` names and the issuer `ISSUER`.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            ring: LiveRing::new(RingKind::Access, platform)?,
            issuer: issuer(&platform.config),
            clock: platform.clock.clone(),
        })
    }

    /// The user and session that the token was issued for, and its claims. No database is asked.
    pub async fn verify(&self, token: &str) -> Result<(Identity, AccessClaims), Problem> {
        let claims = self
            .ring
            .verify::<AccessClaims>(token, &self.issuer, self.clock.now())
            .await?
            .map_err(|_| Problem::invalid_token())?;
        let identity = Identity {
            user_id: claims.sub.clone(),
            username: claims.username.clone(),
            session_id: claims.sid.clone(),
        };
        Ok((identity, claims))
    }
}

/// The setting `ISSUER`: the `iss` of every token.
pub fn issuer(config: &Config) -> String {
    config.get("ISSUER").unwrap_or("tally").to_owned()
}
