//! `POST /files`.

use platform::http::Created;
use platform::identity::Principal;
use platform::plan::Reply;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};
use tally_files::domain::NewFile;
use tally_files::{AnnouncedFile, Files};

/// `POST /files`. A repeated request whose file has gone is answered 404.
pub struct CreateFile {
    files: Files,
}

impl Endpoint for CreateFile {
    const ROUTE: Route = routes::FILE_CREATE;
    const PROBLEMS: &'static [Code] = &[Code::NotFound, Code::QuotaExceeded];
    type Caller = Principal;
    type Body = NewFile;
    type Query = ();
    type Output = Created<AnnouncedFile>;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { files: Files::new(platform)? })
    }

    async fn handle(
        &self,
        request: Request<'_, Self>,
    ) -> Result<Plan<Created<AnnouncedFile>>, Problem> {
        let user_id = &request.caller.user_id;
        let plan = self.files.create(user_id, request.body, request.now).await?;
        Ok(plan.map(created))
    }

    async fn repeat(
        &self,
        request: Request<'_, Self>,
        created_id: &str,
    ) -> Result<Plan<Created<AnnouncedFile>>, Problem> {
        let plan = self.files.created(&request.caller.user_id, created_id, request.now).await?;
        Ok(plan.map(created))
    }
}

/// The answer with the path of the file.
fn created(reply: Reply<AnnouncedFile>) -> Reply<Created<AnnouncedFile>> {
    let path = format!("/files/{}", reply.output().file.id);
    reply.map(Created).location(&path)
}
