//! `PATCH /users/{id}`: sets whether a user may sign in, and the user's roles. The last
//! administrator stays one. The roles of an account with single sign-on are the identity
//! provider's.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::domain::{Role, Roles};
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::{Account, AdminsChange, User, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::Ending;
use tally_accounts::store::MailTokens;
use utoipa::ToSchema;

use crate::admins;

/// `PATCH /users/{id}`.
#[derive(Clone)]
pub struct UpdateUser {
    users: Users,
    tokens: MailTokens,
    ending: Ending,
}

/// The changes of an account. A field that you leave out keeps its value.
#[derive(ToSchema)]
pub struct UserChange {
    /// Whether the account may sign in. If you set it to false, the account's sessions, API keys
    /// and mailed tokens end at once. None of them becomes valid again with the account.
    pub is_active: Option<bool>,
    /// All roles of the account from now on. Every account has `user`, so you may leave it out. The
    /// roles of an account with single sign-on come from the identity provider at each sign-in.
    #[schema(value_type = Option<BTreeSet<Role>>, example = json!(["user", "auditor"]))]
    pub roles: Option<Roles>,
}

impl Input for UserChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        let is_active = fields.optional("is_active");
        let roles = fields.optional("roles");
        Some(Self { is_active: is_active?, roles: roles? })
    }
}

impl Endpoint for UpdateUser {
    const ROUTE: Route = routes::USER_UPDATE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the user.")];
    const PROBLEMS: &'static [Code] = &[Code::LastAdmin, Code::ManagedBySso];
    type Caller = Identity;
    type Body = UserChange;
    type Query = ();
    type Output = Account;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let users = Users::new(platform)?;
        let tokens = MailTokens::new(platform)?;
        Ok(Self { users, tokens, ending: Ending::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Account>, Problem> {
        let id = &request.call.path_id("id")?;
        let UserChange { is_active, roles } = request.body;
        match self.users.get(id).await? {
            Some(user) => {
                self.clone()
                    .plan(request.caller.user_id, user, is_active, roles.map(Roles::into_vec))
                    .await
            }
            None => Err(Problem::not_found()),
        }
    }
}

impl UpdateUser {
    /// The change. If the account may no longer sign in, its sessions, API keys and mailed tokens
    /// end with it. If the account changes meanwhile, by a login for example, a new plan is made
    /// from its new state.
    fn plan(
        self,
        admin_id: String,
        before: User,
        is_active: Option<bool>,
        roles: Option<Vec<Role>>,
    ) -> BoxFuture<'static, Result<Plan<Account>, Problem>> {
        async move {
            if roles.is_some() && before.sso.is_some() {
                return Err(Problem::managed_by_sso());
            }
            let after = User {
                is_active: is_active.unwrap_or(before.is_active),
                roles: roles.clone().unwrap_or_else(|| before.roles.clone()),
                ..before.clone()
            };
            let ended = if after.is_active {
                Vec::new()
            } else {
                before.sessions.keys().cloned().collect()
            };
            let details = details(&before, &after);
            let mut plan = Plan::reply(after.account());
            // This also applies if the account may sign in again: an older version may have mailed
            // a token while it might not.
            let stays_active = before.is_active && after.is_active;
            let told = details.clone().detail("ended_sessions", ended.clone());
            if stays_active {
                plan = plan.details(told);
            } else {
                plan =
                    plan.details(told.detail(
                        "ended_api_keys",
                        before.api_keys.keys().cloned().collect::<Vec<_>>(),
                    ));
                plan = self.tokens.forget_all(&after.id).into_iter().fold(plan, Plan::write);
            }
            let change = match (before.is_admin(), after.is_admin()) {
                (false, true) => AdminsChange::Admit(&after.id),
                (true, false) => AdminsChange::Dismiss(&after.id),
                _ => AdminsChange::Stay,
            };
            let (users, by) = (self.users.clone(), admin_id.clone());
            let plan = self.ending.add(plan, &ended).await?.write_or_retry(
                self.users.entitle(&before, after.is_active, &after.roles)?,
                Box::new(move |found| {
                    async move {
                        let user = found.map(|item| self.users.read(item)).transpose()?;
                        self.plan(by, user.ok_or_else(Problem::not_found)?, is_active, roles).await
                    }
                    .boxed()
                }),
            );
            Ok(admins::on_word_of(plan, &users, admin_id, change, details))
        }
        .boxed()
    }
}

/// The details of a change, with the values before and after it.
fn details(before: &User, after: &User) -> AuditDetails {
    let names = |user: &User| user.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>();
    let mut details = AuditDetails::default();
    if before.is_active != after.is_active {
        details =
            details.detail("was_active", before.is_active).detail("is_active", after.is_active);
    }
    if before.roles != after.roles {
        details = details.detail("roles_before", names(before)).detail("roles", names(after));
    }
    details
}
