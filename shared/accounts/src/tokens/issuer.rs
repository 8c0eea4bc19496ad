//! Issues pairs of tokens, and issues a pair again from its claims.

use std::time::Duration;

use jiff::Timestamp;
use platform::config::Config;
use platform::domain::{AccessClaims, Claims, LEEWAY, PairClaims, RefreshClaims, Role, TokenError};
use platform::identity::Identity;
use platform::secrets::BELIEVED_FOR;
use platform::tokens::{LiveRing, Ring, RingKind, issuer};
use platform::{ConfigError, Platform, Problem, ids};
use serde::Serialize;
use utoipa::ToSchema;

/// Issues and re-issues pairs, and verifies refresh tokens.
#[derive(Debug, Clone)]
pub struct TokenIssuer {
    access_ring: LiveRing,
    refresh_ring: LiveRing,
    issuer: String,
    /// Lifetimes of the tokens that it issues.
    pub lifetimes: Lifetimes,
}

/// How long tokens and sessions last.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// An access token: 15 minutes (`ACCESS_TOKEN_SECONDS`).
    pub access: Duration,
    /// A session without a refresh: 24 hours (`SESSION_IDLE_SECONDS`).
    pub idle: Duration,
    /// A session in all: 7 days (`SESSION_SECONDS`).
    pub session: Duration,
}

/// An access token and a refresh token as they are sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The access token.
    pub access_token: String,
    /// The refresh token.
    pub refresh_token: String,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// Seconds from the issue of the refresh token to its expiry.
    pub refresh_expires_in: u64,
}

platform::opaque!(Pair);

impl Lifetimes {
    /// The time when a session ends for good that began at this time, in seconds since 1970.
    pub fn session_end(&self, began_at: Timestamp) -> i64 {
        began_at.as_second() + seconds(self.session)
    }

    /// The time when a session expires that was last used now and ends for good at `ends_at`. All
    /// times are in seconds since 1970.
    pub fn session_expiry(&self, ends_at: i64, now: Timestamp) -> i64 {
        (now.as_second() + seconds(self.idle)).min(ends_at)
    }

    /// How long a token may still be valid after its key has left `current`. Functions sign with
    /// the key until they read the ring again. Then the token lives for its lifetime and the
    /// leeway. A refresh token lives as long as its session at most.
    pub fn key_needed(&self, kind: RingKind) -> Duration {
        let token = match kind {
            RingKind::Access => self.access,
            RingKind::Refresh => self.session,
        };
        BELIEVED_FOR + token + LEEWAY
    }

    /// Reads the settings named above.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        Ok(Self {
            access: config.seconds("ACCESS_TOKEN_SECONDS", 15 * 60)?,
            idle: config.seconds("SESSION_IDLE_SECONDS", 24 * 3600)?,
            session: config.seconds("SESSION_SECONDS", 7 * 86_400)?,
        })
    }
}

/// A pair of tokens in an answer (RFC 6749 section 5.1).
#[derive(Serialize, ToSchema)]
pub struct TokenPair {
    /// JWT for `Authorization: Bearer`.
    pub access_token: String,
    /// JWT that you can exchange once for the next pair. Left out if the answer sets it as a
    /// cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub refresh_token: Option<String>,
    /// Always `bearer`.
    #[schema(example = "bearer")]
    pub token_type: &'static str,
    /// Seconds until the access token expires.
    #[schema(example = 900)]
    pub expires_in: u64,
    /// Seconds from the issue of the refresh token to its expiry, for its cookie.
    #[serde(skip)]
    #[schema(ignore)]
    pub refresh_expires_in: u64,
}

platform::opaque!(TokenPair);

impl From<Pair> for TokenPair {
    fn from(pair: Pair) -> Self {
        Self {
            access_token: pair.access_token,
            refresh_token: Some(pair.refresh_token),
            token_type: "bearer",
            expires_in: pair.expires_in,
            refresh_expires_in: pair.refresh_expires_in,
        }
    }
}

impl TokenIssuer {
    /// Uses the rings that `ACCESS_RING_ARN` and `REFRESH_RING_ARN` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        Ok(Self {
            access_ring: LiveRing::new(RingKind::Access, platform)?,
            refresh_ring: LiveRing::new(RingKind::Refresh, platform)?,
            issuer: issuer(config),
            lifetimes: Lifetimes::from_config(config)?,
        })
    }

    /// A new pair for a session that ends for good at `ends_at`, in seconds since 1970. No token
    /// outlives the session.
    pub async fn issue(
        &self,
        identity: &Identity,
        roles: &[Role],
        ends_at: i64,
        now: Timestamp,
    ) -> Result<(Pair, PairClaims), Problem> {
        let access_ring = self.access_ring.get().await?;
        let refresh_ring = self.refresh_ring.get().await?;
        let iat = now.as_second();
        let access = AccessClaims {
            iss: self.issuer.clone(),
            aud: AccessClaims::AUDIENCE.to_owned(),
            sub: identity.user_id.clone(),
            username: identity.username.clone(),
            roles: roles.to_vec(),
            sid: identity.session_id.clone(),
            jti: ids::new_id(now),
            iat,
            exp: (iat + seconds(self.lifetimes.access)).min(ends_at),
            kind: "access".to_owned(),
        };
        let refresh = RefreshClaims {
            iss: self.issuer.clone(),
            aud: RefreshClaims::AUDIENCE.to_owned(),
            sub: identity.user_id.clone(),
            sid: identity.session_id.clone(),
            jti: ids::new_id(now),
            iat,
            // Not the time when the session idles out, which its item has. A spent token has to be
            // recognised for as long as successors of it may exist.
            exp: ends_at,
            kind: "refresh".to_owned(),
        };
        let claims = PairClaims {
            access,
            access_kid: access_ring.current_kid().to_owned(),
            refresh,
            refresh_kid: refresh_ring.current_kid().to_owned(),
        };
        let pair = sign(&access_ring, &refresh_ring, &claims)?;
        Ok((pair, claims))
    }

    /// Issues the pair with these claims again, the same byte for byte.
    pub async fn reissue(&self, claims: &PairClaims) -> Result<Pair, Problem> {
        let access_ring = self.access_ring.with_key(&claims.access_kid).await?;
        let refresh_ring = self.refresh_ring.with_key(&claims.refresh_kid).await?;
        Ok(sign(&access_ring, &refresh_ring, claims)?)
    }

    /// The claims of a refresh token. The outer result is an `Err` only if the ring cannot be read.
    pub async fn verify_refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Result<Result<RefreshClaims, TokenError>, Problem> {
        self.refresh_ring.verify(token, &self.issuer, now).await
    }
}

fn sign(access_ring: &Ring, refresh_ring: &Ring, claims: &PairClaims) -> Result<Pair, TokenError> {
    Ok(Pair {
        access_token: access_ring.sign(&claims.access, &claims.access_kid)?,
        refresh_token: refresh_ring.sign(&claims.refresh, &claims.refresh_kid)?,
        expires_in: u64::try_from(claims.access.exp - claims.access.iat).unwrap_or(0),
        refresh_expires_in: u64::try_from(claims.refresh.exp - claims.refresh.iat).unwrap_or(0),
    })
}

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}
