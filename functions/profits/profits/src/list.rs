//! `GET /profits`.

use platform::http::{WithETag, with_etag};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::domain::Action;
use tally_data::{ProfitReader, ProfitsPage, ProfitsQuery};

/// `GET /profits`.
pub struct ListProfits {
    reader: ProfitReader,
}

impl Endpoint for ListProfits {
    const ROUTE: Route = routes::PROFITS;
    type Caller = Principal;
    type Body = ();
    type Query = ProfitsQuery;
    type Output = WithETag<ProfitsPage>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { reader: ProfitReader::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<WithETag<ProfitsPage>>, Problem> {
        let (query, user_id) = (&request.query, &request.caller.user_id);
        let page = self.reader.page(user_id, query, Action::Read, request.now).await?;
        let details = query.details().detail("rows", page.items.len());
        Ok(Plan::reply(with_etag(request.call, page)?).details(details))
    }
}
