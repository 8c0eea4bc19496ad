//! `DELETE /users/{id}/sso`: an account belongs to no person of the identity provider any more. Its
//! owner sets a password by mail, or an administrator binds it anew. This works without single
//! sign-on too, so a deployment can give it up.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::plan::Retry;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::store::User;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

use super::changer::{SignInChanger, details};

/// `DELETE /users/{id}/sso`.
#[derive(Clone)]
pub struct DeleteUserSso {
    changer: SignInChanger,
}

impl Endpoint for DeleteUserSso {
    const ROUTE: Route = routes::USER_SSO_DELETE;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the user.")];
    const PROBLEMS: &'static [Code] = &[Code::LastAdmin];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { changer: SignInChanger::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = &request.call.path_id("id")?;
        let user = self.changer.users.get(id).await?.ok_or_else(Problem::not_found)?;
        self.clone().plan(request.caller.user_id, user, true).await
    }
}

impl DeleteUserSso {
    /// The change. The account keeps its address as a login, unless another account has it.
    fn plan(
        self,
        admin_id: String,
        before: User,
        keeps_address: bool,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            if before.sso.is_none() {
                return Err(Problem::not_found());
            }
            let after = before.clone().freed(keeps_address);
            let details = details(&before, &after).detail("keeps_address", after.email.is_some());
            let plan = Plan::reply(()).details(details.clone());
            let mut plan = self.changer.end(plan, &before).await?;
            let writes = self.changer.users.become_as(&before, &after)?;
            for (position, write) in writes.into_iter().enumerate() {
                plan = plan.write_or_retry(
                    write,
                    if position == 0 {
                        self.overtaken(&admin_id, keeps_address)
                    } else {
                        self.without_address(&admin_id, &before)
                    },
                );
            }
            Ok(self.changer.on_word_of(plan, admin_id, &before, details))
        }
        .boxed()
    }

    /// A new plan if the account has changed meanwhile, by a sign-in for example.
    fn overtaken(&self, admin_id: &str, keeps_address: bool) -> Retry<()> {
        let (free, admin_id) = (self.clone(), admin_id.to_owned());
        Box::new(move |found| {
            async move {
                let user = found.map(|item| free.changer.users.read(item)).transpose()?;
                free.plan(admin_id, user.ok_or_else(Problem::not_found)?, keeps_address).await
            }
            .boxed()
        })
    }

    /// A new plan if another account has the address.
    fn without_address(&self, admin_id: &str, before: &User) -> Retry<()> {
        let (free, admin_id, before) = (self.clone(), admin_id.to_owned(), before.clone());
        Box::new(move |_| free.plan(admin_id, before, false))
    }
}
