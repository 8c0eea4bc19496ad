//! `POST /files/{id}/complete`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::domain::File;
use tally_files::{Files, Origin};

use crate::PATH;

/// `POST /files/{id}/complete`. A repeated call answers with the file as it is.
pub struct CompleteFile {
    files: Files,
}

impl Endpoint for CompleteFile {
    const ROUTE: Route = routes::FILE_COMPLETE;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::UploadMissing];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = File;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<File>, Problem> {
        let id = request.call.path_id("id")?;
        let origin = Origin { caller: request.caller, context: request.context.clone() };
        self.files.complete(origin, &id, request.now).await
    }
}
