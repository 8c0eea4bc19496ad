//! The claims of tokens.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Role;

/// Tolerance for clocks that differ.
pub const LEEWAY: Duration = Duration::from_secs(30);

/// A token was refused. The error does not say why: that would only help a forger.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct TokenError;

/// A kind of token.
pub trait Claims: Serialize + DeserializeOwned + Clone {
    /// Header `typ` (explicit typing, RFC 8725 section 3.11).
    const TYP: &'static str;
    /// Claim `aud`.
    const AUDIENCE: &'static str;

    /// Whether `iss`, `aud` and `type` are right, and `now` is within the token's times.
    fn hold(&self, issuer: &str, now: Timestamp) -> bool;
}

/// Claims of an access token. The order of fields is the order in the token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer.
    pub iss: String,
    /// `tally-api`.
    pub aud: String,
    /// User id.
    pub sub: String,
    /// Username.
    pub username: String,
    /// Roles when it was issued; routes for a role read the current ones.
    pub roles: Vec<Role>,
    /// Session id.
    pub sid: String,
    /// Id of this token.
    pub jti: String,
    /// Time at which it was issued, in seconds since 1970.
    pub iat: i64,
    /// Time at which it expires, in seconds since 1970.
    pub exp: i64,
    /// `access`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// Claims of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefreshClaims {
    /// Issuer.
    pub iss: String,
    /// `tally-refresh`.
    pub aud: String,
    /// User id.
    pub sub: String,
    /// Session id.
    pub sid: String,
    /// Id of this token.
    pub jti: String,
    /// Time at which it was issued, in seconds since 1970.
    pub iat: i64,
    /// Time at which it expires, in seconds since 1970.
    pub exp: i64,
    /// `refresh`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The claims of a pair of tokens, and the keys that signed them. A session keeps these, never the
/// tokens: signing them again gives the same bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairClaims {
    /// The claims of the access token.
    pub access: AccessClaims,
    /// Key that signed it.
    pub access_kid: String,
    /// The claims of the refresh token.
    pub refresh: RefreshClaims,
    /// Key that signed it.
    pub refresh_kid: String,
}

impl Claims for AccessClaims {
    const TYP: &'static str = "at+jwt";
    const AUDIENCE: &'static str = "tally-api";

    fn hold(&self, issuer: &str, now: Timestamp) -> bool {
        self.iss == issuer
            && self.aud == Self::AUDIENCE
            && self.kind == "access"
            && within(self.iat, self.exp, now)
    }
}

impl Claims for RefreshClaims {
    const TYP: &'static str = "rt+jwt";
    const AUDIENCE: &'static str = "tally-refresh";

    fn hold(&self, issuer: &str, now: Timestamp) -> bool {
        self.iss == issuer
            && self.aud == Self::AUDIENCE
            && self.kind == "refresh"
            && within(self.iat, self.exp, now)
    }
}

fn within(issued_at: i64, expires_at: i64, now: Timestamp) -> bool {
    let now = now.as_second();
    let leeway = LEEWAY.as_secs().cast_signed();
    issued_at <= now.saturating_add(leeway) && now < expires_at.saturating_add(leeway)
}
