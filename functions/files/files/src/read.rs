//! `GET /files/{id}`, `GET /files/{id}/content`.

use platform::http::PathParameter;
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::Files;
use tally_files::domain::{Download, File};

use crate::PATH;

/// `GET /files/{id}`.
pub struct ReadFile {
    files: Files,
}

/// `GET /files/{id}/content`.
pub struct ReadFileContent {
    files: Files,
}

impl Endpoint for ReadFile {
    const ROUTE: Route = routes::FILE;
    const PATH: &'static [PathParameter] = PATH;
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = File;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<File>, Problem> {
        let id = request.call.path_id("id")?;
        let file = self.files.get(&request.caller.user_id, &id, request.now).await?;
        Ok(Plan::reply(file.ok_or_else(Problem::not_found)?))
    }
}

impl Endpoint for ReadFileContent {
    const ROUTE: Route = routes::FILE_CONTENT;
    const PATH: &'static [PathParameter] = PATH;
    const PROBLEMS: &'static [Code] = &[Code::FileNotReady];
    type Caller = Principal;
    type Body = ();
    type Query = ();
    type Output = Download;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)? })
    }

    async fn handle(&self, request: Request<'_, Self>) -> Result<Plan<Download>, Problem> {
        let id = request.call.path_id("id")?;
        self.files.content(&request.caller.user_id, &id, request.now).await
    }
}
