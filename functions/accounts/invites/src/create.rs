//! `POST /users/invites`: makes an invitation. The answer shows its token only once.

use platform::audit::AuditDetails;
use platform::domain::{Email, Role, Roles};
use platform::fingerprinter::Fingerprinter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_accounts::store::{Invite, Invites};
use utoipa::ToSchema;

use crate::InviteView;

/// `POST /users/invites`.
pub struct CreateInvite {
    invites: Invites,
    users: Users,
    fingerprinter: Fingerprinter,
}

/// The invitation to create.
#[derive(ToSchema)]
pub struct NewInvite {
    /// The only address that may register. Without it, any person who has the token may register.
    #[schema(
        value_type = Option<String>, format = "email", max_length = 254,
        example = "anna@example.com"
    )]
    pub email: Option<Email>,
    /// Roles of the new account. Every account has `user`, so you may leave it out.
    #[schema(value_type = Option<BTreeSet<Role>>, example = json!(["user", "auditor"]))]
    pub roles: Option<Roles>,
}

/// A new invitation with its token.
#[derive(Serialize, ToSchema)]
pub struct CreatedInvite {
    /// The invitation as it is listed.
    #[serde(flatten)]
    pub invite: InviteView,
    /// The token, which goes into `POST /auth/register` as `invite`. The server does not store it,
    /// so it cannot show it again.
    #[schema(example = "019a0000-0000-7000-8000-000000000000.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub token: String,
}

impl Input for NewInvite {
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Option<Self> {
        let email = fields.optional("email");
        let roles = fields.optional("roles");
        Some(Self { email: email?, roles: roles? })
    }
}

impl Endpoint for CreateInvite {
    const ROUTE: Route = routes::INVITE_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::SecretAlreadyShown];
    type Caller = Identity;
    type Body = NewInvite;
    type Query = ();
    type Output = CreatedInvite;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let invites = Invites::new(platform)?;
        let users = Users::new(platform)?;
        Ok(Self { invites, users, fingerprinter: Fingerprinter::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<CreatedInvite>, Problem> {
        let NewInvite { email, roles } = request.body;
        let (invite, token) = Invite::new(
            email.as_ref(),
            roles.unwrap_or_default().into_vec(),
            Some(&request.caller.user_id),
            request.now,
        );
        let names: Vec<_> = invite.roles.iter().map(|role| role.as_str()).collect();
        let details = AuditDetails::default().resource("invite", &invite.id).detail("roles", names);
        // The audit log outlives the invitation, so it has no address in clear.
        let details = match &email {
            Some(email) => {
                details.identifier(&self.fingerprinter.identifier(&email.folded()).await?)
            }
            None => details,
        };
        let create = self.invites.create(&invite)?;
        let id = invite.id.clone();
        let plan = Plan::reply(CreatedInvite { invite: invite.into(), token })
            .details(details)
            .write(create)
            .creates(id);
        Ok(plan.write_or(
            self.users.on_word_of(&request.caller.user_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }

    async fn repeat(&self, _: Request<'_, Self>, _: &str) -> Result<Plan<CreatedInvite>, Problem> {
        Err(Problem::secret_already_shown())
    }
}
