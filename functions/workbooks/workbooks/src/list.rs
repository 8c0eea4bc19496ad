//! `GET /workbooks`.

use platform::cursor::{Cursors, Page, Paging};
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::listing::{WorkbookList, WorkbookPage};

use crate::opened::WorkbookView;

/// `GET /workbooks`.
pub struct ListWorkbooks {
    list: WorkbookList,
    cursors: Cursors,
}

impl Endpoint for ListWorkbooks {
    const ROUTE: Route = routes::WORKBOOKS;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = Page<WorkbookView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { list: WorkbookList::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Page<WorkbookView>>, Problem> {
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let from = self.cursors.open(paging, user_id, request.call).await?;
        let page = self.list.page(user_id, from, paging.limit, request.now).await?;
        let WorkbookPage { items, next } = page.ok_or_else(Problem::invalid_token)?;
        let items = items.into_iter().map(|listed| WorkbookView::from(listed.workbook)).collect();
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?))
    }
}
