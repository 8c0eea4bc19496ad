//! Begins a session for a user whose password has been checked, if the account has not changed
//! since.

use std::collections::BTreeMap;

use jiff::Timestamp;
use platform::audit::{Actor, AuditDetails};
use platform::context::Context;
use platform::plan::Retry;
use platform::store::{Session, Sessions, User, Users};
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
        let session_id = ids::new_id(now);
        let identity = user.identity(&session_id);
        let (pair, claims) = self.tokens.issue(&identity, &user.roles, now, now).await?;
        let session = Session {
            id: session_id.clone(),
            user_id: user.id.clone(),
            username: user.username.clone(),
            began_at: now.as_millisecond(),
            last_used_at: now.as_millisecond(),
            expires_at: self.tokens.lifetimes.session_expiry(now, now),
            address: context.address.clone(),
            user_agent: context.user_agent.clone(),
            refresh_hash: ids::sha256(&pair.refresh_token),
            previous_hash: None,
            rotated_at: None,
            pair: claims,
            connections: BTreeMap::new(),
        };
        let sessions_to_evict = user.sessions_to_evict(now);
        let details = AuditDetails::default()
            .actor(Actor::from(&identity))
            .resource("session", &session_id)
            .detail("ended_sessions", sessions_to_evict.evicted.clone())
            .detail("rehashed", stronger_hash.is_some());
        let begin_session =
            self.users.begin_session(user, &session, &sessions_to_evict, stronger_hash);
        let plan = Plan::reply(TokenPair::from(pair))
            .details(details)
            .write(self.sessions.begin(&session)?);
        let plan =
            sessions_to_evict.idle.iter().fold(plan, |plan, id| plan.write(self.sessions.end(id)));
        Ok(self
            .ending
            .add(plan, &sessions_to_evict.evicted)
            .await?
            .write_or_retry(begin_session, overtaken))
    }
}
