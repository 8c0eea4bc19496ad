//! Makes the first administrator. Ops invoke this function once, by hand, as long as there is none.
//!
//! If the account exists, the function makes it an administrator. If no account has that email, the
//! answer is an invitation to register as the first administrator. A deployment that admits only
//! invited users begins this way. So no user's password passes through the hands of ops.
//!
//! An account with single sign-on is found by its username alone. It is an administrator until its
//! next sign-in, when it takes the roles that the identity provider says. Its owner can make a
//! lasting administrator meanwhile.

use platform::audit::AuditDetails;
use platform::clock::Clock;
use platform::context::Context;
use platform::domain::{Email, Role};
use platform::gate::{Committer, RequestInfo};
use platform::runtime::Invocation;
use platform::store::{User, Users};
use platform::worker::Worker;
use platform::{ConfigError, Plan, Platform, Problem};
use serde::{Deserialize, Serialize};
use tally_accounts::store::{Invite, Invites};

/// The worker.
pub struct BootstrapAdmin {
    users: Users,
    invites: Invites,
    committer: Committer,
    clock: Clock,
}

/// The future administrator: `{"username": …}` or `{"email": …}`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Candidate {
    /// A user who has an account.
    Username(String),
    /// A user who may have one.
    Email(String),
}

/// The result: `{"administrator": <user id>}` or `{"invite": <token for POST /auth/register>}`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Id of the account, which is an administrator now.
    Administrator(String),
    /// Token of the invitation, which is valid for seven days and as long as there is no
    /// administrator.
    Invite(String),
}

impl Worker for BootstrapAdmin {
    type Payload = Candidate;
    type Output = Outcome;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            invites: Invites::new(platform)?,
            committer: Committer::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    async fn run(&self, candidate: Candidate, invocation: Invocation) -> Result<Outcome, Problem> {
        let (Candidate::Username(name) | Candidate::Email(name)) = &candidate;
        let plan = match (self.users.find(name).await?, &candidate) {
            (Some(user), _) => self.promote(&user)?,
            (None, Candidate::Email(email)) => self.invite(email)?,
            (None, Candidate::Username(_)) => {
                return Err(Problem {
                    detail: "No account has this username. Send `email` instead, and the answer \
                             is an invitation."
                        .into(),
                    ..Problem::not_found()
                });
            }
        };
        let context = Context {
            request_id: invocation.request_id,
            address: "internal".into(),
            user_agent: "bootstrap-admin".into(),
            ..Context::default()
        };
        let info = RequestInfo::new(&context, self.clock.now(), Some("admin.bootstrapped"));
        Ok(self.committer.commit(Ok(plan), None, &info).await?.into_output())
    }
}

impl BootstrapAdmin {
    fn promote(&self, user: &User) -> Result<Plan<Outcome>, Problem> {
        if !user.is_active {
            return Err(Problem {
                detail: "The account is not active, so it cannot become an administrator.".into(),
                ..Problem::conflict()
            });
        }
        let mut roles = user.roles.clone();
        roles.push(Role::Admin);
        roles.sort_unstable();
        roles.dedup();
        let plan = Plan::reply(Outcome::Administrator(user.id.clone()))
            .details(AuditDetails::default().resource("user", &user.id));
        Ok(plan
            .write_or(self.users.admit_first_admin(&user.id), there_is_one())
            .write(self.users.entitle(user, true, &roles)?))
    }

    fn invite(&self, email: &str) -> Result<Plan<Outcome>, Problem> {
        let email: Email =
            email.parse().map_err(|detail: &str| Problem::invalid_field("email", detail))?;
        let (invite, token) =
            Invite::new(Some(&email), vec![Role::User, Role::Admin], None, self.clock.now());
        let details = AuditDetails::default().resource("invite", &invite.id);
        let plan = Plan::reply(Outcome::Invite(token))
            .details(details)
            .write(self.invites.create(&invite)?);
        Ok(plan.write_or(self.users.must_have_no_admin(), there_is_one()))
    }
}

fn there_is_one() -> Problem {
    Problem {
        detail: "An administrator exists already, and can give other accounts the role.".into(),
        ..Problem::conflict()
    }
}
