//! Begins a session for a user whose password has been checked, if the account is still as it was then.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::Ending;
use crate::audit::{Actor, Note};
use crate::config::ConfigError;
use crate::context::Context;
use crate::ids;
use crate::plan::Plan;
use crate::platform::Platform;
use crate::problem::Problem;
use crate::store::{Session, Sessions, User, Users};
use crate::tokens::{TokenIssuer, TokenPair};

/// What beginning a session needs.
#[derive(Clone)]
pub struct SignIn {
    users: Users,
    sessions: Sessions,
    tokens: TokenIssuer,
    ending: Ending,
}

impl SignIn {
    /// The parts.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform.database()?, &platform.config)?,
            sessions: Sessions::new(platform.database()?, &platform.config)?,
            tokens: TokenIssuer::new(platform)?,
            ending: Ending::new(platform)?,
        })
    }

    /// The session, the end of those it evicts, and the tokens. A login that was overtaken by another change of the account
    /// makes a new plan from the account as it stands, without hashing again; `refused` answers where it may no longer.
    pub fn plan(
        self,
        user: User,
        context: Context,
        now: Timestamp,
        refused: Problem,
    ) -> BoxFuture<'static, Result<Plan<TokenPair>, Problem>> {
        async move {
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
            };
            let room = user.room(now);
            let note = Note::default()
                .actor(Actor::from(&identity))
                .resource("session", &session_id)
                .detail("ended_sessions", room.evicted.clone());
            let begin_session = self.users.begin_session(&user, &session, &room);
            let plan = Plan::reply(TokenPair::from(pair)).note(note).write(self.sessions.begin(&session)?);
            let plan = room.idle.iter().fold(plan, |plan, id| plan.write(self.sessions.end(id)));
            let plan = self.ending.add(plan, room.evicted);
            let checked_hash = user.password_hash;
            Ok(plan.write_or_replan(
                begin_session,
                Box::new(move |found| {
                    async move {
                        let user = found.map(|item| self.users.read(item)).transpose()?;
                        match user.filter(|user| user.is_active && user.password_hash == checked_hash) {
                            Some(user) => self.plan(user, context, now, refused).await,
                            None => Err(refused),
                        }
                    }
                    .boxed()
                }),
            ))
        }
        .boxed()
    }
}
