//! `GET /prompts/{name}/versions`, `GET /prompts/{name}/versions/{version}`.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_prompts::built_in;
use tally_prompts::store::Prompts;

use crate::view::{VersionItem, VersionView};
use crate::{change, names};

/// `GET /prompts/{name}/versions`, newest first. The version that is built in comes last.
pub struct ListVersions {
    prompts: Prompts,
    cursors: Cursors,
}

/// `GET /prompts/{name}/versions/{version}`.
pub struct ReadVersion {
    prompts: Prompts,
}

impl Endpoint for ListVersions {
    const ROUTE: Route = routes::PROMPT_VERSIONS;
    const PATH: &'static [PathParameter] = names::PATH;
    type Caller = Principal;
    type Body = ();
    type Query = Paging;
    type Output = Page<VersionItem>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<VersionItem>>, Problem> {
        let name = names::name(request.call)?;
        let (paging, user_id) = (&request.query, &request.caller.user_id);
        let before = self.cursors.open::<u32>(paging, user_id, request.call).await?;
        let head = self.prompts.head(&name).await?.ok_or_else(Problem::not_found)?;
        let (versions, more) = self.prompts.versions(&name, before, paging.limit).await?;
        let mut items: Vec<_> =
            versions.iter().map(|version| VersionItem::new(version, &head)).collect();
        let last = versions.last().map(|version| version.version).filter(|_| more);
        let next = match (last, built_in(&name)) {
            // The numbers have no gaps, so no version is older than the first one.
            (Some(1), None) => None,
            // The version that is built in comes last, as version 0.
            (None, Some(version)) if items.len() < paging.limit => {
                items.push(VersionItem::new(&version, &head));
                None
            }
            (None, Some(_)) => Some(1),
            (last, _) => last,
        };
        Ok(Plan::reply(self.cursors.page(items, next, user_id, request.call).await?))
    }
}

impl Endpoint for ReadVersion {
    const ROUTE: Route = routes::PROMPT_VERSION;
    const PATH: &'static [PathParameter] = names::VERSION_PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = VersionView;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { prompts: Prompts::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<VersionView>, Problem> {
        let (name, which) = (names::name(request.call)?, names::version(request.call)?);
        let head = self.prompts.head(&name).await?.ok_or_else(Problem::not_found)?;
        let number = head.number(Some(&which)).ok_or_else(Problem::not_found)?;
        let version = change::version(&self.prompts, &name, number).await?;
        let version = version.ok_or_else(Problem::not_found)?;
        Ok(Plan::reply(VersionView::new(version, &head)))
    }
}
