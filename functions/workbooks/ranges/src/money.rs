//! The cost of a call to a model, and the rest of its user's budget. No provider is asked.

use assistant::domain::Cost;
use assistant::pricing::{Pricing, tokens_at_most, tokens_estimated};
use futures_util::future::try_join;
use platform::clock::Timestamp;
use platform::{ConfigError, Platform, Problem};
use serde::Serialize;
use tally_chat::spending::Limits;
use tally_chat::store::{Budgets, Hold, Subject};
use utoipa::ToSchema;

/// Prices and budgets.
pub struct Money {
    /// Absent where replies cost nothing.
    pricing: Option<Pricing>,
    budgets: Budgets,
    default: Cost,
}

/// Tokens that a model would read: the server's prompt, the task and the cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PreviewTokens)]
pub struct Tokens {
    /// The estimate.
    #[schema(example = 1840)]
    pub estimated: u64,
    /// The upper bound.
    #[schema(example = 2760)]
    pub at_most: u64,
}

/// Cost of a reply in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = PreviewCost)]
pub struct Costs {
    /// Cost of the estimated tokens that the model reads, without those of the reply.
    #[schema(value_type = String, example = "0.00552")]
    pub estimated: Cost,
    /// The amount that would be reserved: the cost of the longest reply.
    #[schema(value_type = String, example = "0.0718")]
    pub at_most: Cost,
}

impl Money {
    /// Uses the table that `BUDGETS_TABLE` names, and the settings of prices and budgets.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            pricing: Pricing::from_config(&platform.config)?,
            budgets: Budgets::new(platform)?,
            default: Limits::from_config(&platform.config)?.user,
        })
    }

    /// The tokens and the cost of a message with these texts, the prompt among them. `model` is the
    /// prompt's, if it has one.
    pub fn of(&self, model: Option<&str>, texts: &[&str]) -> (Tokens, Costs) {
        estimate(self.pricing.as_ref(), model, texts)
    }

    /// The rest of a user's budget this month, without the amounts that replies in progress hold.
    pub async fn left(&self, user_id: &str, now: Timestamp) -> Result<Cost, Problem> {
        let (user, month) = (Subject::User(user_id), Hold::month(now));
        let (limit, spending) =
            try_join(self.budgets.limit(user), self.budgets.spending(user, &month)).await?;
        let limit = limit.unwrap_or(self.default);
        let left = limit.nanos() - spending.spent.nanos() - spending.held.nanos();
        Ok(Cost::from_nanos(left.max(0)))
    }
}

fn estimate(pricing: Option<&Pricing>, model: Option<&str>, texts: &[&str]) -> (Tokens, Costs) {
    let all = || texts.iter().copied();
    let bytes = all().map(|text| text.len() as u64).sum();
    let tokens =
        Tokens { estimated: tokens_estimated(bytes), at_most: all().map(tokens_at_most).sum() };
    let costs = match pricing {
        Some(pricing) => Costs {
            estimated: pricing.of_input(model, tokens.estimated),
            at_most: pricing.worst_with(model, tokens.at_most),
        },
        None => Costs { estimated: Cost::ZERO, at_most: Cost::ZERO },
    };
    (tokens, costs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_costs_no_more_than_what_is_reserved() {
        let settings =
            [("AI_MODEL", "m"), ("AI_PRICES", "m=3/15/3.75/0.30"), ("AI_MAX_TOKENS", "1000")];
        let pricing = Pricing::of_settings(&settings.into_iter().collect()).unwrap();
        for texts in [["Be brief.", ""], ["Sum it up.", "[1,2]\n"], ["利润", &"x".repeat(60_000)]]
        {
            let (tokens, costs) = estimate(Some(&pricing), None, &texts);
            assert!(0 < tokens.estimated && tokens.estimated <= tokens.at_most, "{tokens:?}");
            assert!(Cost::ZERO < costs.estimated && costs.estimated < costs.at_most, "{costs:?}");
            let (same, nothing) = estimate(None, Some("m"), &texts);
            assert_eq!(same, tokens);
            assert_eq!(nothing, Costs { estimated: Cost::ZERO, at_most: Cost::ZERO });
        }
        let estimated = |text| estimate(None, None, &["Be brief.", text]).0.estimated;
        assert_eq!(estimated("xxxxxx") - estimated(""), 4);
    }
}
