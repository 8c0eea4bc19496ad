//! `GET|PUT /users/{id}/budget`: the budget of a user.

use platform::http::PathParameter;
use platform::identity::{Identity, Someone};
use platform::routes::{self, Route};
use platform::store::Users;
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::store::Subject;

use crate::shared::{BudgetChange, BudgetView, Shared};

/// `GET /users/{id}/budget`.
pub struct ReadBudget(Shared);

/// `PUT /users/{id}/budget`.
pub struct SetBudget(Shared);

impl Endpoint for ReadBudget {
    const ROUTE: Route = routes::BUDGET;
    const PATH: &'static [PathParameter] =
        &[PathParameter::id_or_me("id", "Id of the user, or `me`.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        let user_id =
            named(&self.0.users, request.call.path_parameter("id"), &request.caller).await?;
        self.0.read(Subject::User(&user_id), request.now).await
    }
}

impl Endpoint for SetBudget {
    const ROUTE: Route = routes::BUDGET_SET;
    const PATH: &'static [PathParameter] =
        &[PathParameter::id_or_me("id", "Id of the user, or `me`.")];
    type Caller = Identity;
    type Body = BudgetChange;
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        let user_id =
            named(&self.0.users, request.call.path_parameter("id"), &request.caller).await?;
        self.0
            .set(Subject::User(&user_id), request.body, &request.caller.user_id, request.now)
            .await
    }
}

/// The id of the user that a path names, or 404 if no such account exists.
async fn named(users: &Users, id: &str, caller: &Identity) -> Result<String, Problem> {
    let user = id.parse::<Someone>().map_err(|_| Problem::not_found())?;
    let id = user.or(&caller.user_id);
    if id != caller.user_id && users.get(id).await?.is_none() {
        return Err(Problem::not_found());
    }
    Ok(id.to_owned())
}
