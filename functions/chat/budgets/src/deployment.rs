//! `GET|PUT /budget`: the budget of all users together.

use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_chat::store::Subject;

use crate::shared::{BudgetChange, BudgetView, Shared};

/// `GET /budget`.
pub struct ReadDeploymentBudget(Shared);

/// `PUT /budget`.
pub struct SetDeploymentBudget(Shared);

impl Endpoint for ReadDeploymentBudget {
    const ROUTE: Route = routes::DEPLOYMENT_BUDGET;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        self.0.read(Subject::Deployment, request.now).await
    }
}

impl Endpoint for SetDeploymentBudget {
    const ROUTE: Route = routes::DEPLOYMENT_BUDGET_SET;
    type Caller = Identity;
    type Body = BudgetChange;
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        self.0.set(Subject::Deployment, request.body, &request.caller.user_id, request.now).await
    }
}
