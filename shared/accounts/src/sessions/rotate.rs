//! Refresh tokens: each is exchanged for the next pair of tokens, once.
//!
//! Rotation with reuse detection (RFC 9700 section 4.14.2): one conditional write replaces the hash
//! of the current token. The second request with the same token finds the session rotated. Within
//! ten seconds it gets the pair that the first one got, because two tabs must not log each other
//! out. Any other spent token ends the session.

use std::sync::OnceLock;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use platform::audit::{Actor, AuditDetails};
use platform::input::{FromField, RawValue};
use platform::limits::{Limits, Policy, Quota};
use platform::store::{LimitCounters, Session, Sessions, Users};
use platform::{ConfigError, Plan, Platform, Problem, ids};

use super::Ending;
use crate::tokens::{TokenIssuer, TokenPair};

/// Milliseconds after a rotation for which the spent token gets its successor again.
const GRACE_MILLISECONDS: i64 = 10_000;

/// Rotates the tokens of sessions.
#[derive(Clone)]
pub struct Rotation {
    users: Users,
    sessions: Sessions,
    tokens: TokenIssuer,
    ending: Ending,
    counters: LimitCounters,
    quota: Quota,
}

/// A refresh token as a client sends it, with its session once that has been looked up.
pub struct RefreshToken {
    text: String,
    presented: OnceLock<Option<Presented>>,
}

/// The session of a genuine token.
struct Presented {
    session_id: String,
    /// Absent where the session has ended.
    session: Option<Session>,
}

impl FromField for RefreshToken {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        raw.text().map(Self::from)
    }
}

impl From<&str> for RefreshToken {
    fn from(text: &str) -> Self {
        Self { text: text.to_owned(), presented: OnceLock::new() }
    }
}

/// The state of a genuine token in its session.
#[derive(Debug, PartialEq, Eq)]
enum TokenStatus {
    /// The current token: it is exchanged.
    Good,
    /// The previous token, spent just now: the caller gets its successor again.
    JustSpent,
    /// Spent earlier: another client has a copy.
    Reused,
    /// The session has expired.
    Over,
}

fn status(session: &Session, hash: &str, now: Timestamp) -> TokenStatus {
    let is = |other: &str| ids::same(hash, other);
    if !session.is_live(now) {
        return TokenStatus::Over;
    }
    if is(&session.refresh_hash) {
        return TokenStatus::Good;
    }
    let since = session.rotated_at.map_or(i64::MAX, |rotated_at| now.as_millisecond() - rotated_at);
    if session.previous_hash.as_deref().is_some_and(is) && since < GRACE_MILLISECONDS {
        TokenStatus::JustSpent
    } else {
        TokenStatus::Reused
    }
}

impl Rotation {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            sessions: Sessions::new(platform)?,
            tokens: TokenIssuer::new(platform)?,
            ending: Ending::new(platform)?,
            counters: LimitCounters::new(platform)?,
            quota: Limits::from_config(&platform.config)?.quota(&Policy::REFRESH),
        })
    }

    /// The session whose limit a refresh token counts against; `None` for a token that is not
    /// genuine or was spent. Within the grace, a spent token gets a pair that was counted already.
    /// Later it ends its session, however often that was refreshed. Otherwise a thief could hide by
    /// refreshing often.
    pub async fn counted_for(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Option<String>, Problem> {
        let Some(Presented { session_id, session }) = self.look_up(token, now).await? else {
            return Ok(None);
        };
        let status =
            session.as_ref().map(|session| status(session, &ids::sha256(&token.text), now));
        let is_spent = matches!(status, Some(TokenStatus::JustSpent | TokenStatus::Reused));
        Ok((!is_spent).then(|| session_id.clone()))
    }

    async fn look_up<'t>(
        &self,
        token: &'t RefreshToken,
        now: Timestamp,
    ) -> Result<Option<&'t Presented>, Problem> {
        if let Some(presented) = token.presented.get() {
            return Ok(presented.as_ref());
        }
        let presented = match self.tokens.verify_refresh(&token.text, now).await? {
            Ok(claims) => Some(Presented {
                session: self.sessions.get(&claims.sid).await?,
                session_id: claims.sid,
            }),
            Err(_) => None,
        };
        Ok(token.presented.get_or_init(|| presented).as_ref())
    }

    /// Plans the next pair for a refresh token, and spends the token.
    pub async fn spend(
        &self,
        token: &RefreshToken,
        now: Timestamp,
    ) -> Result<Plan<TokenPair>, Problem> {
        let presented =
            self.look_up(token, now).await?.ok_or_else(Problem::invalid_refresh_token)?;
        let Some(session) = presented.session.clone() else {
            return Ok(Plan::refuse(Problem::invalid_refresh_token())
                .details(AuditDetails::default().resource("session", &presented.session_id)));
        };
        self.clone().plan(session, ids::sha256(&token.text), now).await
    }

    /// Reverts the count of a refresh if another one at the same time was faster.
    fn uncount(
        &self,
        plan: Plan<TokenPair>,
        session_id: String,
        counted_at: Timestamp,
    ) -> Plan<TokenPair> {
        let counters = self.counters.clone();
        let quota = self.quota;
        let revert = async move {
            if let Err(error) =
                counters.revert(&Policy::REFRESH, quota, &session_id, counted_at).await
            {
                tracing::warn!(
                    %error,
                    session_id,
                    "failed to revert the count of a repeated refresh"
                );
            }
            Ok(None)
        };
        plan.after_commit(Box::new(|| revert.boxed()))
    }

    /// Ends a session because there is a copy of its token.
    fn end(&self, session: Session) -> Result<Plan<TokenPair>, Problem> {
        let details = AuditDetails::action("auth.refresh_reuse")
            .actor(actor(&session))
            .resource("session", &session.id);
        let forget = self.users.end_session(&session.user_id, &session.id);
        let plan = self
            .ending
            .add_read(Plan::refuse(Problem::invalid_refresh_token()).details(details), session)?;
        Ok(plan.write_or(forget, Problem::invalid_refresh_token()))
    }

    /// Boxed, because a lost race leads back here.
    fn plan(
        self,
        session: Session,
        hash: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<TokenPair>, Problem>> {
        async move {
            let details =
                AuditDetails::default().actor(actor(&session)).resource("session", &session.id);
            match status(&session, &hash, now) {
                TokenStatus::Good => self.rotate(session, hash, now, details).await,
                TokenStatus::JustSpent => {
                    let pair = self.tokens.reissue(&session.pair).await?;
                    Ok(Plan::reply(TokenPair::from(pair)).details(details.detail("repeated", true)))
                }
                TokenStatus::Reused => self.end(session),
                TokenStatus::Over => {
                    Ok(Plan::refuse(Problem::invalid_refresh_token()).details(details))
                }
            }
        }
        .boxed()
    }

    async fn rotate(
        self,
        session: Session,
        hash: String,
        now: Timestamp,
        details: AuditDetails,
    ) -> Result<Plan<TokenPair>, Problem> {
        // The new access token has the current data of the user, not those of the login.
        let Some(user) = self.users.get(&session.user_id).await?.filter(|user| user.is_active)
        else {
            return Ok(Plan::refuse(Problem::invalid_refresh_token()).details(details));
        };
        let began_at = Timestamp::from_millisecond(session.began_at).unwrap_or(now);
        let ends_at =
            session.ends_at.unwrap_or_else(|| self.tokens.lifetimes.session_end(began_at));
        let (pair, claims) =
            self.tokens.issue(&user.identity(&session.id), &user.roles, ends_at, now).await?;
        let next = Session {
            last_used_at: now.as_millisecond(),
            expires_at: self.tokens.lifetimes.session_expiry(ends_at, now),
            refresh_hash: ids::sha256(&pair.refresh_token),
            previous_hash: Some(hash.clone()),
            rotated_at: Some(now.as_millisecond()),
            pair: claims,
            ..session
        };
        let write = self.sessions.rotate(&next, &hash)?;
        let keep = self.users.keep_session(&next);
        Ok(Plan::reply(TokenPair::from(pair))
            .details(details)
            .write_or(keep, Problem::invalid_refresh_token())
            .write_or_retry(
                write,
                Box::new(move |found| {
                    async move {
                        match found {
                            Some(item) => {
                                let session = self.sessions.read(item)?;
                                // Uses the winner's time, because this request may have arrived
                                // before the rotation.
                                let later = now.max(
                                    Timestamp::from_millisecond(
                                        session.rotated_at.unwrap_or_default(),
                                    )
                                    .unwrap_or(now),
                                );
                                let repeats =
                                    status(&session, &hash, later) == TokenStatus::JustSpent;
                                let rotation = self.clone();
                                let session_id = session.id.clone();
                                let plan = self.plan(session, hash, later).await?;
                                Ok(if repeats {
                                    rotation.uncount(plan, session_id, now)
                                } else {
                                    plan
                                })
                            }
                            None => Err(Problem::invalid_refresh_token()),
                        }
                    }
                    .boxed()
                }),
            ))
    }
}

fn actor(session: &Session) -> Actor {
    Actor {
        session_id: Some(session.id.clone()),
        ..Actor::user(&session.user_id, &session.username)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_token_is_judged_by_its_place_in_the_session() {
        let at = |ms: i64| Timestamp::from_millisecond(1_800_000_000_000 + ms).unwrap();
        let session = || -> Session {
            let claims = r#"{"access":{"iss":"i","aud":"a","sub":"u","username":"n","roles":[],"sid":"s","jti":"j","iat":0,"exp":0,"type":"access"},
                "access_kid":"k","refresh":{"iss":"i","aud":"a","sub":"u","sid":"s","jti":"j","iat":0,"exp":0,"type":"refresh"},"refresh_kid":"k"}"#;
            Session {
                id: "s".into(),
                user_id: "u".into(),
                username: "n".into(),
                began_at: 0,
                last_used_at: 0,
                expires_at: at(60_000).as_second(),
                ends_at: None,
                address: String::new(),
                user_agent: String::new(),
                refresh_hash: "second".into(),
                previous_hash: Some("first".into()),
                rotated_at: Some(at(0).as_millisecond()),
                pair: serde_json::from_str(claims).unwrap(),
                connections: BTreeMap::new(),
            }
        };
        for (hash, milliseconds, expected) in [
            ("second", 1, TokenStatus::Good),
            ("first", 0, TokenStatus::JustSpent),
            ("first", 9_999, TokenStatus::JustSpent),
            ("first", 10_000, TokenStatus::Reused),
            ("older", 1, TokenStatus::Reused),
            ("second", 60_000, TokenStatus::Over),
            ("first", 60_000, TokenStatus::Over),
        ] {
            assert_eq!(
                status(&session(), hash, at(milliseconds)),
                expected,
                "{hash} after {milliseconds} ms"
            );
        }
        let fresh = Session { previous_hash: None, rotated_at: None, ..session() };
        assert_eq!(status(&fresh, "first", at(0)), TokenStatus::Reused);
    }
}
