//! `GET /files`.

use platform::cursor::{Cursors, Page, Paging};
use platform::http::{Parameters, in_query};
use platform::identity::Principal;
use platform::input::{Fields, Input};
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::Files;
use tally_files::domain::{File, FileStatus};
use utoipa::IntoParams;
use utoipa::openapi::path::Parameter;

/// `GET /files`.
pub struct ListFiles {
    files: Files,
    cursors: Cursors,
}

/// The filters.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FileFilters {
    /// Only files with this status.
    #[param(inline)]
    pub status: Option<FileStatus>,
}

/// The query parameters.
#[derive(Debug)]
pub struct FilesQuery {
    /// Which files are wanted.
    pub filters: FileFilters,
    /// The page to return.
    pub paging: Paging,
}

impl Input for FilesQuery {
    fn read(fields: &mut Fields) -> Option<Self> {
        let status = fields.optional("status");
        let paging = Paging::read(fields);
        Some(Self { filters: FileFilters { status: status? }, paging: paging? })
    }
}

/// The parameters of the filters, and those of every list.
impl Parameters for FilesQuery {
    fn parameters() -> Vec<Parameter> {
        [in_query::<FileFilters>(), Paging::parameters()].concat()
    }
}

impl Endpoint for ListFiles {
    const ROUTE: Route = routes::FILES;
    type Caller = Principal;
    type Body = ();
    type Query = FilesQuery;
    type Output = Page<File>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)?, cursors: Cursors::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Page<File>>, Problem> {
        let (FilesQuery { filters, paging }, user_id) = (&request.query, &request.caller.user_id);
        let after = self.cursors.open(paging, user_id, request.call).await?;
        let (files, next) =
            self.files.list(user_id, filters.status, after, paging.limit, request.now).await?;
        Ok(Plan::reply(self.cursors.page(files, next, user_id, request.call).await?))
    }
}
