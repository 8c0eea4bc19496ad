//! The worker that deletes the messages of conversations that have been deleted: of the one that it is started for, and of those
//! whose own worker was not started, or did not come to its end. It can be started at any time and as often as one likes; without
//! an id, by hand or by a schedule, it sees to what is left.

use std::time::Duration;

use platform::chat::SweepStart;
use platform::clock::Clock;
use platform::config::ConfigError;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::store::Sweeps;
use platform::worker::{Invocation, Worker};

/// Milliseconds for which a sweep is left to the worker that was started for it.
const LEFT_FOR_MS: i64 = 60_000;

/// Time before the end of the invocation in which no batch is begun.
const MARGIN: Duration = Duration::from_secs(5);

/// The worker.
pub struct SweepConversations {
    sweeps: Sweeps,
    clock: Clock,
}

impl Worker for SweepConversations {
    type Payload = SweepStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { sweeps: Sweeps::new(platform.database()?, &platform.config)?, clock: platform.clock.clone() })
    }

    /// An error, also where the time is up, has Lambda start it again: it goes on where it was.
    async fn run(&self, start: SweepStart, invocation: Invocation) -> Result<(), Problem> {
        if let Some(id) = &start.conversation_id
            && self.sweeps.find(id).await?.is_some()
        {
            self.sweep(id, &invocation).await?;
        }
        let (mut after, begun) = (None, self.clock.now());
        loop {
            let outstanding = self.sweeps.outstanding(after.as_deref()).await?;
            for sweep in outstanding.iter().filter(|sweep| sweep.deleted_at < begun.as_millisecond() - LEFT_FOR_MS) {
                self.sweep(&sweep.id, &invocation).await?;
            }
            let Some(last) = outstanding.into_iter().next_back() else { return Ok(()) };
            after = Some(last.id);
        }
    }
}

impl SweepConversations {
    /// Deletes the messages of a conversation whose sweep has been found. Where a reply is still being written, the sweep stays.
    async fn sweep(&self, conversation_id: &str, invocation: &Invocation) -> Result<(), Problem> {
        let (mut after, mut unfinished) = (None, 0);
        loop {
            if invocation.remaining() < MARGIN {
                tracing::info!(conversation_id, "not done in time");
                return Err(Problem::unavailable());
            }
            let swept = self.sweeps.batch(conversation_id, after.as_deref(), self.clock.now()).await?;
            unfinished += swept.unfinished;
            after = swept.last;
            if after.is_none() {
                break;
            }
        }
        if unfinished > 0 {
            tracing::info!(conversation_id, unfinished, "replies are still being written");
            return Ok(());
        }
        Ok(self.sweeps.done(conversation_id).await?)
    }
}
