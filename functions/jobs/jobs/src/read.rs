//! `GET /jobs/{id}`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_jobs::domain::Job;
use tally_jobs::store::Jobs;

use crate::PATH;

/// `GET /jobs/{id}`.
pub struct ReadJob {
    jobs: Jobs,
}

impl Endpoint for ReadJob {
    const ROUTE: Route = routes::JOB;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = Job;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { jobs: Jobs::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Job>, Problem> {
        let id = request.call.path_id("id")?;
        let head = self.jobs.get(&request.caller.user_id, &id, request.now).await?;
        Ok(Plan::reply(head.ok_or_else(Problem::not_found)?.shown()))
    }
}
