//! `GET /workbooks/{id}/ranges`: the newest range first. The index may lag, so a new range is
//! listed a moment after its upload began.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_ranges::Ranges;

use crate::create::WORKBOOK_PATH;
use crate::view::RangeItem;

/// `GET /workbooks/{id}/ranges`.
pub struct ListRanges {
    ranges: Ranges,
    cursors: Cursors,
}

impl Endpoint for ListRanges {
    const ROUTE: Route = routes::RANGES;
    const PATH: &'static [PathParameter] = WORKBOOK_PATH;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = Page<RangeItem>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { ranges: Ranges::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<RangeItem>>, Problem> {
        let id = request.call.path_id("id")?;
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let caller = (user_id.as_str(), request.now);
        let (heads, next) = self.ranges.list(&id, after, paging.limit, caller).await?;
        let items = heads.iter().map(RangeItem::from).collect();
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?))
    }
}
