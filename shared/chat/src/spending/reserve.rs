//! Holds on a user's budget and on the deployment's, before a model is asked.

use assistant::domain::{Budget, Cost};
use assistant::pricing::{Pricing, tokens_at_most};
use jiff::Timestamp;
use platform::config::{Config, invalid};
use platform::database::Write;
use platform::{ConfigError, Plan, Platform, Problem};

use crate::store::{Budgets, Hold, Subject};

/// Reserves the worst-case cost of calls.
#[derive(Clone)]
pub struct Reserve {
    pricing: Pricing,
    budgets: Budgets,
    defaults: Limits,
}

/// A hold that is not written yet.
pub struct Reserved {
    /// The hold.
    pub hold: Hold,
    of_user: Write,
    of_all: Write,
}

/// The most that may be spent in a month.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// By a user.
    pub user: Cost,
    /// By all users together.
    pub deployment: Cost,
}

impl Reserve {
    /// Uses the table that `BUDGETS_TABLE` names; `None` if replies cost nothing.
    pub fn new(platform: &Platform) -> Result<Option<Self>, ConfigError> {
        let Some(pricing) = Pricing::from_config(&platform.config)? else { return Ok(None) };
        let budgets = Budgets::new(platform)?;
        Ok(Some(Self { pricing, budgets, defaults: Limits::from_config(&platform.config)? }))
    }

    /// The amounts that this user, and all users together, may spend in a month.
    pub async fn limits(&self, user_id: &str) -> Result<Limits, Problem> {
        let [user, deployment] = self.budgets.limits(user_id).await?;
        let Limits { user: of_user, deployment: of_all } = self.defaults;
        Ok(Limits { user: user.unwrap_or(of_user), deployment: deployment.unwrap_or(of_all) })
    }

    /// The hold for a call with this system prompt, these messages and cells of so many tokens,
    /// within these limits.
    pub fn hold(
        &self,
        user_id: &str,
        limits: Limits,
        prompt: &str,
        messages: &[&str],
        cells: u64,
        now: Timestamp,
    ) -> Reserved {
        let tokens = messages.iter().copied().map(tokens_at_most).sum::<u64>() + cells;
        let hold = Hold {
            cost: self.pricing.worst_of(tokens + tokens_at_most(prompt)),
            month: Hold::month(now),
            tokens,
        };
        let of_user = self.budgets.reserve(Subject::User(user_id), &hold, limits.user);
        let of_all = self.budgets.reserve(Subject::Deployment, &hold, limits.deployment);
        Reserved { hold, of_user, of_all }
    }
}

impl Reserved {
    /// Adds the hold to the plan that asks for the reply. If a budget does not have as much left,
    /// that is a 402.
    pub fn add_to<O>(self, plan: Plan<O>) -> Plan<O> {
        let plan = plan.write_or(self.of_user, Problem::budget_exceeded("Your budget"));
        plan.write_or(self.of_all, Problem::budget_exceeded("The budget of this deployment"))
    }
}

impl Limits {
    /// The settings `USER_MONTHLY_BUDGET_USD` and `DEPLOYMENT_MONTHLY_BUDGET_USD`. They apply
    /// unless an administrator has set other limits.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let dollars = |name| {
            let text = config.require(name)?;
            text.parse().map(Budget::amount).map_err(|expected| invalid(name, text, expected))
        };
        Ok(Self {
            user: dollars("USER_MONTHLY_BUDGET_USD")?,
            deployment: dollars("DEPLOYMENT_MONTHLY_BUDGET_USD")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_an_amount_or_the_function_stops() {
        for (text, good) in [
            ("20", true),
            ("0", true),
            ("0.005", true),
            ("", false),
            ("-1", false),
            ("20 USD", false),
            ("1e3", false),
        ] {
            let config =
                [("USER_MONTHLY_BUDGET_USD", text), ("DEPLOYMENT_MONTHLY_BUDGET_USD", "500")]
                    .into_iter()
                    .collect();
            assert_eq!(Limits::from_config(&config).is_ok(), good, "{text:?}");
        }
    }
}
