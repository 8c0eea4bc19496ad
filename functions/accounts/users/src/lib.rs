//! `GET /users`, `GET|PATCH /users/{id}`, `PUT|DELETE /users/{id}/sso`: accounts as administrators
//! see them.

mod admins;
mod list;
mod sso;
mod update;

use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::store::{Account, Users};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

pub use list::{ListUsers, UserFilters, UsersQuery};
pub use sso::{BoundUser, DeleteUserSso, SetUserSso, SsoPerson};
pub use update::{UpdateUser, UserChange};

/// The endpoints of this function.
pub type Endpoints = (ListUsers, ReadUser, UpdateUser, SetUserSso, DeleteUserSso);

/// `GET /users/{id}`.
pub struct ReadUser {
    users: Users,
}

impl Endpoint for ReadUser {
    const ROUTE: Route = routes::USER;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the user.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = Account;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { users: Users::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Account>, Problem> {
        let user =
            self.users.get(&request.call.path_id("id")?).await?.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(user.account()))
    }
}
