//! The worker that makes the calls of jobs. It acquires a job for the time of a lease, makes some
//! calls at once, and stores what they give. Before its invocation ends, it starts its successor. A
//! worker that dies leaves a job whose lease runs out. The schedule starts this function without a
//! job, and then it starts a worker for each job that needs one.
//!
//! - `run`: the flow of a round from the first call to the end; `call`: one call of the model
//! - `board`: which items wait, run and have ended, and what the hold still pays for; `pace`: how
//!   many calls run at once
//! - `ledger`: the job while its worker has it, and its changes; `end`: the end of a round
//! - `work`: what each kind of job asks the model, and what it makes of the answers
//! - `progress`: the messages to the user's connections; `sweep`: jobs that need a worker

mod board;
mod call;
mod end;
mod ledger;
mod pace;
mod progress;
mod run;
#[cfg(test)]
mod samples;
mod sweep;
mod work;

use std::time::Duration;

use assistant::Provider;
use assistant::pricing::Pricing;
use platform::clock::Clock;
use platform::runtime::Invocation;
use platform::socket::Broadcast;
use platform::worker::{Invoker, Worker};
use platform::{ConfigError, Platform, Problem};
use tally_jobs::JobStart;
use tally_jobs::store::{Items, Jobs};
use texts::Texts;

use end::Ends;
use ledger::Ledger;
use run::{Exit, Round};
use sweep::Sweep;
use work::Kinds;

/// The worker.
pub struct JobRun {
    jobs: Jobs,
    items: Items,
    ledger: Ledger,
    ends: Ends,
    kinds: Kinds,
    texts: Texts,
    broadcast: Broadcast,
    sweep: Sweep,
    provider: Box<dyn Provider>,
    /// Absent where calls cost nothing.
    pricing: Option<Pricing>,
    /// Starts another worker.
    worker: Invoker,
    settings: Settings,
    clock: Clock,
}

/// The settings of the worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    /// Calls of a job at once.
    pub parallel: usize,
    /// Time for which a worker keeps others off a job, unless it extends it.
    pub lease: Duration,
}

impl Worker for JobRun {
    type Payload = JobStart;
    type Output = ();

    fn new(platform: &Platform) -> Result<Self, ConfigError> {
        let config = &platform.config;
        let settings = Settings {
            parallel: usize::try_from(config.count("JOB_PARALLEL", 4)?).unwrap_or(usize::MAX),
            lease: config.seconds("JOB_LEASE_SECONDS", 30)?,
        };
        let jobs = Jobs::new(platform)?;
        Ok(Self {
            ledger: Ledger::new(platform, settings.lease)?,
            ends: Ends::new(platform)?,
            items: Items::new(platform)?,
            kinds: Kinds::new(platform)?,
            texts: Texts::new(platform)?,
            broadcast: Broadcast::new(platform)?,
            sweep: Sweep::new(platform)?,
            provider: assistant::provider(platform)?,
            pricing: Pricing::from_config(config)?,
            worker: Invoker::unnamed(config)?,
            settings,
            clock: platform.clock.clone(),
            jobs,
        })
    }

    async fn run(&self, start: JobStart, invocation: Invocation) -> Result<(), Problem> {
        let worker = self.worker.to(&invocation.function_arn);
        let (Some(user_id), Some(job_id)) = (&start.user_id, &start.job_id) else {
            return self.sweep.start_each(&self.jobs, &worker, &invocation).await;
        };
        let Some(head) = self.ledger.acquire(user_id, job_id).await? else {
            tracing::info!(job_id, "another worker has this job, or it has ended");
            return Ok(());
        };
        let exit = Box::pin(Round::new(self, head, &invocation).run()).await?;
        if let Exit::HandOver = exit
            && let Err(error) = worker.start(&start).await
        {
            tracing::warn!(%error, job_id, "failed to start the successor; the schedule does so");
        }
        Ok(())
    }
}
