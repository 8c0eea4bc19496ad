//! `POST|GET /users/invites`, `DELETE /users/invites/{id}`: invitations to register, where
//! registration is by invitation. An invitation is valid once, for seven days, and as long as the
//! user who made it is an administrator.

mod create;

use platform::audit::AuditDetails;
use platform::clock::{Timestamp, rfc3339};
use platform::cursor::{Cursors, Page, Paging};
use platform::domain::Role;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_accounts::store::{Invite, Invites};
use utoipa::ToSchema;

pub use create::{CreateInvite, CreatedInvite, NewInvite};

/// The endpoints of this function.
pub type Endpoints = (CreateInvite, ListInvites, RevokeInvite);

/// An invitation as administrators see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Invite)]
pub struct InviteView {
    /// UUIDv7.
    #[schema(format = "uuid")]
    pub id: String,
    /// The only address that may register with it, if the invitation names one.
    #[schema(required, example = "anna@example.com")]
    pub email: Option<String>,
    /// Roles of the new account.
    pub roles: Vec<Role>,
    /// RFC 3339, UTC.
    #[schema(format = DateTime, example = "2026-01-31T09:30:00.000Z")]
    pub created_at: String,
    /// RFC 3339, UTC. From then on the server refuses the invitation.
    #[schema(format = DateTime, example = "2026-02-07T09:30:00.000Z")]
    pub expires_at: String,
}

impl From<Invite> for InviteView {
    fn from(invite: Invite) -> Self {
        let time = |time: Result<Timestamp, _>| rfc3339(time.unwrap_or(Timestamp::UNIX_EPOCH));
        Self {
            id: invite.id,
            email: invite.email,
            roles: invite.roles,
            created_at: time(Timestamp::from_millisecond(invite.created_at)),
            expires_at: time(Timestamp::from_second(invite.expires_at)),
        }
    }
}

/// `GET /users/invites`.
pub struct ListInvites {
    invites: Invites,
    cursors: Cursors,
}

impl Endpoint for ListInvites {
    const ROUTE: Route = routes::INVITES;
    type Caller = Identity;
    type Body = ();
    type Query = Paging;
    type Output = Page<InviteView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { invites: Invites::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<InviteView>>, Problem> {
        let paging = &request.query;
        let user_id = &request.caller.user_id;
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let (invites, more) =
            self.invites.list(after.as_deref(), paging.limit, request.now).await?;
        let last = invites.last().filter(|_| more).map(|invite| invite.id.clone());
        let details =
            AuditDetails::default().detail("limit", paging.limit).detail("rows", invites.len());
        let items = invites.into_iter().map(InviteView::from).collect();
        Ok(Plan::reply(self.cursors.page(items, last, user_id, request.call).await?)
            .details(details))
    }
}

/// `DELETE /users/invites/{id}`.
pub struct RevokeInvite {
    invites: Invites,
    users: Users,
}

impl Endpoint for RevokeInvite {
    const ROUTE: Route = routes::INVITE_REVOKE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the invitation.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { invites: Invites::new(platform)?, users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = &request.call.path_id("id")?;
        let revoke = self.invites.revoke(id);
        let plan = Plan::reply(()).write_or(revoke, Problem::not_found());
        Ok(plan.write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }
}
