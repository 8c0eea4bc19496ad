//! `DELETE /ranges/{id}`, by the uploader or by those who manage the workbook.

use futures_util::FutureExt as _;
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::Ranges;

use crate::read::PATH;

/// `DELETE /ranges/{id}`. After the commit no user finds the range, and its cells are deleted then.
pub struct DeleteRange {
    ranges: Ranges,
}

impl Endpoint for DeleteRange {
    const ROUTE: Route = routes::RANGE_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        let writes = self.ranges.delete(&id, &request.caller.user_id, request.now).await?;
        let add = |plan: Plan<()>, write| plan.write_or(write, Problem::not_found());
        let plan = writes.into_iter().fold(Plan::reply(()), add);
        let ranges = self.ranges.clone();
        Ok(plan.after_commit(Box::new(move || {
            async move {
                // The remaining cells expire with the range, so the answer does not depend on their
                // deletion.
                if let Err(error) = ranges.delete_cells(&id).await {
                    tracing::warn!(%error, range_id = id.as_str(), "failed to delete cells");
                }
                Ok(None)
            }
            .boxed()
        })))
    }
}
