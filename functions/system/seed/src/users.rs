//! Two users to try a deployment with. Their passwords are public, so never create them where real
//! data is.

use std::collections::BTreeMap;

use platform::audit::{Actor, AuditDetails};
use platform::clock::Timestamp;
use platform::domain::{Email, Role, Username};
use platform::store::{User, Users};
use platform::{Plan, Problem, ids};
use tally_accounts::domain::{Hasher, Password};

/// A user whose password anyone may know.
pub struct DemoUser {
    pub username: &'static str,
    pub email: &'static str,
    password: &'static str,
    roles: &'static [Role],
    /// Audit action of their creation.
    pub action: &'static str,
}

pub const DEMO: &[DemoUser] = &[
    DemoUser {
        username: "demo",
        email: "demo@example.com",
        password: "SecureDemo123!",
        roles: &[Role::User],
        action: "auth.register",
    },
    DemoUser {
        username: "admin",
        email: "admin@example.com",
        password: "SecureAdmin123!",
        roles: &[Role::User, Role::Auditor, Role::Admin],
        action: "admin.bootstrapped",
    },
];

impl DemoUser {
    /// The account, its claims and its event. Refused if another call has created it meanwhile.
    pub async fn plan(
        &self,
        users: &Users,
        hasher: Hasher,
        now: Timestamp,
    ) -> Result<Plan<()>, Problem> {
        let internal = |_| Problem::internal();
        let (username, email): (Username, Email) =
            (self.username.parse().map_err(internal)?, self.email.parse().map_err(internal)?);
        let user = User {
            id: ids::new_id(now),
            username: username.to_string(),
            email: Some(email.to_string()),
            unverified_email: None,
            full_name: None,
            created_at: now.as_millisecond(),
            is_active: true,
            roles: self.roles.to_vec(),
            password_hash: Some(hasher.hash(&Password::new(self.password)).await?),
            sso: None,
            version: 1,
            sessions: BTreeMap::new(),
            api_keys: BTreeMap::new(),
        };
        let actor = Actor::user(&user.id, &user.username);
        let plan = Plan::reply(()).details(
            AuditDetails::default().actor(actor).resource("user", &user.id).detail("seeded", true),
        );
        let plan = users
            .create(&user, &username, &email)?
            .into_iter()
            .fold(plan, |plan, claim| plan.write_or(claim, Problem::account_exists()));
        Ok(if user.is_admin() { plan.write(users.admit_admin(&user.id)) } else { plan })
    }
}
