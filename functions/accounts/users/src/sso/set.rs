//! `PUT /users/{id}/sso`: an account belongs to a person of the identity provider from now on.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::domain::SsoIdentity;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::plan::Retry;
use platform::problem::Code;
use platform::request::HttpCall;
use platform::routes::{self, Route};
use platform::store::{Account, AdminsChange, User};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::ToSchema;

use super::changer::{SignInChanger, details};
use super::person::{Provider, SsoPerson};
use crate::admins;

/// `PUT /users/{id}/sso`.
#[derive(Clone)]
pub struct SetUserSso {
    changer: SignInChanger,
    /// Absent if single sign-on is off.
    provider: Option<Provider>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoundUser {
    /// The account as it is now. Its roles are those of the person from their first sign-in on.
    pub user: Account,
}

impl Endpoint for SetUserSso {
    const ROUTE: Route = routes::USER_SSO;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the user.")];
    const PROBLEMS: &'static [Code] = &[Code::Conflict, Code::LastAdmin];
    type Caller = Identity;
    type Body = SsoPerson;
    type Query = ();
    type Output = BoundUser;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            changer: SignInChanger::new(platform)?,
            provider: Provider::from_config(&platform.config)?,
        })
    }

    fn reject_early(&self, _: &HttpCall) -> Option<Problem> {
        self.provider.is_none().then(Problem::not_found)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BoundUser>, Problem> {
        let id = &request.call.path_id("id")?;
        let provider = self.provider.as_ref().ok_or_else(Problem::not_found)?;
        let identity = provider.identity(&request.body)?;
        let user = self.changer.users.get(id).await?.ok_or_else(Problem::not_found)?;
        self.clone().plan(request.caller.user_id, user, identity).await
    }
}

impl SetUserSso {
    /// The change. A repeated request changes nothing: the sessions that have begun since then go
    /// on.
    fn plan(
        self,
        admin_id: String,
        before: User,
        identity: SsoIdentity,
    ) -> BoxFuture<'static, Result<Plan<BoundUser>, Problem>> {
        async move {
            if before.belongs_to(&identity) {
                let details = details(&before, &before);
                let plan = Plan::reply(BoundUser { user: before.account() });
                let plan = plan.details(details.clone());
                let users = &self.changer.users;
                return Ok(admins::on_word_of(plan, users, admin_id, AdminsChange::Stay, details));
            }
            let after = before.clone().bound_to(identity.clone());
            let details = details(&before, &after);
            let plan = Plan::reply(BoundUser { user: after.account() }).details(details.clone());
            let mut plan = self.changer.end(plan, &before).await?;
            let writes = self.changer.users.become_as(&before, &after)?;
            for (position, write) in writes.into_iter().enumerate() {
                plan = if position == 0 {
                    plan.write_or_retry(write, self.overtaken(&admin_id, &identity))
                } else {
                    plan.write_or(write, Problem::sso_identity_taken())
                };
            }
            Ok(self.changer.on_word_of(plan, admin_id, &before, details))
        }
        .boxed()
    }

    /// A new plan if the account has changed meanwhile, by a login for example.
    fn overtaken(&self, admin_id: &str, identity: &SsoIdentity) -> Retry<BoundUser> {
        let (set, admin_id, identity) = (self.clone(), admin_id.to_owned(), identity.clone());
        Box::new(move |found| {
            async move {
                let user = found.map(|item| set.changer.users.read(item)).transpose()?;
                set.plan(admin_id, user.ok_or_else(Problem::not_found)?, identity).await
            }
            .boxed()
        })
    }
}
