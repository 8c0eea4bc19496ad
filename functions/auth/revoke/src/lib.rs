//! `POST /auth/revoke`: revokes a token (RFC 7009) and its session, because all tokens of one grant
//! end together.
//!
//! Any holder of a token may revoke it. A refresh token that has been spent ends its session too,
//! as it does if it is spent again. A text that is no token of a live session gets the same answer,
//! because nothing is left to do.

use futures_util::FutureExt as _;
use platform::audit::{Actor, AuditDetails};
use platform::input::Media;
use platform::routes::{self, Route};
use platform::store::Users;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_accounts::sessions::{Ending, Held, ShownToken, ShownTokens};
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (RevokeToken,);

/// The endpoint.
pub struct RevokeToken {
    tokens: ShownTokens,
    users: Users,
    ending: Ending,
}

/// The answer to any token, valid or not. Clients ignore it (RFC 7009 section 2.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct Revoked {}

impl Endpoint for RevokeToken {
    const ROUTE: Route = routes::REVOKE;
    const MEDIA: Media = Media::Form;
    type Caller = ();
    type Body = ShownToken;
    type Query = ();
    type Output = Revoked;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let users = Users::new(platform)?;
        Ok(Self { tokens: ShownTokens::new(platform)?, users, ending: Ending::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Revoked>, Problem> {
        let nothing =
            || Ok(Plan::reply(Revoked {}).details(AuditDetails::default().detail("ended", false)));
        let Some(Held { session, .. }) = self.tokens.find(&request.body, request.now).await? else {
            return nothing();
        };
        let forget = self.users.revoke_session(&session.user_id, &session.id, request.now);
        let actor = Actor {
            session_id: Some(session.id.clone()),
            ..Actor::user(&session.user_id, &session.username)
        };
        let details = AuditDetails::default()
            .actor(actor)
            .resource("session", &session.id)
            .detail("ended", true);
        let plan = self.ending.add_read(Plan::reply(Revoked {}).details(details), session)?;
        // The session ended meanwhile in another way.
        Ok(plan.write_or_retry(forget, Box::new(move |_| async move { nothing() }.boxed())))
    }
}
