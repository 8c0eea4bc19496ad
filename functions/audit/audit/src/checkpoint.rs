//! `GET /audit/checkpoint`: the newest signed checkpoint of the sealed log.

use archive::Archive;
use platform::http::{Answer, Output, Rendered};
use platform::identity::Principal;
use platform::problem::Code;
use platform::routes::{self, Route};
use platform::{ConfigError, Endpoint, Plan, Platform, Problem, Request};

/// `GET /audit/checkpoint`.
pub struct ReadCheckpoint {
    archive: Archive,
    is_open: bool,
}

/// A signed note.
pub struct CheckpointText(String);

impl Endpoint for ReadCheckpoint {
    const ROUTE: Route = routes::AUDIT_CHECKPOINT;
    const PROBLEMS: &'static [Code] = &[Code::NotFound];
    type Caller = Option<Principal>;
    type Body = ();
    type Query = ();
    type Output = CheckpointText;

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let is_open = platform.config.switch("AUDIT_PUBLIC_CHECKPOINT")?;
        Ok(Self { archive: Archive::new(platform)?, is_open })
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    /// Only a known caller can be counted.
    fn row(&self, _: &Request<'_, Self>) -> Route {
        let limits = if self.is_open { &[][..] } else { Self::ROUTE.limits };
        Route { limits, ..Self::ROUTE }
    }

    async fn handle(&self, _: Request<'_, Self>) -> Result<Plan<CheckpointText>, Problem> {
        let published = self.archive.checkpoint().await?;
        let none = || Problem::new(Code::NotFound, "There is no checkpoint yet.");
        Ok(Plan::reply(CheckpointText(published.ok_or_else(none)?.note.to_string())))
    }
}

impl Output for CheckpointText {
    fn render(self) -> Result<Rendered, serde_json::Error> {
        Ok(Rendered { content_type: "text/plain; charset=utf-8", body: self.0.into_bytes() })
    }

    fn describe() -> Vec<Answer> {
        let note = "A checkpoint (c2sp.org/tlog-checkpoint) as a signed note \
                    (c2sp.org/signed-note). It has two signatures of the log: one of the \
                    checkpoint, and a cosignature (c2sp.org/tlog-cosignature) that states its \
                    time.";
        vec![Answer::default().or_lines("text/plain", note)]
    }
}
