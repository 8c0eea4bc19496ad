//! The scheduled worker that writes events for denials which no later denial has reported. Each
//! window leaves one event at once, and the denials that follow in it are only counted. The worker
//! is a function of its own, because no other function may read the limits' table and its index.

use std::time::Duration;

use platform::clock::Clock;
use platform::database::{CommitError, Database};
use platform::runtime::Invocation;
use platform::store::{AuditLog, LimitCounters, UntoldPlace};
use platform::worker::Worker;
use platform::{ConfigError, Platform, Problem};
use serde::de::IgnoredAny;

/// Time before the end of the invocation in which nothing more is begun.
const MARGIN: Duration = Duration::from_secs(10);

/// The worker. Two of them at once, or one that dies, do no harm: the transaction that writes an
/// event also takes its count.
pub struct TellDenials {
    database: Database,
    counters: LimitCounters,
    log: AuditLog,
    clock: Clock,
}

impl Worker for TellDenials {
    type Payload = IgnoredAny;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let database = platform.database()?;
        Ok(Self {
            counters: LimitCounters::new(platform)?,
            log: AuditLog::new(platform)?,
            database,
            clock: platform.clock.clone(),
        })
    }

    /// A denial that cannot be reported waits for the next invocation, and delays no other.
    async fn run(&self, _: IgnoredAny, invocation: Invocation) -> Result<(), Problem> {
        let mut result = Ok(());
        for shard in 0..LimitCounters::SHARDS {
            let mut after = None;
            loop {
                let page = self.counters.untold(shard, self.clock.now(), after.as_ref()).await?;
                for place in &page {
                    if invocation.remaining() < MARGIN {
                        tracing::warn!(
                            "failed to report all denials in time; the next invocation reports \
                             the rest"
                        );
                        return Err(Problem::unavailable());
                    }
                    if let Err(error) = self.tell(place).await {
                        tracing::warn!(
                            %error,
                            shard,
                            "failed to report a denial; the next invocation tries again"
                        );
                        result = Err(Problem::unavailable());
                    }
                }
                let Some(last) = page.into_iter().next_back() else { break };
                after = Some(last);
            }
        }
        result
    }
}

impl TellDenials {
    async fn tell(&self, place: &UntoldPlace) -> Result<(), CommitError> {
        let Some((take, event)) = self.counters.take_untold(place, self.clock.now()).await? else {
            return Ok(());
        };
        match self.database.commit(vec![take, self.log.append(event)?]).await {
            // Another worker was faster, or one more denial came. Then a later run reports it.
            Err(CommitError::Condition { .. }) => Ok(()),
            committed => committed,
        }
    }
}
