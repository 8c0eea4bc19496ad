//! `GET /jobs/{id}/compare`: what has changed since another analysis.
//!
//! Findings are the same if their fingerprints are: the rule, the file, and the quote. Lines do not
//! matter, because they move when a text grows. The fingerprints of the other analysis are kept in
//! memory, and its findings are not. So it is read once more if it has findings that are gone.

use std::collections::HashMap;

use assistant::domain::Cost;
use cells::csv::weigh;
use platform::domain::ResourceId;
use platform::http::{Parameters, PathParameter, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use serde::Serialize;
use tally_jobs::domain::{Finding, JobKind};
use tally_jobs::findings::fingerprint;
use tally_jobs::store::{Head, Items, Jobs};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

use crate::PATH;
use crate::found::{Found, analysis};

/// Findings of an analysis that are compared, at most.
const MOST_COMPARED: usize = 100_000;

/// Findings of a list, at most.
const MOST_LISTED: usize = 500;

/// Bytes of a list, at most. The answer of a function can have 6 MB.
const LIST_BYTES: usize = 2_000_000;

/// `GET /jobs/{id}/compare`.
pub struct CompareJobs {
    jobs: Jobs,
    items: Items,
}

/// The query parameters.
#[derive(Debug)]
pub struct CompareQuery {
    /// Id of the other analysis.
    pub with: ResourceId,
}

/// The parameters, to be described.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is here to be described")]
struct CompareParameters {
    /// Id of the other analysis, mostly an earlier one.
    #[param(format = "uuid")]
    with: String,
}

/// What has changed since another analysis. Findings are the same if they have the same rule, file
/// and quote.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobComparison {
    /// Findings that the other analysis does not have, at most 500.
    pub added: Vec<Finding>,
    /// Findings that the other analysis alone has, at most 500.
    pub removed: Vec<Finding>,
    /// Number of findings that both have.
    #[schema(example = 12)]
    pub unchanged: u64,
    /// Whether findings are missing from the lists, because there are too many.
    #[schema(example = false)]
    pub truncated: bool,
    /// How much more the analysis cost than the other one, in US dollars. It is negative if it cost
    /// less.
    #[schema(value_type = String, example = "-0.0125")]
    pub cost_delta_usd: Cost,
}

/// How often each finding occurs, by its fingerprint.
#[derive(Debug, Default)]
struct Known {
    counts: HashMap<String, u32>,
    total: usize,
}

/// Findings of a list, so far.
#[derive(Debug, Default)]
struct Listed {
    findings: Vec<Finding>,
    bytes: usize,
    is_truncated: bool,
}

impl Input for CompareQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        fields.required("with").map(|with| Self { with })
    }
}

impl Parameters for CompareQuery {
    fn parameters() -> Vec<Parameter> {
        in_query::<CompareParameters>()
    }
}

impl Endpoint for CompareJobs {
    const ROUTE: Route = routes::JOB_COMPARE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::Conflict, Code::JobOpen];
    type Caller = Principal;
    type Body = ();
    type Query = CompareQuery;
    type Output = JobComparison;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { jobs: Jobs::new(platform)?, items: Items::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<JobComparison>, Problem> {
        let (user_id, now) = (&request.caller.user_id, request.now);
        let id = request.call.path_id("id")?;
        let head = analysis(self.jobs.get(user_id, &id, now).await?)?;
        let other = self.jobs.get(user_id, &request.query.with, now).await?;
        let other = other.filter(|head| head.kind == JobKind::Analysis).ok_or_else(|| {
            Problem::invalid_parameter("with", "must be the id of an analysis of yours")
        })?;
        if !(head.status.has_ended() && other.status.has_ended()) {
            return Err(Problem::job_open());
        }
        Ok(Plan::reply(self.compared(&head, &other).await?))
    }
}

impl CompareJobs {
    async fn compared(&self, head: &Head, other: &Head) -> Result<JobComparison, Problem> {
        let mut known = Known::default();
        let mut is_cut = false;
        let mut found = Found::new(&self.items, &other.id, 0, usize::MAX);
        while let Some((_, findings)) = found.next_item().await? {
            for finding in &findings {
                is_cut |= !known.add(fingerprint(finding));
            }
        }
        let (mut added, mut removed, mut unchanged) = (Listed::default(), Listed::default(), 0);
        let mut found = Found::new(&self.items, &head.id, 0, usize::MAX);
        while let Some((_, findings)) = found.next_item().await? {
            for finding in findings {
                if known.take(&fingerprint(&finding)) {
                    unchanged += 1;
                } else {
                    added.add(finding);
                }
            }
        }
        let mut found = Found::new(&self.items, &other.id, 0, usize::MAX);
        while known.total > 0
            && let Some((_, findings)) = found.next_item().await?
        {
            for finding in findings {
                if known.take(&fingerprint(&finding)) {
                    removed.add(finding);
                }
            }
        }
        let cost_delta = head.cost.nanos().saturating_sub(other.cost.nanos());
        Ok(JobComparison {
            unchanged,
            truncated: is_cut || added.is_truncated || removed.is_truncated,
            added: added.findings,
            removed: removed.findings,
            cost_delta_usd: Cost::from_nanos(cost_delta),
        })
    }
}

impl Known {
    /// Adds a finding, unless there are too many. Gives whether it was added.
    fn add(&mut self, fingerprint: String) -> bool {
        let has_room = self.total < MOST_COMPARED;
        if has_room {
            *self.counts.entry(fingerprint).or_default() += 1;
            self.total += 1;
        }
        has_room
    }

    /// Takes a finding away. Gives whether there was one.
    fn take(&mut self, fingerprint: &str) -> bool {
        match self.counts.get_mut(fingerprint) {
            Some(count) if *count > 0 => {
                *count -= 1;
                self.total -= 1;
                true
            }
            _ => false,
        }
    }
}

impl Listed {
    /// Adds a finding, unless the list is full.
    fn add(&mut self, finding: Finding) {
        let text = serde_json::to_string(&finding).unwrap_or_default();
        self.bytes += weigh(&text) + ",".len();
        self.is_truncated |= self.findings.len() == MOST_LISTED || self.bytes > LIST_BYTES;
        if !self.is_truncated {
            self.findings.push(finding);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_finding_has_one_counterpart() {
        for (other, own, expected, left) in [
            (&["a", "b"][..], &["a", "b"][..], &[true, true][..], 0),
            (&["a", "b"], &["b", "c"], &[true, false], 1),
            (&["a", "a"], &["a"], &[true], 1),
            (&["a"], &["a", "a"], &[true, false], 0),
            (&[], &["a"], &[false], 0),
            (&["a"], &[], &[], 1),
        ] {
            let mut known = Known::default();
            assert!(other.iter().all(|finding| known.add((*finding).to_owned())));
            let found: Vec<_> = own.iter().map(|finding| known.take(finding)).collect();
            assert_eq!((&found[..], known.total), (expected, left), "{other:?} {own:?}");
        }
    }

    #[test]
    fn a_list_has_so_many_findings_and_bytes_at_most() {
        let finding = |bytes: usize| -> Finding {
            let members = json!({
                "input": "a", "rule": "r", "severity": "low", "message": "m", "anchored": false,
                "quote": "q".repeat(bytes),
            });
            serde_json::from_value(members).unwrap()
        };
        for (bytes, number, listed) in
            [(10, 0, 0), (10, 500, 500), (10, 501, 500), (900_000, 2, 2), (900_000, 3, 2)]
        {
            let mut list = Listed::default();
            for _ in 0..number {
                list.add(finding(bytes));
            }
            let found = (list.findings.len(), list.is_truncated);
            assert_eq!(found, (listed, number > listed), "{bytes} {number}");
        }
    }

    #[test]
    fn a_cost_may_be_less() {
        for (cost, other, expected) in
            [("0.50", "0.20", "0.30"), ("0.20", "0.50", "-0.30"), ("0.20", "0.20", "0.00")]
        {
            let [cost, other] = [cost, other].map(|text| text.parse::<Cost>().unwrap());
            let delta = Cost::from_nanos(cost.nanos().saturating_sub(other.nanos()));
            assert_eq!(delta.to_string(), expected);
        }
    }

    #[test]
    fn the_other_analysis_is_named_by_its_id() {
        for (query, expected) in [
            ("with=019a0000-0000-7000-8000-000000000000", None),
            ("", Some("is required")),
            ("with=other", Some("must be a UUID")),
        ] {
            let read = Fields::query(query).read::<CompareQuery>().err();
            let found = read.map(|problem| problem.errors[0].detail.clone());
            assert_eq!(found.as_deref(), expected, "{query}");
        }
    }
}
