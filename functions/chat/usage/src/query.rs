//! The query parameters of `GET /usage`.

use jiff::Timestamp;
use jiff::civil::Date;
use platform::Problem;
use platform::http::{Parameters, in_query};
use platform::identity::Someone;
use platform::input::{Fields, FromField, Input, RawValue};
use tally_chat::domain::ReportDays;
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

/// Days that one answer covers at most: a leap year.
const MOST_DAYS: i32 = 366;

/// The query parameters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// First day, UTC. The default is the first day of the month of `to`.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-01")]
    pub from: Option<Date>,
    /// Last day, UTC. The default is today. A report covers at most 366 days.
    #[param(value_type = Option<String>, format = Date, example = "2026-01-31")]
    pub to: Option<Date>,
    /// Grouping of the report.
    #[param(inline, required = false, default = "day")]
    pub group_by: GroupBy,
    /// User of the report: `me`, or for administrators a user id. The default is `me`.
    #[param(inline, example = "me")]
    pub user_id: Option<Someone>,
}

/// Grouping of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "lowercase")]
pub enum GroupBy {
    /// The replies of a day.
    #[default]
    Day,
    /// The replies of a model.
    Model,
    /// The replies with a prompt. Replies from before prompts had versions are left out.
    Prompt,
}

impl UsageQuery {
    /// The days that are asked for.
    pub fn days(&self, now: Timestamp) -> Result<ReportDays, Problem> {
        ReportDays::of(self.from, self.to, MOST_DAYS, now)
    }
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
        let group_by = fields.optional("group_by");
        let user_id = fields.optional("user_id");
        Some(Self {
            from: from?,
            to: to?,
            group_by: group_by?.unwrap_or_default(),
            user_id: user_id?,
        })
    }
}

impl FromField for GroupBy {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        match raw.text()? {
            "day" => Ok(Self::Day),
            "model" => Ok(Self::Model),
            "prompt" => Ok(Self::Prompt),
            _ => Err("must be day, model or prompt".into()),
        }
    }
}
