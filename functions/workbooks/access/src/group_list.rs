//! `GET /groups`, `GET /groups/{id}`.

use platform::audit::AuditDetails;
use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::Identity;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_access::store::Groups;

use crate::groups::GroupView;

/// `GET /groups`.
pub struct ListGroups {
    groups: Groups,
    cursors: Cursors,
}

/// `GET /groups/{id}`.
pub struct ReadGroup {
    groups: Groups,
}

impl Endpoint for ListGroups {
    const ROUTE: Route = routes::GROUPS;
    type Caller = Identity;
    type Body = ();
    type Query = Paging;
    type Output = Page<GroupView>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<GroupView>>, Problem> {
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open::<String>(paging, user_id, request.call).await?;
        let (groups, more) = self.groups.list(after.as_deref(), paging.limit).await?;
        let next = groups.last().filter(|_| more).map(|group| group.id.clone());
        let details =
            AuditDetails::default().detail("limit", paging.limit).detail("rows", groups.len());
        let items = groups.into_iter().map(GroupView::from).collect();
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?)
            .details(details))
    }
}

impl Endpoint for ReadGroup {
    const ROUTE: Route = routes::GROUP;
    const PATH: &'static [PathParameter] = &[PathParameter::id("id", "Id of the group.")];
    type Caller = Identity;
    type Body = ();
    type Query = ();
    type Output = GroupView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { groups: Groups::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<GroupView>, Problem> {
        let group =
            self.groups.get(&request.call.path_id("id")?).await?.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(GroupView::from(group)))
    }
}
