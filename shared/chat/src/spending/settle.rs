//! Writes the cost of a reply when it ends: in the budgets, in place of its hold, and in the usage
//! of its user and of its prompt.

use assistant::domain::Usage;
use platform::{ConfigError, Plan, Platform};

use crate::domain::MessageStatus;
use crate::store::{Budgets, DailyUsage, Message, Subject, UsageLog};

/// Settles the cost of replies.
#[derive(Clone)]
pub struct Settle {
    budgets: Budgets,
    /// Absent where no reply has used any tokens.
    usage: Option<UsageLog>,
}

impl Settle {
    /// Uses the tables that `BUDGETS_TABLE` and `USAGE_TABLE` name.
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { budgets: Budgets::new(platform)?, usage: Some(UsageLog::new(platform)?) })
    }

    /// The same for replies that no worker has begun, so they have used no tokens. Uses the table
    /// that `BUDGETS_TABLE` names.
    pub fn unused(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { budgets: Budgets::new(platform)?, usage: None })
    }

    /// Adds the cost of a reply to the plan that ends it. A reply that used no tokens is no usage:
    /// no model was asked, or none answered.
    pub fn add_to<O>(&self, mut plan: Plan<O>, reply: &Message, model: Option<&str>) -> Plan<O> {
        let cost = reply.cost_usd.unwrap_or_default();
        if let Some(hold) = &reply.hold {
            for subject in [Subject::User(&reply.user_id), Subject::Deployment] {
                plan = plan.write(self.budgets.settle(subject, hold, cost));
            }
        }
        let taken = reply.usage.filter(|usage| *usage != Usage::default());
        match (&self.usage, model, taken) {
            (Some(log), Some(model), Some(tokens)) => {
                let used = DailyUsage {
                    day: reply.day(),
                    model: model.to_owned(),
                    prompt: Some(reply.prompt.clone()),
                    requests: 1,
                    failed: u64::from(reply.status == MessageStatus::Failed),
                    tokens,
                    cost,
                };
                plan.write(log.add(&reply.user_id, &used))
            }
            _ => plan,
        }
    }
}
