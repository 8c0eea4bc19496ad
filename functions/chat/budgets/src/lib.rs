//! `GET|PUT /users/{id}/budget`: what a user may spend in a month, and has. Administrators set it, and everyone can read their own.

mod set;

use platform::audit::Note;
use platform::config::ConfigError;
use platform::domain::Cost;
use platform::http::{Endpoint, Request};
use platform::identity::{Identity, Someone};
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::spending::Limits;
use platform::store::{Budgets, Hold, Spending, Subject, Users};
use serde::Serialize;
use utoipa::ToSchema;

pub use set::{BudgetChange, SetBudget};

/// `GET /users/{id}/budget`.
pub struct ReadBudget(Shared);

/// What both endpoints need.
struct Shared {
    budgets: Budgets,
    users: Users,
    limits: Limits,
}

/// A user's budget, and what of it is used this month.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetView {
    /// Whose it is.
    pub user_id: String,
    /// The month, UTC.
    #[schema(example = "2026-01")]
    pub month: String,
    /// What may be spent in a month, in US dollars.
    #[schema(value_type = String, example = "20.00")]
    pub monthly_usd: Cost,
    /// Whether that is what the deployment allows everyone, because no administrator has set it.
    pub is_default: bool,
    /// What replies have cost this month, in US dollars.
    #[schema(value_type = String, example = "3.2512")]
    pub spent_usd: Cost,
    /// What replies that are being written can cost at most, in US dollars.
    #[schema(value_type = String, example = "0.00")]
    pub held_usd: Cost,
}

impl Endpoint for ReadBudget {
    const ROUTE: Route = routes::BUDGET;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        let user_id = self.0.user_in(request.call.path_parameter("id"), &request.caller).await?;
        let limit = self.0.budgets.limit(&user_id).await?;
        let note = Note::default().resource("user", &user_id);
        Ok(Plan::reply(self.0.view(user_id, limit, Hold::month(request.now)).await?).note(note))
    }
}

impl Shared {
    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let (budgets, users) = (Budgets::new(platform.database()?, config)?, Users::new(platform.database()?, config)?);
        Ok(Self { budgets, users, limits: Limits::from_config(config)? })
    }

    /// The user that the path names; there is such an account.
    async fn user_in(&self, id: &str, caller: &Identity) -> Result<String, Problem> {
        let user = id.parse::<Someone>().map_err(|_| Problem::not_found())?;
        let id = user.or(&caller.user_id);
        if id != caller.user_id && self.users.get(id).await?.is_none() {
            return Err(Problem::not_found());
        }
        Ok(id.to_owned())
    }

    /// The budget as it is with this limit.
    async fn view(&self, user_id: String, limit: Option<Cost>, month: String) -> Result<BudgetView, Problem> {
        let Spending { spent, held } = self.budgets.spending(Subject::User(&user_id), &month).await?;
        let (monthly_usd, is_default) = (limit.unwrap_or(self.limits.user), limit.is_none());
        Ok(BudgetView { user_id, month, monthly_usd, is_default, spent_usd: spent, held_usd: held })
    }
}
