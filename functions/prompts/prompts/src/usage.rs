//! `GET /prompts/{name}/usage`: the replies, tokens and cost of each version of a prompt.

use assistant::domain::{Cost, Usage};
use jiff::civil::Date;
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_chat::domain::ReportDays;
use tally_chat::store::{UsageLog, VersionTotals};
use tally_prompts::built_in;
use tally_prompts::store::Prompts;
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

use crate::names::{PATH, name};

/// Days that one answer covers at most. It adds up rows of all users for each of them.
const MOST_DAYS: i32 = 92;

/// `GET /prompts/{name}/usage`.
pub struct ReadPromptUsage {
    prompts: Prompts,
    log: UsageLog,
}

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// First day, UTC. The default is the first day of the month of `to`.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-01")]
    pub from: Option<Date>,
    /// Last day, UTC. The default is today. A report covers at most 92 days.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-31")]
    pub to: Option<Date>,
}

/// The usage of a prompt by the replies of all users.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptUsage {
    /// Name of the prompt.
    #[schema(example = "default")]
    pub name: String,
    /// The first day, UTC.
    #[schema(value_type = String, format = Date, example = "2026-01-01")]
    pub from: String,
    /// The last day, UTC.
    #[schema(value_type = String, format = Date, example = "2026-01-31")]
    pub to: String,
    /// The versions, by number. A version without a reply is left out. Replies of the last seconds
    /// may be missing.
    pub items: Vec<VersionUsage>,
}

/// Tokens and cost of the replies with a version of a prompt.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PromptVersionUsage)]
pub struct VersionUsage {
    /// Number of the version. 0 is the version that is built in.
    #[schema(example = 7)]
    pub version: u32,
    /// Number of replies that a model has written, or has begun to write.
    #[schema(example = 12)]
    pub requests: u64,
    /// Number of those that failed.
    #[schema(example = 1)]
    pub failed: u64,
    /// Their tokens.
    #[serde(flatten)]
    pub tokens: Usage,
    /// Their cost, in US dollars.
    #[schema(value_type = String, example = "0.42")]
    pub cost_usd: Cost,
}

impl Parameters for UsageQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<Self>()
    }
}

impl Input for UsageQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let from = fields.optional("from");
        let to = fields.optional("to");
        Some(Self { from: from?, to: to? })
    }
}

impl Endpoint for ReadPromptUsage {
    const ROUTE: Route = routes::PROMPT_USAGE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = UsageQuery;
    type Output = PromptUsage;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, log: UsageLog::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<PromptUsage>, Problem> {
        let name = name(request.call)?;
        let UsageQuery { from, to } = request.query;
        let ReportDays { from, to } = ReportDays::of(from, to, MOST_DAYS, request.now)?;
        if built_in(&name).is_none() && self.prompts.head(&name).await?.is_none() {
            return Err(Problem::not_found());
        }
        let versions = self.log.of_prompt(&name, from, to).await?;
        let items = versions.into_iter().map(VersionUsage::from).collect();
        let (from, to) = (from.to_string(), to.to_string());
        Ok(Plan::reply(PromptUsage { name: name.to_string(), from, to, items }))
    }
}

impl From<(u32, VersionTotals)> for VersionUsage {
    fn from((version, totals): (u32, VersionTotals)) -> Self {
        let VersionTotals { requests, failed, tokens, cost } = totals;
        Self { version, requests, failed, tokens, cost_usd: cost }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_version_is_shown_with_its_tokens() {
        let tokens = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
        let totals =
            VersionTotals { requests: 2, failed: 1, tokens, cost: Cost::from_nanos(10_000_007) };
        let expected = json!({
            "version": 7, "requests": 2, "failed": 1, "input_tokens": 3, "output_tokens": 4,
            "cache_read_tokens": 0, "cache_write_tokens": 0, "cost_usd": "0.010000007",
        });
        assert_eq!(json!(VersionUsage::from((7, totals))), expected);
    }
}
