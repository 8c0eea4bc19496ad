//! `PUT /users/{id}/budget`: what a user may spend in a month.

use platform::audit::Note;
use platform::config::ConfigError;
use platform::domain::Budget;
use platform::http::{Endpoint, Fields, Form, Request};
use platform::identity::Identity;
use platform::plan::Plan;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::routes::{self, Route};
use platform::store::Hold;
use utoipa::ToSchema;

use crate::{BudgetView, Shared};

/// `PUT /users/{id}/budget`.
pub struct SetBudget(Shared);

/// The budget from now on, this month included.
#[derive(ToSchema)]
pub struct BudgetChange {
    /// US dollars a month, 0 to 1,000,000, with at most nine places after the point; null for what the deployment allows everyone.
    #[schema(value_type = Option<String>, example = "50.00", required)]
    pub monthly_usd: Option<Budget>,
}

impl Form for BudgetChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        // Null says something; nothing at all does not.
        let monthly_usd = if fields.has("monthly_usd") { fields.optional("monthly_usd") } else { fields.required("monthly_usd").map(Some) };
        Some(Self { monthly_usd: monthly_usd? })
    }
}

impl Endpoint for SetBudget {
    const ROUTE: Route = routes::BUDGET_SET;
    type Caller = Identity;
    type Body = BudgetChange;
    type Query = ();
    type Output = BudgetView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Shared::new(platform).map(Self)
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<BudgetView>, Problem> {
        let user_id = self.0.user_in(request.call.path_parameter("id"), &request.caller).await?;
        let limit = request.body.monthly_usd.map(Budget::amount);
        let write = self.0.budgets.set_limit(&user_id, limit);
        let note = Note::default().resource("user", &user_id);
        let note = note.detail("monthly_usd", limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string()));
        Ok(Plan::reply(self.0.view(user_id, limit, Hold::month(request.now)).await?).note(note).write(write))
    }
}
