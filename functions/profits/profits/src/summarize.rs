//! `GET /profits/summary`.

use platform::http::{WithETag, with_etag};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::Action;
use tally_data::{ProfitReader, ProfitsSummary, SummaryQuery};

/// `GET /profits/summary`.
pub struct SummarizeProfits {
    reader: ProfitReader,
}

impl Endpoint for SummarizeProfits {
    const ROUTE: Route = routes::PROFITS_SUMMARY;
    type Caller = Principal;
    type Body = ();
    type Query = SummaryQuery;
    type Output = WithETag<ProfitsSummary>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: ProfitReader::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<WithETag<ProfitsSummary>>, Problem> {
        let (query, user_id) = (&request.query, &request.caller.user_id);
        let summary = self.reader.summary(user_id, query, Action::Read, request.now).await?;
        let details = query.details().detail("rows", summary.items.len());
        Ok(Plan::reply(with_etag(request.call, summary)?).details(details))
    }
}
