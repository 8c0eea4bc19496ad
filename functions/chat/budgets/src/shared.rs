//! The code that all endpoints of this function share: how a budget is shown, and how it is set.

use assistant::domain::{Budget, Cost};
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::input::{Fields, Input};
use platform::store::{AdminsChange, Users};
use platform::{ConfigError, Plan, Platform, Problem};
use serde::Serialize;
use tally_chat::spending::Limits;
use tally_chat::store::{Budgets, Hold, Spending, Subject};
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};

/// Reads and sets budgets.
pub struct Shared {
    budgets: Budgets,
    pub users: Users,
    defaults: Limits,
}

/// A budget, and its use this month.
#[derive(Debug, Serialize, ToSchema)]
pub struct BudgetView {
    /// User who has the budget. Left out for the budget of all users together.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uuid", nullable = false)]
    pub user_id: Option<String>,
    /// The month, UTC.
    #[schema(example = "2026-01")]
    pub month: String,
    /// Limit for a month, in US dollars.
    #[schema(value_type = String, example = "20.00")]
    pub monthly_usd: Cost,
    /// Whether this is the deployment's setting, because no administrator has set another budget.
    pub is_default: bool,
    /// Cost of the replies of this month, in US dollars.
    #[schema(value_type = String, example = "3.2512")]
    pub spent_usd: Cost,
    /// Reservation for the replies in progress: the most that they can cost, in US dollars.
    #[schema(value_type = String, example = "0.00")]
    pub held_usd: Cost,
}

/// The budget from now on, this month included.
#[derive(ToSchema)]
pub struct BudgetChange {
    /// US dollars a month, 0 to 1,000,000, with at most nine places after the point; null for the
    /// deployment's setting.
    #[schema(schema_with = monthly_usd, required)]
    pub monthly_usd: Option<Budget>,
}

/// The schema of the budget: an amount, or null.
fn monthly_usd() -> Schema {
    let forms = Budget::forms().item(ObjectBuilder::new().schema_type(Type::Null));
    let description = "US dollars a month, 0 to 1,000,000, with at most nine places after the \
                       point; null for the deployment's setting.";
    forms.description(Some(description)).examples(["50.00"]).build().into()
}

impl Input for BudgetChange {
    fn read(fields: &mut Fields) -> Option<Self> {
        // Null stands for the deployment's setting. A missing field is an error.
        let monthly_usd = if fields.has("monthly_usd") {
            fields.optional("monthly_usd")
        } else {
            fields.required("monthly_usd").map(Some)
        };
        Some(Self { monthly_usd: monthly_usd? })
    }
}

impl Shared {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let budgets = Budgets::new(platform)?;
        let users = Users::new(platform)?;
        Ok(Self { budgets, users, defaults: Limits::from_config(&platform.config)? })
    }

    /// Reads a budget.
    pub async fn read(
        &self,
        subject: Subject<'_>,
        now: Timestamp,
    ) -> Result<Plan<BudgetView>, Problem> {
        let limit = self.budgets.limit(subject).await?;
        Ok(Plan::reply(self.view(subject, limit, now).await?).details(details(subject)))
    }

    /// Sets a budget, if the caller is still an administrator.
    pub async fn set(
        &self,
        subject: Subject<'_>,
        change: BudgetChange,
        admin_id: &str,
        now: Timestamp,
    ) -> Result<Plan<BudgetView>, Problem> {
        let limit = change.monthly_usd.map(Budget::amount);
        let details = details(subject).detail(
            "monthly_usd",
            limit.map_or_else(|| "default".to_owned(), |limit| limit.to_string()),
        );
        let plan = Plan::reply(self.view(subject, limit, now).await?);
        let plan = plan.details(details).write(self.budgets.set_limit(subject, limit));
        Ok(plan.write_or(
            self.users.on_word_of(admin_id, AdminsChange::Stay),
            Problem::no_longer_admin(),
        ))
    }

    async fn view(
        &self,
        subject: Subject<'_>,
        limit: Option<Cost>,
        now: Timestamp,
    ) -> Result<BudgetView, Problem> {
        let month = Hold::month(now);
        let Spending { spent, held } = self.budgets.spending(subject, &month).await?;
        let (user_id, default) = match subject {
            Subject::User(id) => (Some(id.to_owned()), self.defaults.user),
            Subject::Deployment => (None, self.defaults.deployment),
        };
        let monthly_usd = limit.unwrap_or(default);
        Ok(BudgetView {
            user_id,
            month,
            monthly_usd,
            is_default: limit.is_none(),
            spent_usd: spent,
            held_usd: held,
        })
    }
}

fn details(subject: Subject<'_>) -> AuditDetails {
    match subject {
        Subject::User(id) => AuditDetails::default().resource("user", id),
        Subject::Deployment => AuditDetails::default().resource("budget", "deployment"),
    }
}
