//! Tokens that a client sends for introspection (RFC 7662) or revocation (RFC 7009). This code
//! finds their session, and whether they are still valid in it.

use jiff::Timestamp;
use platform::input::{Fields, Input};
use platform::store::{Session, Sessions};
use platform::{ConfigError, Platform, Problem, ids};
use utoipa::ToSchema;

use crate::tokens::{Genuine, TokenReader};

/// The request body.
#[derive(ToSchema)]
pub struct ShownToken {
    /// An access or a refresh token. You may send a `token_type_hint` with it, but each token names
    /// its own type.
    pub token: String,
}

impl Input for ShownToken {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { token: fields.required("token")? })
    }
}

/// Finds the sessions of tokens.
#[derive(Clone)]
pub struct ShownTokens {
    tokens: TokenReader,
    sessions: Sessions,
}

/// A token of ours in a session that has not ended.
pub struct Held {
    /// Its claims.
    pub claims: Genuine,
    /// Its session.
    pub session: Session,
    /// Whether it is still valid: a spent refresh token is not.
    pub is_good: bool,
}

impl ShownTokens {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { tokens: TokenReader::new(platform)?, sessions: Sessions::new(platform)? })
    }

    /// The token with its session; `None` if it is not ours, has expired, or its session has ended.
    pub async fn find(&self, shown: &ShownToken, now: Timestamp) -> Result<Option<Held>, Problem> {
        let Some(claims) = self.tokens.read(&shown.token, now).await? else { return Ok(None) };
        let session = self.sessions.get(claims.session_id()).await?;
        Ok(session
            .filter(|session| session.is_live(now) && session.user_id == claims.user_id())
            .map(|session| {
                let is_good = match &claims {
                    Genuine::Access(_) => true,
                    Genuine::Refresh(_) => {
                        ids::same(&ids::sha256(&shown.token), &session.refresh_hash)
                    }
                };
                Held { claims, session, is_good }
            }))
    }
}
