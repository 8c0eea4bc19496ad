//! `POST /auth/logout`: ends this session, or with `{"all": true}` every session of the user.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::identity::Identity;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::store::{User, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_accounts::sessions::{Ending, RefreshCookie};
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (LogoutUser,);

/// The endpoint.
#[derive(Clone)]
pub struct LogoutUser {
    users: Users,
    ending: Ending,
    cookie: RefreshCookie,
}

/// The request body, which is optional.
#[derive(ToSchema)]
pub struct LogoutScope {
    /// Whether every session of the user ends, and not only this one.
    #[schema(value_type = Option<bool>, default = false)]
    pub all: bool,
}

impl Input for LogoutScope {
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { all: fields.optional("all")?.unwrap_or(false) })
    }
}

impl Endpoint for LogoutUser {
    const ROUTE: Route = routes::LOGOUT;
    type Caller = Identity;
    type Body = LogoutScope;
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            users: Users::new(platform)?,
            ending: Ending::new(platform)?,
            cookie: RefreshCookie::new(&platform.config),
        })
    }

    /// A refusal leaves the cookie alone: a page whose access token has expired still has to
    /// refresh by it, to sign out then.
    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let (caller, call) = (request.caller, request.call);
        let plan = if request.body.all {
            let user = self.users.get(&caller.user_id).await?.ok_or_else(Problem::invalid_token)?;
            self.clone().end_all(user).await?
        } else {
            let forget = self.users.end_session(&caller.user_id, &caller.session_id);
            let details = AuditDetails::default().resource("session", &caller.session_id);
            self.ending
                .add(Plan::reply(()).details(details), &[caller.session_id])
                .await?
                .write_or(forget, Problem::invalid_token())
        };
        Ok(self.cookie.clear(call, plan))
    }
}

impl LogoutUser {
    /// Ends every session of the account. If another begins meanwhile, a new plan ends that one
    /// too.
    fn end_all(self, user: User) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let ids: Vec<_> = user.sessions.keys().cloned().collect();
            let plan = Plan::reply(()).details(
                AuditDetails::default()
                    .resource("user", &user.id)
                    .detail("ended_sessions", ids.clone()),
            );
            let plan = self.ending.add(plan, &ids).await?;
            let forget = self.users.end_all_sessions(&user);
            Ok(plan.write_or_retry(
                forget,
                Box::new(move |found| {
                    async move {
                        match found {
                            Some(item) => {
                                let user = self.users.read(item)?;
                                self.end_all(user).await
                            }
                            None => Err(Problem::invalid_token()),
                        }
                    }
                    .boxed()
                }),
            ))
        }
        .boxed()
    }
}
