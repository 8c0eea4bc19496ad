//! `DELETE /files/{id}`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::Files;

use crate::PATH;

/// `DELETE /files/{id}`.
pub struct DeleteFile {
    files: Files,
}

impl Endpoint for DeleteFile {
    const ROUTE: Route = routes::FILE_DELETE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<()>, Problem> {
        let id = request.call.path_id("id")?;
        self.files.delete(&request.caller.user_id, &id, request.now).await
    }
}
