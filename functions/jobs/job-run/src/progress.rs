//! The messages about a job to the open connections of its user. They never delay the work.

use std::time::Duration;

use assistant::domain::Cost;
use platform::socket::Broadcast;
use tally_jobs::domain::{Counts, JobStatus};
use tally_jobs::store::Head;
use tally_jobs::{JobEnded, JobProgress};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Time between two messages, at least.
const PAUSE: Duration = Duration::from_secs(1);

/// Posts messages about a job.
pub struct Progress {
    broadcast: Broadcast,
    next: Instant,
    /// The state of which the last message told.
    posted: Option<(JobStatus, Counts, Cost)>,
    posting: Option<JoinHandle<()>>,
}

impl Progress {
    pub fn new(broadcast: &Broadcast) -> Self {
        let broadcast = broadcast.clone();
        Self { broadcast, next: Instant::now(), posted: None, posting: None }
    }

    /// Posts the state of a job, if it has changed. If a message was posted within a second or is
    /// still on its way, it posts nothing.
    pub fn post(&mut self, head: &Head, ended: impl Iterator<Item = u32>) {
        let is_posting = self.posting.as_ref().is_some_and(|posting| !posting.is_finished());
        let state = Some((head.status, head.counts, head.cost));
        if is_posting || Instant::now() < self.next || self.posted == state {
            return;
        }
        self.next = Instant::now() + PAUSE;
        self.posted = state;
        let (broadcast, user_id) = (self.broadcast.clone(), head.user_id.clone());
        let message = JobProgress::new(head, ended);
        self.posting = Some(tokio::spawn(async move { broadcast.post(&user_id, &message).await }));
    }

    /// Posts the end of a job, after what is on its way.
    pub async fn end(mut self, head: &Head) {
        if let Some(posting) = self.posting.take()
            && let Err(error) = posting.await
        {
            tracing::warn!(%error, job_id = head.id, "failed to post the progress of a job");
        }
        self.broadcast.post(&head.user_id, &JobEnded { job: head.shown() }).await;
    }
}
