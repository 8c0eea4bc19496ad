//! The worker that stores how a preparation ended. Lambda starts it with the record of each
//! invocation of `file-prepare`, which has no table itself. The owner of the file is told over each
//! of their open connections.

mod record;

use platform::clock::Clock;
use platform::gate::{Committer, RequestInfo};
use platform::runtime::Invocation;
use platform::socket::Broadcast;
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use tally_files::{Endings, FileUpdated};

pub use record::{Record, RequestContext};

/// The worker. A conditional write ends a preparation, so two of them at once do no harm.
pub struct FileEnd {
    endings: Endings,
    committer: Committer,
    broadcast: Broadcast,
    clock: Clock,
}

impl Worker for FileEnd {
    type Payload = Record;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self {
            endings: Endings::new(platform)?,
            committer: Committer::new(platform)?,
            broadcast: Broadcast::new(platform)?,
            clock: platform.clock.clone(),
        })
    }

    /// An error makes Lambda start the worker again with the same record.
    async fn run(&self, record: Record, _: Invocation) -> Result<(), Problem> {
        let now = self.clock.now();
        let started = &record.request_payload;
        let Some(preparing) = self.endings.find(started, now).await? else { return Ok(()) };
        let origin = preparing.origin().clone();
        let info = RequestInfo::new(&origin.context, now, None);
        let plan = self.endings.end(preparing, record.prepared(), now);
        let reply = self.committer.commit(plan, Some(&origin.caller), &info).await?;
        if let Some(file) = reply.into_output() {
            self.broadcast.post(&started.user_id, &FileUpdated::new(file)).await;
        }
        Ok(())
    }
}
