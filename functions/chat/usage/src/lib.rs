//! `GET /usage`: the usage by a user's replies, by day, by model or by prompt. Callers who read
//! their own usage leave no event. Administrators can read the usage of any user.

mod query;

use std::collections::BTreeMap;

use assistant::domain::{Cost, Usage};
use platform::audit::AuditDetails;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_chat::domain::ReportDays;
use tally_chat::store::{DailyUsage, UsageLog};
use utoipa::ToSchema;

pub use query::{GroupBy, UsageQuery};

/// The endpoints of this function.
pub type Endpoints = (ReadUsage,);

/// The endpoint.
pub struct ReadUsage {
    log: UsageLog,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReport {
    /// User who asked for the replies.
    #[schema(format = "uuid")]
    pub user_id: String,
    /// The first day, UTC.
    #[schema(value_type = String, format = Date, example = "2026-01-01")]
    pub from: String,
    /// The last day, UTC.
    #[schema(value_type = String, format = Date, example = "2026-01-31")]
    pub to: String,
    /// One group for each day, model or prompt, in this order. A group without a reply is left out.
    pub items: Vec<UsageGroup>,
}

/// Tokens and cost of a group of replies.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct UsageGroup {
    /// Day (UTC) of the requests for them, if the report groups by day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, format = Date, example = "2026-01-31")]
    pub day: Option<String>,
    /// Model that the server asked, if the report groups by model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "claude-opus-5-5")]
    pub model: Option<String>,
    /// Name of the prompt, if the report groups by prompt. `GET /prompts/{name}/usage` has its
    /// versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "default")]
    pub prompt: Option<String>,
    /// Number of replies that a model has written, or has begun to write.
    #[schema(example = 12)]
    pub requests: u64,
    /// Their tokens.
    #[serde(flatten)]
    pub tokens: Usage,
    /// Their cost, in US dollars.
    #[schema(value_type = String, example = "0.42")]
    pub cost_usd: Cost,
}

impl Endpoint for ReadUsage {
    const ROUTE: Route = routes::USAGE;
    type Caller = Identity;
    type Body = ();
    type Query = UsageQuery;
    type Output = UsageReport;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { log: UsageLog::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<UsageReport>, Problem> {
        let UsageQuery { group_by, ref user_id, .. } = request.query;
        let ReportDays { from, to } = request.query.days(request.now)?;
        let user_id = user_id
            .as_ref()
            .map_or(request.caller.user_id.as_str(), |user| user.or(&request.caller.user_id));
        let items = grouped(self.log.of_days(user_id, from, to).await?, group_by);
        let from = from.to_string();
        let to = to.to_string();
        let details = AuditDetails::default()
            .resource("user", user_id)
            .detail("from", from.as_str())
            .detail("to", to.as_str());
        Ok(Plan::reply(UsageReport { user_id: user_id.to_owned(), from, to, items })
            .details(details))
    }
}

fn grouped(days: Vec<DailyUsage>, group_by: GroupBy) -> Vec<UsageGroup> {
    let mut groups = BTreeMap::<String, UsageGroup>::new();
    for DailyUsage { day, model, prompt, requests, tokens, cost, .. } in days {
        let name = match group_by {
            GroupBy::Day => day.to_string(),
            GroupBy::Model => model,
            GroupBy::Prompt => {
                let Some(prompt) = prompt else { continue };
                prompt.name.to_string()
            }
        };
        let group = groups.entry(name).or_default();
        group.requests += requests;
        group.tokens += tokens;
        group.cost_usd += cost;
    }
    let named = |(name, group): (String, UsageGroup)| match group_by {
        GroupBy::Day => UsageGroup { day: Some(name), ..group },
        GroupBy::Model => UsageGroup { model: Some(name), ..group },
        GroupBy::Prompt => UsageGroup { prompt: Some(name), ..group },
    };
    groups.into_iter().map(named).collect()
}

#[cfg(test)]
mod tests {
    use tally_prompts::domain::Pinned;

    use super::*;

    #[test]
    fn what_belongs_together_is_added_up() {
        let tokens = |input_tokens, output_tokens| Usage {
            input_tokens,
            output_tokens,
            cache_read_tokens: 1,
            cache_write_tokens: 2,
        };
        let of = |day: &str, model: &str, prompt: Option<(&str, u32)>, requests, tokens, nanos| {
            let pinned =
                |(name, version): (&str, u32)| Pinned { name: name.parse().unwrap(), version };
            DailyUsage {
                day: day.parse().unwrap(),
                model: model.into(),
                prompt: prompt.map(pinned),
                requests,
                failed: 0,
                tokens,
                cost: Cost::from_nanos(nanos),
            }
        };
        let days = vec![
            of("2026-01-31", "a", None, 2, tokens(10, 20), 5),
            of("2026-01-31", "b", Some(("x", 1)), 1, tokens(1, 2), 10_000_000),
            of("2026-02-01", "a", Some(("x", 2)), 1, tokens(100, 200), 7),
        ];
        for (group_by, expected) in [
            (
                GroupBy::Day,
                r#"[{"day":"2026-01-31","requests":3,"input_tokens":11,"output_tokens":22,"cache_read_tokens":2,"cache_write_tokens":4,"cost_usd":"0.010000005"},{"day":"2026-02-01","requests":1,"input_tokens":100,"output_tokens":200,"cache_read_tokens":1,"cache_write_tokens":2,"cost_usd":"0.000000007"}]"#,
            ),
            (
                GroupBy::Model,
                r#"[{"model":"a","requests":3,"input_tokens":110,"output_tokens":220,"cache_read_tokens":2,"cache_write_tokens":4,"cost_usd":"0.000000012"},{"model":"b","requests":1,"input_tokens":1,"output_tokens":2,"cache_read_tokens":1,"cache_write_tokens":2,"cost_usd":"0.01"}]"#,
            ),
            (
                GroupBy::Prompt,
                r#"[{"prompt":"x","requests":2,"input_tokens":101,"output_tokens":202,"cache_read_tokens":2,"cache_write_tokens":4,"cost_usd":"0.010000007"}]"#,
            ),
        ] {
            assert_eq!(serde_json::to_string(&grouped(days.clone(), group_by)).unwrap(), expected);
        }
    }
}
