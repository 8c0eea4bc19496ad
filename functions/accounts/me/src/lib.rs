//! `GET /auth/me`: the account that the token belongs to.

use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::store::{Account, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use utoipa::ToSchema;

/// The endpoints of this function.
pub type Endpoints = (ReadMe,);

/// The endpoint.
pub struct ReadMe {
    users: Users,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Myself {
    /// The caller's account, as it is now.
    pub user: Account,
}

impl Endpoint for ReadMe {
    const ROUTE: Route = routes::ME;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = Myself;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Myself>, Problem> {
        let user = self.users.get(&request.caller.user_id).await?.filter(|user| user.is_active);
        Ok(Plan::reply(Myself { user: user.ok_or_else(Problem::invalid_token)?.account() }))
    }
}
