//! Holds on a user's budget and on the deployment's, before a model is asked.

use assistant::domain::{Budget, Cost};
use assistant::pricing::{Pricing, TOOLS_TOKENS, tokens_at_most};
use jiff::Timestamp;
use platform::config::{Config, invalid};
use platform::database::Write;
use platform::{ConfigError, Plan, Platform, Problem};

use crate::domain::Agent;
use crate::store::{Budgets, Hold, Subject};

/// Tokens of the description of one tool, at most. The worker computes the exact worst case before
/// it asks the model.
pub const TOOL_TOKENS: u64 = 1_536;

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

/// What a hold has to cover.
#[derive(Debug, Clone, Copy)]
pub struct Worst<'a> {
    /// The system prompt.
    pub prompt: &'a str,
    /// The messages.
    pub messages: &'a [&'a str],
    /// Tokens of the cells.
    pub cells: u64,
    /// Tokens of the notes that the model has kept.
    pub notes: u64,
    /// The model that is asked instead of the first one of the settings.
    pub model: Option<&'a str>,
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

    /// The hold for a call within these limits.
    pub fn hold(
        &self,
        user_id: &str,
        limits: Limits,
        worst: Worst<'_>,
        now: Timestamp,
    ) -> Reserved {
        let cost = self.pricing.worst_with(worst.model, worst.tokens() + worst.others());
        self.reserved(
            user_id,
            limits,
            Hold { cost, month: Hold::month(now), tokens: worst.tokens() },
        )
    }

    /// The prices of the models.
    pub fn pricing(&self) -> &Pricing {
        &self.pricing
    }

    /// The hold of an amount within these limits, for the calls of a job.
    pub fn hold_amount(
        &self,
        user_id: &str,
        limits: Limits,
        cost: Cost,
        now: Timestamp,
    ) -> Reserved {
        self.reserved(user_id, limits, Hold { cost, month: Hold::month(now), tokens: 0 })
    }

    /// The hold for a reply of an agent within these limits: what the agent allows, or what the
    /// budgets leave if that is less. The model is shown as many of the messages, from the end, as
    /// this pays for in the worst case of the first call. If it does not pay for the last message,
    /// that is a 402. Two requests at once may find the same amount left. Then one of them is
    /// refused.
    pub async fn hold_for_agent(
        &self,
        user_id: &str,
        limits: Limits,
        mut worst: Worst<'_>,
        agent: &Agent,
        now: Timestamp,
    ) -> Result<Reserved, Problem> {
        let month = Hold::month(now);
        let [by_user, by_all] = self.budgets.used(user_id, &month).await?;
        let tools = match agent.tools.len() as u64 {
            0 => 0,
            count => TOOL_TOKENS * count + TOOLS_TOKENS,
        };
        let first = |worst: &Worst<'_>| {
            let tokens = worst.tokens() + worst.others() + tools;
            self.pricing.worst_with(worst.model, tokens)
        };
        let left = limits.user.less(by_user).min(limits.deployment.less(by_all));
        let allowed = agent.max_cost_usd.min(left);
        while first(&worst) > allowed
            && let [_, later @ ..] = worst.messages
            && !later.is_empty()
        {
            worst.messages = later;
        }
        let needed = first(&worst);
        if needed > agent.max_cost_usd {
            return Err(Problem::agent_too_frugal());
        }
        // Where the budgets leave less than that, their conditions refuse it.
        let hold = Hold { cost: allowed.max(needed), month, tokens: worst.tokens() };
        Ok(self.reserved(user_id, limits, hold))
    }

    fn reserved(&self, user_id: &str, limits: Limits, hold: Hold) -> Reserved {
        let of_user = self.budgets.reserve(Subject::User(user_id), &hold, limits.user);
        let of_all = self.budgets.reserve(Subject::Deployment, &hold, limits.deployment);
        Reserved { hold, of_user, of_all }
    }
}

impl Worst<'_> {
    /// Tokens of the conversation, which the hold names.
    fn tokens(&self) -> u64 {
        self.messages.iter().copied().map(tokens_at_most).sum::<u64>() + self.cells
    }

    /// Tokens of the rest.
    fn others(&self) -> u64 {
        tokens_at_most(self.prompt) + self.notes
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
