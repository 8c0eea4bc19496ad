//! `GET /jobs`.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_jobs::domain::{Job, JobKind, JobStatus};
use tally_jobs::store::{Head, JobPlace, Jobs};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

/// `GET /jobs`.
pub struct ListJobs {
    jobs: Jobs,
    cursors: Cursors,
}

/// The filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct JobFilters {
    /// Only jobs of this kind.
    #[param(inline)]
    pub kind: Option<JobKind>,
    /// Only jobs with this status.
    #[param(inline)]
    pub status: Option<JobStatus>,
}

/// The query parameters.
#[derive(Debug)]
pub struct JobsQuery {
    /// Which jobs are wanted.
    pub filters: JobFilters,
    /// The page to return.
    pub paging: Paging,
}

impl Input for JobsQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let kind = fields.optional("kind");
        let status = fields.optional("status");
        let paging = Paging::read(fields);
        Some(Self { filters: JobFilters { kind: kind?, status: status? }, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for JobsQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<JobFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListJobs {
    const ROUTE: Route = routes::JOBS;
    type Caller = Principal;
    type Body = ();
    type Query = JobsQuery;
    type Output = Page<Job>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { jobs: Jobs::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<Job>>, Problem> {
        let (JobsQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open::<JobPlace>(paging, user_id, request.call).await?;
        let wanted = (filters.kind, filters.status);
        // A page is made of one query, which gives 1 MB at most. Lambda takes 6 MB.
        let (heads, next) =
            self.jobs.list(user_id, wanted, after, paging.limit, request.now).await?;
        let jobs = heads.iter().map(Head::shown).collect();
        Ok(Plan::reply(self.cursors.page(jobs, next, user_id, request.call).await?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_refused_parameter_by_parameter() {
        for (query, expected) in [
            ("", &[][..]),
            ("kind=batch&status=running&limit=5", &[]),
            ("kind=batches&status=done&limit=0", &["kind", "status", "limit"]),
            ("type=batch", &["type"]),
        ] {
            let errors = Fields::query(query).read::<JobsQuery>().err();
            let errors = errors.map(|problem| problem.errors).unwrap_or_default();
            let refused: Vec<_> = errors.into_iter().filter_map(|error| error.parameter).collect();
            assert_eq!(refused, expected, "{query}");
        }
    }
}
