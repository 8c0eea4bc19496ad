//! The worker that deletes what deleted conversations and accounts leave. It handles the one that it is started for, and those whose own
//! worker was not started or did not finish. You can start it at any time, as often as you like. Without an id, started by hand or by a
//! schedule, it handles what is left.

use std::time::Duration;

use platform::clock::Clock;
use platform::config::ConfigError;
use platform::platform::Platform;
use platform::problem::Problem;
use platform::runtime::Invocation;
use platform::worker::Worker;
use tally_chat::SweepStart;
use tally_chat::store::{Deleted, Remains, Sweep, Sweeps};

/// Milliseconds for which a sweep is left to the worker that was started for it. No request lasts as long. So a request that was admitted
/// before the account was deleted begins no conversation later.
const LEFT_FOR_MS: i64 = 60_000;

/// Time before the end of the invocation in which no batch is begun.
const MARGIN: Duration = Duration::from_secs(5);

/// The worker.
pub struct SweepConversations {
    sweeps: Sweeps,
    remains: Remains,
    clock: Clock,
}

impl Worker for SweepConversations {
    type Payload = SweepStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let (database, config) = (platform.database()?, &platform.config);
        Ok(Self { sweeps: Sweeps::new(database.clone(), config)?, remains: Remains::new(database, config)?, clock: platform.clock.clone() })
    }

    /// An error makes Lambda start the worker again, and so does the end of its time. It goes on where it stopped.
    async fn run(&self, start: SweepStart, invocation: Invocation) -> Result<(), Problem> {
        for (deleted, id) in [(Deleted::Conversations, start.conversation_id), (Deleted::Users, start.user_id)] {
            if let Some(id) = id
                && let Some(sweep) = self.sweeps.find(deleted, &id).await?
            {
                self.sweep(&sweep, &invocation).await?;
            }
        }
        // Accounts come first, because they leave conversations.
        for deleted in [Deleted::Users, Deleted::Conversations] {
            let mut after = None;
            loop {
                let outstanding = self.sweeps.outstanding(deleted, after.as_deref()).await?;
                for sweep in outstanding.iter().filter(|sweep| self.is_left(sweep)) {
                    self.sweep(sweep, &invocation).await?;
                }
                let Some(last) = outstanding.into_iter().next_back() else { break };
                after = Some(last.id);
            }
        }
        Ok(())
    }
}

impl SweepConversations {
    async fn sweep(&self, sweep: &Sweep, invocation: &Invocation) -> Result<(), Problem> {
        match sweep.deleted {
            Deleted::Conversations => self.sweep_conversation(sweep, invocation).await,
            Deleted::Users => self.sweep_user(sweep, invocation).await,
        }
    }

    /// Deletes the messages of a conversation. If a reply has not ended, the worker tells it to stop, and the sweep stays.
    async fn sweep_conversation(&self, sweep: &Sweep, invocation: &Invocation) -> Result<(), Problem> {
        let (mut after, mut unfinished) = (None, 0);
        loop {
            in_time(sweep, invocation)?;
            let swept = self.remains.delete_messages(&sweep.id, after.as_deref(), self.clock.now()).await?;
            unfinished += swept.unfinished;
            after = swept.last;
            if after.is_none() {
                break;
            }
        }
        if unfinished > 0 {
            tracing::info!(conversation_id = sweep.id, unfinished, "some replies have not ended; a later sweep deletes the rest");
            return Ok(());
        }
        Ok(self.sweeps.done(sweep).await?)
    }

    /// Deletes the conversations of an account. The sweep stays while a request may be under way that begins another one.
    async fn sweep_user(&self, sweep: &Sweep, invocation: &Invocation) -> Result<(), Problem> {
        let settled = self.is_left(sweep);
        while let Some(conversation) = self.remains.delete_conversation(&sweep.id, self.clock.now()).await? {
            self.sweep_conversation(&conversation, invocation).await?;
        }
        if settled { Ok(self.sweeps.done(sweep).await?) } else { Ok(()) }
    }

    /// Whether the worker that was started for a sweep has had its time.
    fn is_left(&self, sweep: &Sweep) -> bool {
        sweep.deleted_at < self.clock.now().as_millisecond() - LEFT_FOR_MS
    }
}

fn in_time(sweep: &Sweep, invocation: &Invocation) -> Result<(), Problem> {
    if invocation.remaining() < MARGIN {
        tracing::info!(?sweep, "failed to finish a sweep in time");
        return Err(Problem::unavailable());
    }
    Ok(())
}
