//! `POST /auth/register`: makes an account. It claims the username, the email and the account, and
//! uses up the invitation, all or nothing.

use std::collections::BTreeMap;

use futures_util::FutureExt as _;
use platform::audit::{Actor, AuditDetails};
use platform::config::invalid;
use platform::domain::{Email, FullName, Roles, Username};
use platform::http::Created;
use platform::input::{Fields, Input};
use platform::plan::{Reply, Retry};
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::store::{Account, User, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request, ids};
use serde::Serialize;
use tally_accounts::domain::{EmailKind, Hasher, Password};
use tally_accounts::mail::EmailOutbox;
use tally_accounts::store::{Invite, Invites};
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (RegisterUser,);

/// The endpoint.
pub struct RegisterUser {
    users: Users,
    invites: Invites,
    hasher: Hasher,
    admission: Admission,
    outbox: EmailOutbox,
    /// The setting `EMAIL_VERIFICATION`.
    verifies: bool,
}

/// The people who may register.
enum Admission {
    Anyone,
    Invited,
    Nobody,
}

/// The account to create.
#[derive(ToSchema)]
pub struct Registration {
    /// 3 to 30 of `[A-Za-z0-9_]`, unique without regard to case.
    #[schema(
        value_type = String, min_length = 3, max_length = 30, pattern = "^[A-Za-z0-9_]+$",
        example = "anna_b"
    )]
    pub username: Username,
    /// Unique without regard to case.
    #[schema(value_type = String, format = "email", max_length = 254, example = "anna@example.com")]
    pub email: Email,
    /// 8 to 128 characters with a lower-case and an upper-case letter, a digit and a special
    /// character.
    #[schema(
        value_type = String, format = "password", min_length = 8, max_length = 128,
        example = "Correct-Horse-9"
    )]
    pub password: Password,
    /// Name for people. Blank text counts as none.
    #[schema(
        value_type = Option<String>, max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$", example = "Anna Berg"
    )]
    pub full_name: Option<FullName>,
    /// Token of an invitation, if registration needs one.
    pub invite: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Registered {
    /// The new account.
    pub user: Account,
}

impl Input for Registration {
    fn read(fields: &mut Fields) -> Option<Self> {
        let username: Option<Username> = fields.required("username");
        let email = fields.required("email");
        let password: Option<Password> = fields.required("password");
        let full_name = fields.optional_text("full_name");
        let invite = fields.optional("invite");
        if let Some(objection) =
            password.as_ref().and_then(|password| password.objection(username.as_ref()))
        {
            fields.refuse("password", objection);
        }
        Some(Self {
            username: username?,
            email: email?,
            password: password?,
            full_name: full_name?,
            invite: invite?,
        })
    }
}

fn registered(user: &User) -> Reply<Created<Registered>> {
    Reply::new(Created(Registered { user: user.account() }))
        .location(&format!("/users/{}", user.id))
}

/// The answer to a token that is not valid, or no longer valid.
fn uninvited() -> Problem {
    Problem::invalid_field(
        "invite",
        "is not an invitation, has expired, was used before, or was revoked",
    )
}

/// The refusal of an invitation, with its event. The token may be stolen, so an auditor may ask
/// later whether it was tried.
fn refuse(
    problem: Problem,
    invite_id: Option<&str>,
    username: &Username,
) -> Plan<Created<Registered>> {
    let details = AuditDetails::default().failed(true).detail("username", username.to_string());
    Plan::refuse(problem)
        .details(invite_id.into_iter().fold(details, |details, id| details.resource("invite", id)))
}

/// The same refusal if the invitation has been used or revoked meanwhile.
fn overtaken(invite: &Invite, username: &Username) -> Retry<Created<Registered>> {
    let refusal = refuse(uninvited(), Some(&invite.id), username);
    Box::new(move |_| async { Ok(refusal) }.boxed())
}

/// The answer if the username or the email is taken. No account was made, so the event names no
/// user.
fn taken(username: &Username) -> Retry<Created<Registered>> {
    let details = AuditDetails::default().detail("username", username.to_string());
    Box::new(move |_| {
        async { Ok(Plan::refuse(Problem::account_exists()).details(details)) }.boxed()
    })
}

impl Endpoint for RegisterUser {
    const ROUTE: Route = routes::REGISTER;
    const PROBLEMS: &'static [Code] =
        &[Code::RegistrationClosed, Code::AccountExists, Code::NotFound];
    type Caller = ();
    type Body = Registration;
    type Query = ();
    type Output = Created<Registered>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let admission = match platform.config.require("REGISTRATION")? {
            "open" => Admission::Anyone,
            "invite" => Admission::Invited,
            "closed" => Admission::Nobody,
            other => {
                return Err(invalid(
                    "REGISTRATION",
                    other,
                    "it must be `open`, `invite` or `closed`",
                ));
            }
        };
        let users = Users::new(platform)?;
        let invites = Invites::new(platform)?;
        let hasher = Hasher::from_config(&platform.config)?;
        let verifies = platform.config.switch("EMAIL_VERIFICATION")?;
        Ok(Self {
            users,
            invites,
            hasher,
            admission,
            outbox: EmailOutbox::new(platform)?,
            verifies,
        })
    }

    fn reject_early(&self, call: &HttpCall) -> Option<Problem> {
        let may_try = match self.admission {
            Admission::Anyone => true,
            Admission::Invited => call.has_member("invite"),
            Admission::Nobody => false,
        };
        (!may_try).then(Problem::registration_closed)
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<Registered>>, Problem> {
        let Registration { username, email, password, full_name, invite } = request.body;
        let invite = match (invite, &self.admission) {
            (Some(token), _) => match self.invites.find(&token, request.now).await? {
                Some(invite) if invite.is_for(&email) => Some(invite),
                Some(invite) => {
                    let problem = Problem::invalid_field(
                        "email",
                        "must be the address that the invitation names",
                    );
                    return Ok(refuse(problem, Some(&invite.id), &username));
                }
                None => {
                    return Ok(refuse(uninvited(), Invite::id_in(&token).as_deref(), &username));
                }
            },
            (None, Admission::Anyone) => None,
            (None, _) => return Err(Problem::registration_closed()),
        };
        let user = User {
            id: ids::new_id(request.now),
            username: username.to_string(),
            email: Some(email.to_string()),
            unverified_email: self.verifies.then(|| email.to_string()),
            full_name: full_name.map(|name| name.to_string()),
            created_at: request.now.as_millisecond(),
            is_active: true,
            roles: invite
                .as_ref()
                .map_or_else(|| Roles::default().into_vec(), |invite| invite.roles.clone()),
            password_hash: Some(self.hasher.hash(&password).await?),
            sso: None,
            version: 1,
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
        };
        let details = AuditDetails::default()
            .actor(Actor::user(&user.id, &user.username))
            .resource("user", &user.id);
        let details = invite
            .iter()
            .fold(details, |details, invite| details.detail("invite_id", invite.id.as_str()));
        let plan = Plan::reply(registered(&user)).details(details).creates(&user.id);
        let claims = self.users.create(&user, &username, &email)?;
        let plan = claims
            .into_iter()
            .fold(plan, |plan, claim| plan.write_or_retry(claim, taken(&username)));
        let plan = invite.iter().fold(plan, |plan, invite| {
            let plan = plan.write_or_retry(
                self.invites.spend(invite, request.now),
                overtaken(invite, &username),
            );
            plan.write_or_retry(
                self.users.admit_invited(&user, invite.invited_by.as_deref()),
                overtaken(invite, &username),
            )
        });
        if !self.verifies {
            return Ok(plan);
        }
        self.outbox.add(
            plan,
            EmailKind::EmailVerification { email: email.to_string(), moving_to: None },
            request.context,
            request.now,
        )
    }

    async fn repeat(
        &self,
        _: Request<'_, Self>,
        created: &str,
    ) -> Result<Plan<Created<Registered>>, Problem> {
        let user = self.users.get(created).await?.ok_or_else(Problem::not_found)?;
        let details = AuditDetails::default()
            .actor(Actor::user(&user.id, &user.username))
            .resource("user", &user.id)
            .detail("repeated", true);
        Ok(Plan::reply(registered(&user)).details(details))
    }
}
