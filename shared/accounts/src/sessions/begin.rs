//! Begins a session for a user whose password, or sign-in at the identity provider, has been
//! checked, if the account has not changed since.

use std::collections::BTreeMap;

use jiff::Timestamp;
use platform::audit::{Actor, AuditDetails};
use platform::context::Context;
use platform::plan::Retry;
use platform::store::{Session, Sessions, SessionsToEvict, User, Users};
use platform::{ConfigError, Plan, Platform, Problem, ids};

use super::Ending;
use crate::tokens::{TokenIssuer, TokenPair};

/// Begins sessions.
#[derive(Clone)]
pub struct SignIn {
    users: Users,
    sessions: Sessions,
    tokens: TokenIssuer,
    ending: Ending,
}

/// A session that is about to begin.
pub struct NewSession {
    /// The session.
    pub session: Session,
    /// The sessions that make room for it.
    pub sessions_to_evict: SessionsToEvict,
    /// The answer, with its first tokens.
    pub pair: TokenPair,
}

impl SignIn {
    /// Builds its parts from the platform.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            sessions: Sessions::new(platform)?,
            tokens: TokenIssuer::new(platform)?,
            ending: Ending::new(platform)?,
        })
    }

    /// A session of a user, and its tokens. A session by single sign-on ends for good at `ends_at`,
    /// in seconds since 1970.
    pub async fn session(
        &self,
        user: &User,
        ends_at: Option<i64>,
        context: &Context,
        now: Timestamp,
    ) -> Result<NewSession, Problem> {
        let session_id = ids::new_id(now);
        let identity = user.identity(&session_id);
        let end = ends_at.unwrap_or_else(|| self.tokens.lifetimes.session_end(now));
        let (pair, claims) = self.tokens.issue(&identity, &user.roles, end, now).await?;
        let session = Session {
            id: session_id,
            user_id: user.id.clone(),
            username: user.username.clone(),
            began_at: now.as_millisecond(),
            last_used_at: now.as_millisecond(),
            expires_at: self.tokens.lifetimes.session_expiry(end, now),
            ends_at,
            address: context.address.clone(),
            user_agent: context.user_agent.clone(),
            refresh_hash: ids::sha256(&pair.refresh_token),
            previous_hash: None,
            rotated_at: None,
            pair: claims,
            connections: BTreeMap::new(),
        };
        let sessions_to_evict = user.sessions_to_evict(now);
        Ok(NewSession { session, sessions_to_evict, pair: pair.into() })
    }

    /// The plan that answers with the tokens, begins the session and ends those that make room for
    /// it. The caller adds the write of the account, which lists its sessions.
    pub async fn begin(&self, new: NewSession) -> Result<Plan<TokenPair>, Problem> {
        let NewSession { session, sessions_to_evict, pair } = new;
        let identity = Actor {
            session_id: Some(session.id.clone()),
            ..Actor::user(&session.user_id, &session.username)
        };
        let details = AuditDetails::default()
            .actor(identity)
            .resource("session", &session.id)
            .detail("ended_sessions", sessions_to_evict.evicted.clone());
        let plan = Plan::reply(pair).details(details).write(self.sessions.begin(&session)?);
        let plan =
            sessions_to_evict.idle.iter().fold(plan, |plan, id| plan.write(self.sessions.end(id)));
        Ok(self.ending.add(plan, &sessions_to_evict.evicted).await?)
    }

    /// Plans the session, the end of the sessions that it evicts, and the tokens. `stronger_hash`
    /// replaces the password hash. If another change of the account was faster, `overtaken` makes a
    /// new plan from the account as it stands.
    pub async fn plan(
        &self,
        user: &User,
        stronger_hash: Option<&str>,
        context: &Context,
        now: Timestamp,
        overtaken: Retry<TokenPair>,
    ) -> Result<Plan<TokenPair>, Problem> {
        let new = self.session(user, None, context, now).await?;
        let begin_session =
            self.users.begin_session(user, &new.session, &new.sessions_to_evict, stronger_hash);
        let plan = self.begin(new).await?.detail("rehashed", stronger_hash.is_some());
        Ok(plan.write_or_retry(begin_session, overtaken))
    }
}
