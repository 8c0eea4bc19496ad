//! `POST /jobs/{id}/cancel`, `POST /jobs/{id}/retry`, `DELETE /jobs/{id}`.

use std::collections::BTreeSet;

use assistant::domain::Budget;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::input::{Fields, FromField, Input, RawValue};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde_json::Value;
use tally_jobs::domain::Job;
use tally_jobs::{Changing, NewRound};
use utoipa::ToSchema;
use utoipa::openapi::schema::Schema;

use crate::PATH;

/// Rows that a retry names, at most.
const MOST_ROWS: usize = 500;

/// `POST /jobs/{id}/cancel`. A repeated call, and one after the end, answers with the job as it is.
pub struct CancelJob {
    changing: Changing,
}

/// `POST /jobs/{id}/retry`.
pub struct RetryJob {
    changing: Changing,
}

/// `DELETE /jobs/{id}`.
pub struct DeleteJob {
    changing: Changing,
}

/// A further round of a job: what it is for, and what it may cost.
#[derive(Debug, Default, PartialEq, ToSchema)]
pub struct JobRetry {
    /// The most that this round may cost, in US dollars. Without it, the worst case of the items is
    /// held.
    #[schema(schema_with = max_cost, required = false)]
    pub max_cost_usd: Option<Budget>,
    /// For a batch: the rows to try again, each once, as the sheet counts them from 1. None of them
    /// has a result. Without `rows`, the round is for all rows and items without a result.
    #[schema(value_type = Option<Vec<u32>>, min_items = 1, max_items = 500,
        example = json!([7, 12]))]
    pub rows: Option<Rows>,
}

/// Rows of a batch, each once: 1 to 500.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows(pub Vec<u32>);

/// The schema of the amount.
fn max_cost() -> Schema {
    let description = "The most that this round may cost, in US dollars, with at most nine places \
                       after the point. Without it, the worst case of the items is held.";
    Budget::forms().description(Some(description)).examples(["0.25"]).build().into()
}

impl FromField for Rows {
    fn read(raw: &RawValue<'_>) -> Result<Self, String> {
        let wrong = || "must be a list of 1 to 500 rows, each once".to_owned();
        let RawValue::Json(Value::Array(items)) = raw else { return Err(wrong()) };
        let row = |item| u32::try_from(u64::read(&RawValue::Json(item)).ok()?).ok();
        let rows = items.iter().map(row).collect::<Option<Vec<_>>>().ok_or_else(wrong)?;
        let distinct: BTreeSet<_> = rows.iter().collect();
        let fits = (1..=MOST_ROWS).contains(&rows.len()) && distinct.len() == rows.len();
        if fits { Ok(Self(rows)) } else { Err(wrong()) }
    }
}

impl Input for JobRetry {
    const OPTIONAL: bool = true;

    fn read(fields: &mut Fields) -> Option<Self> {
        let max_cost_usd = fields.optional("max_cost_usd");
        let rows = fields.optional("rows");
        Some(Self { max_cost_usd: max_cost_usd?, rows: rows? })
    }
}

impl From<JobRetry> for NewRound {
    fn from(asked: JobRetry) -> Self {
        let JobRetry { max_cost_usd, rows } = asked;
        Self { max_cost: max_cost_usd.map(Budget::amount), rows: rows.map(|Rows(rows)| rows) }
    }
}

impl Endpoint for CancelJob {
    const ROUTE: Route = routes::JOB_CANCEL;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = Job;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { changing: Changing::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Job>, Problem> {
        let id = request.call.path_id("id")?;
        self.changing.cancel(&request.caller.user_id, &id, request.now).await
    }
}

impl Endpoint for RetryJob {
    const ROUTE: Route = routes::JOB_RETRY;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] =
        &[Code::BudgetExceeded, Code::Conflict, Code::JobOpen, Code::TooManyJobs];
    type Caller = Principal;
    type Body = JobRetry;
    type Query = ();
    type Output = Job;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { changing: Changing::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Job>, Problem> {
        let id = request.call.path_id("id")?;
        let round = request.body.into();
        self.changing.retry(&request.caller.user_id, &id, round, request.now).await
    }
}

impl Endpoint for DeleteJob {
    const ROUTE: Route = routes::JOB_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::JobOpen];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { changing: Changing::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        self.changing.delete(&request.caller.user_id, &id, request.now).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: &Value) -> Result<NewRound, Vec<String>> {
        let read = Fields::json(body.as_object().unwrap().clone()).read::<JobRetry>();
        read.map(NewRound::from).map_err(|problem| {
            problem.errors.into_iter().filter_map(|error| error.pointer).collect()
        })
    }

    #[test]
    fn a_retry_names_an_amount_and_rows_or_neither() {
        let longest: Vec<_> = (1..=500).collect();
        for (body, cost, rows) in [
            (json!({}), None, None),
            (json!({"max_cost_usd": null, "rows": null}), None, None),
            (json!({"max_cost_usd": "0.25"}), Some("0.25"), None),
            (json!({"max_cost_usd": 0}), Some("0.00"), None),
            (json!({"rows": [7, 2.0]}), None, Some(vec![7, 2])),
            (json!({"rows": longest}), None, Some(longest.clone())),
        ] {
            let found = read(&body).unwrap();
            let found_cost = found.max_cost.map(|cost| cost.to_string());
            assert_eq!((found_cost.as_deref(), found.rows), (cost, rows), "{body}");
        }
    }

    #[test]
    fn a_retry_is_refused_field_by_field() {
        let too_many: Vec<_> = (1..=501).collect();
        for (body, expected) in [
            (json!({"max_cost_usd": "-1", "rows": []}), vec!["/max_cost_usd", "/rows"]),
            (json!({"rows": 7}), vec!["/rows"]),
            (json!({"rows": ["7"]}), vec!["/rows"]),
            (json!({"rows": [7, 7]}), vec!["/rows"]),
            (json!({"rows": [7.5]}), vec!["/rows"]),
            (json!({"rows": [-7]}), vec!["/rows"]),
            (json!({"rows": [4_294_967_296_u64]}), vec!["/rows"]),
            (json!({"rows": too_many}), vec!["/rows"]),
            (json!({"row": 7}), vec!["/row"]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(read(&body), Err(expected), "{body}");
        }
    }
}
