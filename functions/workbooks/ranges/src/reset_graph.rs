//! `DELETE /workbooks/{id}/graph`, by those who manage the workbook.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use platform::audit::AuditDetails;
use platform::clock::Timestamp;
use platform::domain::ResourceId;
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::Ranges;

use crate::create::WORKBOOK_PATH;

/// `DELETE /workbooks/{id}/graph`. It forgets the columns that formulas read. The ranges of before
/// are unresolved from then on. Uploads fill the graph again.
#[derive(Clone)]
pub struct ResetGraph {
    ranges: Ranges,
}

impl Endpoint for ResetGraph {
    const ROUTE: Route = routes::GRAPH_RESET;
    const PATH: &'static [PathParameter] = WORKBOOK_PATH;
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        self.clone().plan(id, request.caller.user_id, request.now).await
    }
}

impl ResetGraph {
    /// Boxed, because it calls this function again if the rules change meanwhile.
    fn plan(
        self,
        id: ResourceId,
        user_id: String,
        now: Timestamp,
    ) -> BoxFuture<'static, Result<Plan<()>, Problem>> {
        async move {
            let writes = self.ranges.reset_graph(&id, &user_id, now).await?;
            let details = AuditDetails::default().detail("workbook_id", id.as_str());
            Ok(writes.into_iter().fold(Plan::reply(()).details(details), |plan, write| {
                let (endpoint, id, user_id) = (self.clone(), id.clone(), user_id.clone());
                plan.write_or_retry(write, Box::new(move |_| endpoint.plan(id, user_id, now)))
            }))
        }
        .boxed()
    }
}
