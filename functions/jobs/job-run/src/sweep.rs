//! The jobs that need a worker: their worker has died or was never started, or they have waited for
//! the provider long enough.

use platform::clock::Clock;
use platform::metrics::{Metrics, Signal};
use platform::runtime::Invocation;
use platform::worker::Invoker;
use platform::{ConfigError, Platform, Problem};
use tally_jobs::JobStart;
use tally_jobs::store::{Due, Jobs};

/// Starts workers.
pub struct Sweep {
    metrics: Metrics,
    clock: Clock,
}

impl Sweep {
    pub fn new(platform: &Platform) -> Result<Self, ConfigError> {
        Ok(Self { metrics: Metrics::new(platform)?, clock: platform.clock.clone() })
    }

    /// Starts a worker for each job that needs one, and emits how long the oldest has needed it.
    pub async fn start_each(
        &self,
        jobs: &Jobs,
        worker: &Invoker,
        invocation: &Invocation,
    ) -> Result<(), Problem> {
        let now = self.clock.now();
        let (mut oldest, mut result) = (0, Ok(()));
        for shard in 0..Jobs::SHARDS {
            let mut after: Option<Due> = None;
            loop {
                let due = jobs.due(shard, now, after.as_ref()).await?;
                for job in &due {
                    oldest = oldest.max(now.as_second() - job.due_at);
                    let start = JobStart {
                        user_id: Some(job.user_id.clone()),
                        job_id: Some(job.id.clone()),
                    };
                    if let Err(error) = worker.start(&start).await {
                        tracing::error!(%error, job_id = job.id, "failed to start a worker");
                        result = Err(Problem::unavailable());
                    }
                }
                after = due.into_iter().next_back();
                if after.is_none() || invocation.remaining().is_zero() {
                    break;
                }
            }
        }
        self.metrics.emit(Signal::JobQueueAge, oldest);
        result
    }
}
